#pragma once

#include <pthread.h>

#include <atomic>
#include <mutex>

#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/core/os_mutex.hpp"

namespace dally {

/// What exists once in a process and must survive fork: one mutex for everything rare and shared (spare memory,
/// arenas, the table of pools), and a count of the forks that this process descends from since its first use.
///
/// fork is held off while the mutex is taken, so a child never inherits it locked or what it guards half written.
/// Never destroyed: threads and destructors that outlive main may still need it.
///
/// Has cache lines of its own, and one for the count: every run on threads reads that, and locks the mutex. Beside
/// something that every task reads, it cost runs inside runs on two threads half as much again.
class alignas(64) process_state {
 public:
  constexpr process_state() = default;
  static process_state& instance() noexcept;

  /// Guards the shared things that are touched rarely. Hold it briefly; never while user code runs.
  os_mutex mutex;

  /// Changes in the child of a fork: threads counted under another number do not exist here.
  [[nodiscard]] unsigned fork_generation() const noexcept { return generation_.load(std::memory_order_relaxed); }

 private:
  friend struct fork_watch;

  alignas(64) std::atomic<unsigned> generation_{0};
};

namespace detail {
DALLY_EXPORT inline constinit process_state shared_state{};  // needs no destruction
}  // namespace detail

inline process_state& process_state::instance() noexcept { return detail::shared_state; }

/// Takes the mutex around every fork, and counts the forks in the child; from when the program or library is loaded,
/// until that is unloaded: the system forgets what it had registered.
struct fork_watch {
  [[gnu::cold]] DALLY_FUNCTION fork_watch() noexcept {
    ::pthread_atfork([] { detail::shared_state.mutex.lock(); }, [] { detail::shared_state.mutex.unlock(); },
                     [] {
                       // The only thread of the child is the one that took the mutex in the parent.
                       detail::shared_state.generation_.fetch_add(1, std::memory_order_relaxed);
                       detail::shared_state.mutex.unlock();
                     });
  }
};

namespace detail {
DALLY_EXPORT inline fork_watch const watch_forks{};
}  // namespace detail

}  // namespace dally
