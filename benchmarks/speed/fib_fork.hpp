#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "speed/bounded_deque.hpp"
#include "speed/phases.hpp"
#include "speed/shapes.hpp"
#include "speed/team.hpp"

namespace speed {

/// Fibonacci numbers by fork and join as an expert would: the forked call lies on its caller's stack, and goes through
/// a deque to whoever is idle.
class fib_fork {
 public:
  explicit fib_fork(unsigned threads) : deques_(threads) {}

  value operator()(team& workers, unsigned n) {
    for (auto& deque : deques_) deque.reset(1024);
    done_.store(false, std::memory_order_relaxed);
    value result = 0;
    workers.run([&](unsigned me) {
      if (me == 0) {
        result = fib(me, n);
        done_.store(true, std::memory_order_relaxed);
      } else {
        while (!done_.load(std::memory_order_relaxed)) help(me);
      }
    });
    return result;
  }

 private:
  struct call {
    unsigned n;
    value result = 0;
    std::atomic<bool> done{false};
  };

  value fib(unsigned me, unsigned n) {
    if (n < 2) return n;
    if (deques_[me].full()) return fib(me, n - 1) + fib(me, n - 2);
    call forked{n - 1};
    deques_[me].push(&forked);
    value const other = fib(me, n - 2);
    // What the call above pushed is gone again: the newest is ours, or stolen, and so is all that is older.
    if (call* mine = nullptr; deques_[me].pop(mine)) return fib(me, n - 1) + other;
    while (!forked.done.load(std::memory_order_acquire)) help(me);
    return forked.result + other;
  }

  /// Runs another thread's oldest call, if there is one.
  void help(unsigned me) {
    for (std::size_t i = 1; i < deques_.size(); ++i) {
      call* stolen = nullptr;
      if (!deques_[(me + i) % deques_.size()].steal(stolen)) continue;
      stolen->result = fib(me, stolen->n);
      stolen->done.store(true, std::memory_order_release);  // to fib's load; from here on it may be gone
      return;
    }
    std::this_thread::yield();
  }

  std::vector<bounded_deque<call*>> deques_;
  alignas(64) std::atomic<bool> done_{false};
};

inline phases run_fib_fork(unsigned n, unsigned threads) {
  fib_fork fib{threads};
  team& workers = team::of(threads);
  phases took;
  stopwatch watch;
  took.result = fib(workers, n);
  took.run = watch.lap();
  return took;
}

}  // namespace speed
