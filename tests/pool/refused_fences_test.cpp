// A system that refuses the fence in all threads: from the start, or after a pool has counted on it.

#include <linux/membarrier.h>
#include <sys/syscall.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <thread>
#include <vector>

#include "dally/dally.hpp"
#include "support/catch2.hpp"

// The linker sends this program's calls of syscall here: --wrap, see tests/CMakeLists.txt.
extern "C" {
long __real_syscall(long number, long, long, long, long, long, long);
long __wrap_syscall(long number, ...);
}

namespace {

std::atomic<bool> refused{false};
std::atomic<int> asked{0};

struct refusing {
  refusing() { refused = true; }
  ~refusing() { refused = false; }
};

/// Rows of tasks that take two of the row before; how often each has run.
struct rows {
  static constexpr std::size_t width = 20, height = 50;
  std::vector<std::atomic<int>> calls = std::vector<std::atomic<int>>(width * height);
  std::chrono::microseconds each{0};

  auto task(std::size_t n) {
    return dally::delayed([this, n](int a, int b) {
      ++calls[n];
      if (each.count() != 0) std::this_thread::sleep_for(each);
      return (a + b) % 1'000'003;
    });
  }

  int sum(dally::threads const& of) {
    std::vector<dally::lazy<int>> row;
    for (std::size_t i = 0; i < width; ++i) row.push_back(task(i)(1, 0));
    for (std::size_t r = 1; r < height; ++r) {
      std::vector<dally::lazy<int>> next;
      for (std::size_t i = 0; i < width; ++i) {
        next.push_back(task(r * width + i)(row[i], row[(i + 1) % width]));
      }
      row = next;
    }
    return dally::tree_reduce(row, [](int a, int b) { return (a + b) % 1'000'003; }).compute(of);
  }
  bool each_ran(int times) const {
    for (auto const& count : calls) {
      if (count != times) return false;
    }
    return true;
  }
};

}  // namespace

// Six values are handed on, however many were given: what lies behind the last is of no account, but not to a
// sanitizer.
[[gnu::no_sanitize_address]] long __wrap_syscall(long number, ...) {
  std::va_list values;
  va_start(values, number);
  long given[6];
  for (long& value : given) value = va_arg(values, long);
  va_end(values);
  if (number == SYS_membarrier) {
    ++asked;
    if (refused) {
      errno = EPERM;
      return -1;
    }
  }
  return __real_syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

TEST_CASE("a pool without fences runs every task once, short or long", "[thread_pool][fences]") {
  refusing const all;
  dally::thread_pool pool{3};
  CHECK_FALSE(pool.fences());
  for (int const us : {0, 100}) {
    CAPTURE(us);
    rows here;
    here.each = std::chrono::microseconds{us};
    rows alone;
    CHECK(here.sum(dally::threads{pool}) == alone.sum(dally::threads{1}));
    CHECK(here.each_ran(1));
  }
}

TEST_CASE("tasks that wait for each other run at one time in a pool without fences", "[thread_pool][fences]") {
  refusing const all;
  dally::thread_pool pool{2};
  std::latch both{2};
  auto meet = dally::delayed([&both](int x) {
    both.arrive_and_wait();
    return x;
  });
  CHECK((meet(1) + meet(2)).compute(dally::threads{pool}) == 3);
}

TEST_CASE("fences that are refused later leave the caller alone, with every task", "[thread_pool][fences]") {
  dally::thread_pool pool{3};
  if (!pool.fences()) return;  // this system has none
  refusing const from_now_on;
  int const before = asked;
  rows here;
  here.each = std::chrono::microseconds{100};
  rows alone;
  CHECK(here.sum(dally::threads{pool}) == alone.sum(dally::threads{1}));
  CHECK(here.each_ran(1));
  CHECK(asked > before);  // somebody wanted to take over
}

// The caller is slower than its partner, who therefore leaves while the caller runs its share.
TEST_CASE("a pair ends where fences are refused while it shares", "[thread_pool][fences]") {
  constexpr std::size_t size = 30'000;
  auto const caller = std::this_thread::get_id();
  for (int round = 0; round < 6; ++round) {
    CAPTURE(round);
    dally::thread_pool pool{2};
    if (!pool.fences()) return;
    refusing const from_now_on;
    std::atomic<int> by_other{0};
    std::vector<std::atomic<int>> calls(size);
    std::vector<dally::lazy<std::uint64_t>> all;
    for (std::size_t n = 0; n < size; ++n) {
      all.push_back(dally::delayed([&, n](std::uint64_t x) {
        ++calls[n];
        bool const mine = std::this_thread::get_id() == caller;
        if (!mine) ++by_other;
        int const steps = mine && by_other > 500 ? 4'000 : 80;
        for (int i = 0; i < steps; ++i) x = x * 6364136223846793005U + 1442695040888963407U;
        return x | 1;
      })(std::uint64_t{n}));
    }
    auto const results = dally::compute({.scheduler = dally::threads{pool}}, all);
    CHECK(results.size() == size);
    CHECK(std::all_of(calls.begin(), calls.end(), [](std::atomic<int> const& times) { return times == 1; }));
  }
}

TEST_CASE("a pool whose fences were refused once goes by steps from then on", "[thread_pool][fences]") {
  dally::thread_pool pool{2};
  if (!pool.fences()) return;
  refusing const from_now_on;
  rows here;
  here.each = std::chrono::microseconds{100};
  here.sum(dally::threads{pool});
  CHECK_FALSE(pool.fences());
  std::latch both{2};
  auto meet = dally::delayed([&both](int x) {
    both.arrive_and_wait();
    return x;
  });
  CHECK((meet(1) + meet(2)).compute(dally::threads{pool}) == 3);
}
