// Long and wide graphs on a stack of 8 MiB: no recursion over edges anywhere.

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch2.hpp"
#include "support/sanitizers.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::lazy;

namespace {

// A tenth under a sanitizer: shadow memory and the slower steps would make ten times the work of the plain build's
// minutes and gigabytes, and a recursion over a million edges would overflow the stack all the same.
constexpr int chain_length = dally::tests::sanitized ? 1'000'000 : 10'000'000;
constexpr int fan_width = dally::tests::sanitized ? 300'000 : 3'000'000;

int next(int x) { return x + 1; }
std::int64_t sum(std::vector<int> const& values) {
  std::int64_t result = 0;
  for (int x : values) result += x;
  return result;
}

/// Runs `work` on a thread whose stack has exactly 8 MiB. `work` must not throw.
void on_8_mib_of_stack(std::function<void()> work) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, std::size_t{8} << 20);
  pthread_t thread;
  auto run = [](void* work_of_caller) -> void* {
    (*static_cast<std::function<void()>*>(work_of_caller))();
    return nullptr;
  };
  auto const error = pthread_create(&thread, &attributes, run, &work);
  pthread_attr_destroy(&attributes);
  REQUIRE(error == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
}

lazy<int> chain() {
  lazy<int> x{0};
  for (int i = 0; i < chain_length; ++i) x = delayed(next)(x);
  return x;
}

}  // namespace

TEST_CASE("a chain of ten million calls is recorded, computed and destroyed", "[schedulers][large]") {
  int one = 0, four = 0;
  on_8_mib_of_stack([&] {
    auto x = chain();
    one = x.compute(dally::synchronous{});
    four = x.compute(dally::threads{4});
  });
  CHECK(one == chain_length);
  CHECK(four == chain_length);
}

TEST_CASE("a chain of ten million additions is recorded, computed and destroyed", "[schedulers][large]") {
  int value = 0;
  on_8_mib_of_stack([&] {
    lazy<int> x{0};
    for (int i = 0; i < chain_length; ++i) x = x + 1;
    value = x.compute(dally::threads{4});
  });
  CHECK(value == chain_length);
}

TEST_CASE("a fan-in of three million calls is recorded, computed and destroyed", "[schedulers][large]") {
  std::int64_t one = 0, four = 0;
  on_8_mib_of_stack([&] {
    std::vector<lazy<int>> wide;
    for (int i = 0; i < fan_width; ++i) wide.push_back(delayed(next)(i));
    auto total = delayed(sum)(wide);
    wide.clear();
    one = total.compute(dally::synchronous{});
    four = total.compute(dally::threads{4});
  });
  auto const expected = std::int64_t{fan_width} * (fan_width + 1) / 2;
  CHECK(one == expected);
  CHECK(four == expected);
}

TEST_CASE("a long chain of results that own memory is computed and destroyed", "[schedulers][large]") {
  std::string value;
  on_8_mib_of_stack([&] {
    auto x = delayed([] { return std::string(40, 'x'); })();
    for (int i = 0; i < chain_length / 10; ++i) x = delayed([](std::string s) { return s; })(x);
    value = x.compute(dally::threads{2});
  });
  CHECK(value == std::string(40, 'x'));
}

TEST_CASE("a long chain whose first call fails is left at once, and destroyed", "[schedulers][large]") {
  int caught = 0;
  on_8_mib_of_stack([&] {
    auto x = delayed([]() -> int { throw 42; })();
    for (int i = 0; i < chain_length / 10; ++i) x = delayed(next)(x);
    for (dally::any_scheduler const& scheduler :
         {dally::any_scheduler{dally::synchronous{}}, dally::any_scheduler{dally::threads{4}}}) {
      try {
        x.compute(scheduler);
      } catch (int number) {
        caught += number;
      }
    }
  });
  CHECK(caught == 84);
}

TEST_CASE("a long chain that nobody computes is destroyed, from either end", "[schedulers][large]") {
  on_8_mib_of_stack([] { auto dropped = chain(); });
  on_8_mib_of_stack([] {
    std::vector<lazy<int>> all{lazy{0}};
    for (int i = 0; i < chain_length / 10; ++i) all.push_back(delayed(next)(all.back()));
    all.erase(all.begin(), all.end() - 1);
  });
  SUCCEED();
}

TEST_CASE("a long chain becomes DOT text", "[schedulers][large]") {
  std::string text;
  on_8_mib_of_stack([&] { text = dally::to_dot(chain()); });
  CHECK(text.starts_with("digraph"));
}
