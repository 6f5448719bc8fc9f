#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

namespace speed {

/// Threads for the hand-written limits: they outlive a graph, as the pools of libraries do, and spin for a while before
/// they sleep.
class team {
 public:
  /// The process's team of that size, the caller among them. One caller at a time.
  static team& of(unsigned threads) {
    static std::map<unsigned, std::unique_ptr<team>> all;
    auto& one = all[threads];
    if (one == nullptr) one = std::unique_ptr<team>{new team{threads}};
    return *one;
  }
  team(team const&) = delete;
  team& operator=(team const&) = delete;
  ~team() {
    work_ = nullptr;
    begin();
    for (std::thread& t : others_) t.join();
  }

  /// Calls `work(i)` on thread i, for all; returns when all calls have.
  void run(std::function<void(unsigned)> const& work) {
    work_ = &work;
    busy_.store(others_.size(), std::memory_order_relaxed);
    begin();
    work(0);
    while (busy_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  }

 private:
  explicit team(unsigned threads) {
    for (unsigned i = 1; i < threads; ++i) others_.emplace_back([this, i] { wait_and_work(i); });
  }

  void begin() {
    epoch_.fetch_add(1);  // releases work_
    epoch_.notify_all();
  }

  void wait_and_work(unsigned i) {
    for (std::uint32_t seen = 0;; ++seen) {
      for (int spins = 0; epoch_.load() == seen; ++spins) {
        if (spins < 1000) {
          std::this_thread::yield();
        } else {
          epoch_.wait(seen);
        }
      }
      if (work_ == nullptr) return;
      (*work_)(i);
      busy_.fetch_sub(1, std::memory_order_release);  // to run's load
    }
  }

  std::vector<std::thread> others_;
  std::function<void(unsigned)> const* work_ = nullptr;
  std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<std::size_t> busy_{0};
};

}  // namespace speed
