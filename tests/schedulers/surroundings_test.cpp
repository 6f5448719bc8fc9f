// What surrounds tasks on threads: the floating-point environment of who computes, and a pool that one of them
// destroys.

#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>
#ifdef __x86_64__
#include <xmmintrin.h>
#endif

#include "dally/core/float_environment.hpp"
#include "support/catch2.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::lazy;

namespace {

int rounding(int) { return std::fegetround(); }
int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }

/// Has this thread round so for as long as it lives.
class rounded {
 public:
  explicit rounded(int mode) { std::fesetround(mode); }
  rounded(rounded const&) = delete;
  rounded& operator=(rounded const&) = delete;
  ~rounded() { std::fesetround(former_); }

 private:
  int const former_ = std::fegetround();
};

/// Steps every task on a thread that was there before.
class elsewhere {
 public:
  elsewhere()
      : thread_{[this](std::stop_token const& stop) {
          std::unique_lock lock{mutex_};
          while (changed_.wait(lock, stop, [this] { return job_ != nullptr; })) {
            dally::tests::newest_first{}.run(*job_);
            job_ = nullptr;
            changed_.notify_all();
          }
        }} {}

  void run(dally::execution& job) {
    std::unique_lock lock{mutex_};
    job_ = &job;
    changed_.notify_all();
    changed_.wait(lock, [this] { return job_ == nullptr; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  dally::execution* job_ = nullptr;
  std::jthread thread_;
};

struct on_elsewhere {
  elsewhere* there;
  void run(dally::execution& job) const { there->run(job); }
};

/// What `task` gives on the calling thread and on one of the scheduler's others, which both run it at one time.
template <class F>
std::pair<int, int> on_both(F task, dally::threads const& scheduler) {
  std::latch both{2};
  auto const caller = std::this_thread::get_id();
  auto meet = delayed([&both, caller, task](int) {
    both.arrive_and_wait();
    return std::pair{std::this_thread::get_id() == caller, task()};
  });
  auto const [a, b] = dally::compute(scheduler, meet(1), meet(2));
  CHECK(a.first != b.first);
  return a.first ? std::pair{a.second, b.second} : std::pair{b.second, a.second};
}

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("tasks round as the thread that computes does") {
  std::vector<lazy<int>> all;
  for (int i = 0; i < 200; ++i) all.push_back(delayed(rounding)(i));
  static_cast<void>(dally::compute(scheduler, all));  // its threads are there
  for (int const mode : {FE_UPWARD, FE_DOWNWARD, FE_TONEAREST}) {
    rounded const so{mode};
    CHECK(dally::compute(scheduler, all) == std::vector<int>(200, mode));
    CHECK(std::fegetround() == mode);
  }
}

TEST_CASE("a pool's threads have the floating-point environment of who computes, run by run", "[schedulers][threads]") {
  dally::thread_pool pool{2};
  for (dally::threads const& scheduler : {dally::threads{2}, dally::threads{pool}}) {
    auto const round = [] { return std::fegetround(); };
    CHECK(on_both(round, scheduler) == std::pair{FE_TONEAREST, FE_TONEAREST});
    {
      rounded const up{FE_UPWARD};
      CHECK(on_both(round, scheduler) == std::pair{FE_UPWARD, FE_UPWARD});
      // A run inside has that of its caller.
      auto const inner = [&] {
        rounded const down{FE_DOWNWARD};
        return delayed(rounding)(1).compute(scheduler);
      };
      CHECK(on_both(inner, scheduler) == std::pair{FE_DOWNWARD, FE_DOWNWARD});
    }
    CHECK(on_both(round, scheduler) == std::pair{FE_TONEAREST, FE_TONEAREST});
#ifdef __x86_64__
    auto const flushes = [] { return static_cast<int>(_mm_getcsr() & 0x8040); };  // flush to zero, and denormals are
    unsigned const former = _mm_getcsr();
    _mm_setcsr(former | 0x8040);
    auto const zero = on_both(flushes, scheduler);
    _mm_setcsr(former);
    CHECK(zero == std::pair{0x8040, 0x8040});
    CHECK(on_both(flushes, scheduler) == std::pair{0, 0});
#endif
  }
}

TEST_CASE("a scheduler that steps on threads of its own has the caller's environment there", "[schedulers]") {
  elsewhere there;
  auto const both = delayed(std::plus{})(delayed(rounding)(1) * 0, delayed(rounding)(2));
  CHECK(both.compute(on_elsewhere{&there}) == FE_TONEAREST);
  rounded const up{FE_UPWARD};
  CHECK(both.compute(on_elsewhere{&there}) == FE_UPWARD);
}

TEST_CASE("an environment is one thread's, and a scope gives it back", "[float_environment]") {
  auto const nearest = dally::float_environment::current();
  rounded const up{FE_UPWARD};
  auto const upward = dally::float_environment::current();
  CHECK(upward != nearest);
  CHECK(dally::float_environment::of(upward.bits()) == upward);
  {
    dally::scoped_float_environment const same{nearest};
    CHECK(std::fegetround() == FE_TONEAREST);
    std::feraiseexcept(FE_INEXACT);
  }
  CHECK(std::fegetround() == FE_UPWARD);
  CHECK(std::fetestexcept(FE_INEXACT) != 0);  // what has happened is not undone
  std::feclearexcept(FE_INEXACT);
  CHECK(dally::float_environment::current() == upward);
}

TEST_CASE("a pool may be destroyed by a task of its own, on whichever thread", "[schedulers][threads]") {
  for (bool const by_caller : {true, false}) {
    for (int round = 0; round < 20; ++round) {
      CAPTURE(by_caller, round);
      auto pool = std::make_unique<dally::thread_pool>(3U);
      dally::threads const scheduler{*pool};
      std::latch both{2};
      auto const caller = std::this_thread::get_id();
      auto meet = delayed([&](int x) {
        both.arrive_and_wait();
        if ((std::this_thread::get_id() == caller) == by_caller) pool.reset();
        return x;
      });
      std::vector<lazy<int>> all{meet(1), meet(2)};
      // Graphs that tasks return are runs on the same pool.
      auto const grow = delayed([](int x) { return delayed(std::plus{})(delayed(rounding)(x) * 0, x); });
      for (int i = 0; i < 30; ++i) all.push_back(dally::flatten(grow(all[static_cast<std::size_t>(i) % 2] + i)));
      CHECK(delayed(sum)(all).compute(scheduler) == 3 + 45 + 435);
      CHECK(pool == nullptr);
    }
  }
}

TEST_CASE("a pool may be destroyed by a task while other threads compute on it", "[schedulers][threads]") {
  for (int round = 0; round < 20; ++round) {
    auto pool = std::make_unique<dally::thread_pool>(2U);
    dally::threads const scheduler{*pool};
    std::latch under_way{2}, destroyed{1};
    std::atomic<int> right{0};
    std::vector<std::thread> others;
    for (int k = 0; k < 2; ++k) {
      others.emplace_back([&] {
        auto const wait = delayed([&](int x) {
          under_way.count_down();
          destroyed.wait();
          return x;
        });
        std::vector<lazy<int>> all{wait(1)};
        for (int i = 0; i < 100; ++i) all.push_back(delayed(rounding)(i) * 0 + i);
        right += delayed(sum)(all).compute(scheduler) == 1 + 4950 ? 1 : 0;
      });
    }
    under_way.wait();
    auto const end = delayed([&](int x) {
      pool.reset();
      destroyed.count_down();
      return x;
    });
    CHECK((end(1) + delayed(rounding)(1) * 0).compute(scheduler) == 1);
    for (auto& other : others) other.join();
    CHECK(right == 2);
  }
}

TEST_CASE("a pool may be destroyed by the only task of a run, and by one that fails", "[schedulers][threads]") {
  auto pool = std::make_unique<dally::thread_pool>(2U);
  auto const end = delayed([&pool](int x) {
    pool.reset();
    return x;
  });
  CHECK(end(4).compute(dally::threads{*pool}) == 4);
  pool = std::make_unique<dally::thread_pool>(2U);
  // One after the other, so on the calling thread.
  auto const next = end(1).then([](int x) { return lazy<int>{delayed(rounding)(x) * 0 + x}; });
  CHECK(dally::flatten(next).compute(dally::threads{*pool}) == 1);
  pool = std::make_unique<dally::thread_pool>(2U);
  auto const fail = delayed([&pool](int) -> int {
    pool.reset();
    throw std::out_of_range{"gone"};
  });
  CHECK_THROWS_AS((fail(1) + delayed(rounding)(2)).compute(dally::threads{*pool}), std::out_of_range);
}
