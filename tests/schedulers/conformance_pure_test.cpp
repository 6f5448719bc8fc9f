// What every scheduler makes of pure calls: equal ones run once, others apart, and no result changes.

#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/random_graphs.hpp"
#include "support/schedulers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::tests::shared_counter;

namespace {

shared_counter& calls() {
  static shared_counter counter;
  return counter;
}

int square(int x) { return calls().add(), x * x; }
int mix(int x, int y) { return calls().add(), (x * 31 + y * 17) % 1009; }
std::string repeat(std::string const& s, int n) {
  calls().add();
  std::string all;
  for (int i = 0; i < n; ++i) all += s;
  return all;
}

struct scale {
  int by;
  int operator()(int x) const { return calls().add(), x * by; }
};

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("equal pure calls have one key and run once, and any other argument makes another call") {
  calls().reset();
  auto pure = delayed(square, {.pure = true});
  auto a = pure(3), b = pure(3), c = pure(4);
  CHECK(a.key() == b.key());
  CHECK(a.key() != c.key());
  CHECK(dally::compute(scheduler, a, b, c, a + b) == std::tuple{9, 9, 16, 18});
  CHECK(calls().value() == 2);
  calls().reset();
  auto words = delayed(repeat, {.pure = true});
  CHECK(words("ab", 2).key() == words(std::string{"ab"}, 2).key());
  CHECK(std::set<dally::key>{words("ab", 2).key(), words("ab", 3).key(), words("a", 2).key()}.size() == 3);
  CHECK(dally::compute(scheduler, words("ab", 2), words(std::string{"ab"}, 2), words("b", 2)) ==
        std::tuple{std::string{"abab"}, std::string{"abab"}, std::string{"bb"}});
  CHECK(calls().value() == 2);
}

DALLY_TEST_ON_EVERY_SCHEDULER("what a pure function is bound to counts") {
  calls().reset();
  auto twice = delayed(scale{2}, {.pure = true}), thrice = delayed(scale{3}, {.pure = true});
  CHECK(twice(5).key() == delayed(scale{2}, {.pure = true})(5).key());
  CHECK(twice(5).key() != thrice(5).key());
  CHECK(dally::compute(scheduler, twice(5), thrice(5), twice(5)) == std::tuple{10, 15, 10});
  CHECK(calls().value() == 2);
}

DALLY_TEST_ON_EVERY_SCHEDULER("equal pure calls of equal pure calls run once, down to the leaves") {
  calls().reset();
  auto pure = delayed(mix, {.pure = true});
  auto tree = [&pure](int depth, auto const& self) -> lazy<int> {
    return depth == 0 ? lazy<int>{pure(1, 2)} : pure(self(depth - 1, self), self(depth - 1, self));
  };
  auto x = tree(8, tree);  // 511 calls recorded, 9 different ones
  auto const merged = x.compute(scheduler);
  CHECK(calls().value() == 9);
  int expected = mix(1, 2);
  for (int i = 0; i < 8; ++i) expected = mix(expected, expected);
  CHECK(merged == expected);
}

DALLY_TEST_ON_EVERY_SCHEDULER("functions wrapped in a pure scope are pure, and what is said of a function wins") {
  auto run_twice = [&scheduler](auto const& f) {
    calls().reset();
    auto a = f(6), b = f(6);
    CHECK(dally::compute(scheduler, a, b) == std::tuple{36, 36});
    CHECK((a.key() == b.key()) == (calls().value() == 1));
    return calls().value();
  };
  auto const impure_before = delayed(square, {.pure = false});
  auto const named_before = delayed(square, {.name = "before"});
  auto const plain_before = delayed(square);
  {
    using dally::pure::delayed;
    CHECK(run_twice(delayed(square)) == 1);
    CHECK(run_twice(delayed(dally::fn<square>)) == 1);
    CHECK(run_twice(delayed([](int x) { return square(x); })) == 1);
    CHECK(run_twice(delayed(square, {.name = "label"})) == 1);
    CHECK(delayed(square, {.name = "label"})(6).name() == "label");
    CHECK(run_twice(delayed(square, {.pure = true})) == 1);
    CHECK(run_twice(delayed(square, {.pure = false})) == 2);
    CHECK(run_twice(delayed(impure_before)) == 2);
    CHECK(run_twice(delayed(named_before)) == 1);
    CHECK(delayed(named_before)(6).name() == "before");
    CHECK(run_twice(delayed(plain_before)) == 1);
    CHECK(delayed(square)(6).key() == dally::delayed(square, {.pure = true})(6).key());
    auto const line = __LINE__ + 1;
    CHECK(delayed(square).place().line() == line);
    CHECK(delayed(square, {.name = "label"}).place().line() == line + 1);
    CHECK(delayed(plain_before).place().line() == plain_before.place().line());
  }
  CHECK(run_twice(delayed(square)) == 2);
  CHECK(run_twice(plain_before) == 2);
}

namespace {

/// A random graph of calls of few different functions on few different values: many are equal.
struct twin_graph {
  std::vector<lazy<int>> nodes;
  std::vector<lazy<int>> wanted;

  twin_graph(std::uint32_t seed, bool pure) {
    std::mt19937 random{seed};
    auto const below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    auto const squared = delayed(square, {.pure = pure});
    auto const mixed = delayed(mix, {.pure = pure});
    auto const scaled = delayed(scale{7}, {.pure = pure});
    for (int i = 0; i < 60; ++i) {
      if (nodes.size() < 4) {
        nodes.push_back(squared(static_cast<int>(below(3))));
        continue;
      }
      auto const what = below(4);
      auto const a = nodes[below(nodes.size())];
      auto const b = nodes[below(nodes.size())];
      if (what == 0) {
        nodes.push_back(squared(static_cast<int>(below(3))));
      } else if (what == 1) {
        nodes.push_back(scaled(a) % 1009);
      } else {
        nodes.push_back(mixed(a, b));
      }
    }
    for (int i = 0; i < 12; ++i) wanted.push_back(nodes[below(nodes.size())]);
  }
};

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER(
    "merging pure calls and choosing an order change no value and drop nothing that is wanted") {
  auto const first = dally::tests::first_seed();
  for (std::uint32_t seed = first; seed != first + 40; ++seed) {
    CAPTURE(seed);
    twin_graph const plain{seed, false}, merged{seed, true};
    calls().reset();
    auto const expected = dally::compute(dally::synchronous{}, plain.wanted);
    auto const calls_of_plain = calls().value();
    calls().reset();
    CHECK(dally::compute(scheduler, plain.wanted) == expected);
    CHECK(calls().value() == calls_of_plain);  // nothing is merged unasked
    calls().reset();
    auto const values = dally::compute(scheduler, merged.wanted);
    CHECK(values.size() == 12);
    CHECK(values == expected);
    CHECK(calls().value() <= calls_of_plain);
    std::set<dally::key> keys;
    for (auto const& x : merged.nodes) keys.insert(x.key());
    CHECK(calls().value() <= static_cast<int>(keys.size()));
    CHECK(std::get<0>(dally::persist(scheduler, merged.wanted[3])).compute(scheduler) == expected[3]);
  }
}
