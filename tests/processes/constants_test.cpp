// Literals and persisted values that many calls take: a pool writes each once.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/sanitizers.hpp"

using dally::delayed;
using dally::lazy;
using dally::process_pool;
using dally::tests::ledger;

namespace {

int times_written = 0;  // by this process

/// A table that counts how often it is written.
struct table {
  std::vector<double> values;
};
double at(table const& t, int i) { return t.values[static_cast<std::size_t>(i)] + i; }

/// Units: MiB.
long own_memory(std::string const& what) {
  std::ifstream status{"/proc/self/status"};
  for (std::string word; status >> word;) {
    if (long kilobytes = 0; word == what && status >> kilobytes) return kilobytes / 1024;
  }
  return -1;
}

}  // namespace

template <>
struct dally::codec<table> {
  static void encode(dally::archive_writer& out, table const& t) {
    ++times_written;
    out(t.values);
  }
  static table decode(dally::archive_reader& in) { return {in.read<std::vector<double>>()}; }
};

TEST_CASE("a pool writes a value once, however many calls take it", "[process_pool]") {
  ledger books;
  process_pool const pool{2};
  for (std::size_t const size : {std::size_t{10}, std::size_t{100'000}}) {  // beside the task, and in an arena
    CAPTURE(size);
    lazy<table> const literal = table{std::vector<double>(size, 1.0)};
    auto const persisted =
        delayed([](std::size_t n) { return table{std::vector<double>(n, 1.0)}; })(size).persist(dally::synchronous{});
    for (auto const& shared : {literal, persisted}) {
      std::vector<lazy<double>> all;
      for (int i = 0; i < 10; ++i) all.push_back(delayed(at)(shared, i));
      for (int i = 0; i < 10; ++i) all.push_back(delayed(at)(shared, i).after(all.front()));
      for (int run = 0; run < 2; ++run) {
        times_written = 0;
        auto const values = dally::compute(pool, all);
        for (int i = 0; i < 20; ++i) CHECK(values[static_cast<std::size_t>(i)] == 1.0 + i % 10);
        CHECK(times_written >= 1);
        CHECK(times_written <= 3);  // counted, and written when its length is known
      }
    }
  }
}

TEST_CASE("a pool lets the bytes of a value go with the last call that takes it", "[process_pool]") {
  if (dally::tests::sanitized) return;  // memory that is freed stays with the sanitizer
  ledger books;
  process_pool const pool{1};
  auto const one = std::vector<double>(1'000'000, 1.0);
  // Each waits for the one before it, so that few are under way at a time.
  lazy<double> last = 0.0;
  std::vector<lazy<std::vector<double>>> tables;
  for (int i = 0; i < 40; ++i) tables.emplace_back(one);
  long const before = own_memory("RssShmem:");
  static long most = 0;
  most = 0;
  for (auto const& t : tables) {
    last = delayed([](std::vector<double> const& v, double x) { return v[0] + x; })(t, last);
    last = delayed(
        [](double x) {
          most = std::max(most, own_memory("RssShmem:"));
          return x;
        },
        {.here = true})(last);
  }
  CHECK(last.compute(pool) == 40);
  CHECK(most - before < 200);  // of 305 if all were kept
}
