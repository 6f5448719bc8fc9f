#pragma once

#include <time.h>

#include <chrono>
#include <ctime>

#include "dally/core/spin_pause.hpp"

namespace dally {

/// How a thread waits for what another is about to do: it spins for some microseconds, then it sleeps, longer each
/// time.
///
/// By the clock, never by turns, and without sched_yield: that takes half a microsecond on a machine with nothing else
/// to do, and a slice of each program that computes on any other.
///
/// Threads  its owner only
/// Cost     a wait that ends within eight turns does not ask for the time
class backoff {
 public:
  using clock = std::chrono::steady_clock;

  /// Spins for so long.
  explicit constexpr backoff(std::chrono::nanoseconds spinning) noexcept : spinning_{spinning} {}

  /// Passes a moment: `pauses` of some 20 to 40 ns. False if it has been spinning long enough.
  [[nodiscard]] bool spin(int pauses = 1) noexcept {
    for (int i = 0; i < pauses; ++i) spin_pause();
    if (++turns_ % turns_a_look != 0) return true;
    auto const now = clock::now();
    if (turns_ == turns_a_look) until_ = now + spinning_;
    return now < until_;
  }

  /// Sleeps: 50 us, then twice as long each time, at most a millisecond.
  void nap() noexcept {
    constexpr long longest = 1'000'000;
    std::timespec const time{0, nap_};
    ::nanosleep(&time, nullptr);
    nap_ = nap_ < longest / 2 ? nap_ * 2 : longest;
  }

  /// Passes a moment spinning, or a longer one asleep.
  void wait() noexcept {
    if (!spin()) nap();
  }

 private:
  static constexpr unsigned turns_a_look = 8;  // at the clock

  std::chrono::nanoseconds spinning_;
  clock::time_point until_{};
  unsigned turns_ = 0;
  long nap_ = 50'000;  // ns
};

}  // namespace dally
