#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

#include "dally/core/function.hpp"
#include "dally/os/system_call.hpp"

namespace dally {

/// A counting semaphore on a futex: how an idle thread sleeps and is woken. A release before the acquire is not lost.
///
/// Threads  any
/// Cost     acquire without a release before it sleeps; release is a system call (2.5 to 5 us)
/// Source   U. Drepper, Futexes are tricky, 2011
class parking {
 public:
  /// Sleeps until a release is there for this thread, and takes it; or, where `most` is not null, until so much time
  /// has passed: then false.
  [[gnu::cold]] DALLY_FUNCTION bool acquire(std::timespec const* most = nullptr) noexcept {
    std::uint32_t tokens = tokens_.load(std::memory_order_relaxed);
    for (bool waited = false;;) {
      if (tokens == 0) {
        if (waited && most != nullptr) return false;
        // Returns at once if a release came in between: the kernel compares again. Woken for nothing, we look again.
        os::system_call(SYS_futex, word(), os::futex_wait_private, 0U, most, nullptr, 0);
        waited = true;
        tokens = tokens_.load(std::memory_order_relaxed);
        continue;
      }
      // Acquires what the releasing thread wrote.
      if (tokens_.compare_exchange_weak(tokens, tokens - 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        return true;
      }
    }
  }

  /// Lets one acquire return.
  void release() noexcept {
    // Releases what this thread wrote to the thread that takes the token.
    tokens_.fetch_add(1, std::memory_order_release);
    os::system_call(SYS_futex, word(), os::futex_wake_private, 1, nullptr, nullptr, 0);
  }

 private:
  [[nodiscard]] std::uint32_t* word() noexcept {
    static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);
    return reinterpret_cast<std::uint32_t*>(&tokens_);
  }

  std::atomic<std::uint32_t> tokens_{0};
};

}  // namespace dally
