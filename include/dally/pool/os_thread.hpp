#pragma once

#include <pthread.h>

#include "dally/core/function.hpp"
#include "dally/os/signals.hpp"

namespace dally {

/// A thread of the operating system, joined by its destructor. Signals that are sent to the process are left to the
/// program's own threads.
class os_thread {
 public:
  os_thread() = default;
  os_thread(os_thread const&) = delete;
  os_thread& operator=(os_thread const&) = delete;
  ~os_thread() { join(); }

  /// Starts `body(argument)`; returns 0, or the system's error number, and then there is no thread.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION int start(void* (*body)(void*), void* argument) noexcept {
    os::signals_left_to_others const inherited;
    int const refused = ::pthread_create(&thread_, nullptr, body, argument);
    running_ = refused == 0;
    return refused;
  }

  void join() noexcept {
    if (running_) ::pthread_join(thread_, nullptr);
    running_ = false;
  }

 private:
  pthread_t thread_{};
  bool running_ = false;
};

}  // namespace dally
