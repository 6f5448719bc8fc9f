#pragma once

#include <atomic>
#include <mutex>

#include "dally/core/export.hpp"
#include "dally/core/process.hpp"
#include "dally/os/signals.hpp"

namespace dally {

/// While one lives, SIGINT (Ctrl-C) cancels the runs of this process instead of ending it: tasks that run finish,
/// the others are skipped, and `compute` throws `cancelled`. A SIGINT between two runs cancels the next one. A second
/// one before the first has taken effect does what it did before the guard.
///
/// Threads  any; guards nest, the outermost restores the former handler
class stop_on_interrupt {
 public:
  stop_on_interrupt() {
    std::lock_guard const lock{process_state::instance().mutex};
    if (guards_++ != 0) return;
    handled_.store(received_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    former_.replace(os::interrupt_signal, &received);
  }
  stop_on_interrupt(stop_on_interrupt const&) = delete;
  stop_on_interrupt& operator=(stop_on_interrupt const&) = delete;
  ~stop_on_interrupt() {
    std::lock_guard const lock{process_state::instance().mutex};
    if (--guards_ != 0) return;
    former_.restore(os::interrupt_signal);
    handled_.store(received_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }

  /// Interrupts whose runs have been cancelled: what a run compares with while it lasts.
  [[nodiscard]] static unsigned handled() noexcept { return handled_.load(std::memory_order_relaxed); }
  /// Interrupts received so far. Orders nothing: a run only learns that it should stop.
  [[nodiscard]] static unsigned received_so_far() noexcept { return received_.load(std::memory_order_relaxed); }
  /// Notes that a run has been cancelled by the interrupts received so far.
  static void handle() noexcept { handled_.store(received_so_far(), std::memory_order_relaxed); }

 private:
  DALLY_EXPORT static void received(int number) {
    if (received_.load(std::memory_order_relaxed) != handled_.load(std::memory_order_relaxed)) {
      former_.restore(os::interrupt_signal);
      os::raise_signal(number);
      return;
    }
    received_.fetch_add(1, std::memory_order_relaxed);
  }

  static_assert(std::atomic<unsigned>::is_always_lock_free, "used in a signal handler");
  DALLY_EXPORT static inline std::atomic<unsigned> received_{0};
  DALLY_EXPORT static inline std::atomic<unsigned> handled_{0};
  DALLY_EXPORT static inline int guards_ = 0;
  DALLY_EXPORT static inline constinit os::replaced_handler former_{};
};

}  // namespace dally
