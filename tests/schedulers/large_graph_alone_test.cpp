// Long and wide graphs on a stack of 8 MiB: no recursion over edges anywhere.

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <fstream>
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

namespace {

// A tenth under a sanitizer, as above.
constexpr int loop_length = dally::tests::sanitized ? 100'000 : 1'000'000;

/// How much memory this process has in use, and the most that `look` has seen.
class resident_memory {
 public:
  static std::size_t now() {
    std::ifstream pages_of{"/proc/self/statm"};
    std::size_t all = 0, resident = 0;
    pages_of >> all >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  }
  void look() {
    auto const seen = now();
    for (auto most = most_.load(); most < seen && !most_.compare_exchange_weak(most, seen);) {
    }
  }
  void forget() { most_ = 0; }
  [[nodiscard]] std::size_t most() const { return most_; }

 private:
  std::atomic<std::size_t> most_{0};
};
resident_memory memory;

/// A loop as a graph that grows: each task returns the next one, and a text that each makes longer and shorter again.
lazy<int> loop(int left, std::string const& text) {
  if (left % 1'000 == 0) memory.look();
  if (left == 0) return lazy{static_cast<int>(text.size())};
  auto next_text = delayed([](std::string t) { return t.size() < 100 ? t + 'x' : std::string{}; })(text);
  return dally::flatten(delayed(loop)(left - 1, next_text));
}

}  // namespace

// Not on processes, which fork for each of these graphs: a million forks take ten minutes.
TEMPLATE_LIST_TEST_CASE("a loop of a million flattened tasks takes constant stack and memory", "[schedulers][large]",
                        dally::tests::local_schedulers) {
  dally::any_scheduler const scheduler = TestType{}();
  int result = 0;
  std::size_t before = 0, most = 0;
  on_8_mib_of_stack([&] {
    auto const warm_up = dally::flatten(delayed(loop)(10'000, std::string{}));
    result = warm_up.compute(scheduler);
    before = resident_memory::now();
    memory.forget();
    result = dally::flatten(delayed(loop)(loop_length, std::string{})).compute(scheduler);
    most = memory.most();
  });
  CHECK(result == loop_length % 101);
  // A million nodes that stayed would be 100 MB and more. Sanitizers keep what was freed, and shadows of it.
  if (!dally::tests::sanitized) CHECK(most <= before + (std::size_t{8} << 20));
}
