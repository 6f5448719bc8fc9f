#pragma once

#include <pthread.h>

#include <csignal>

#include "dally/core/function.hpp"

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
    sigset_t all;
    sigset_t former;
    ::sigfillset(&all);
    // What a thread brings upon itself must reach it, and a profiler samples every thread.
    constexpr unsigned own = 1U << SIGSEGV | 1U << SIGBUS | 1U << SIGFPE | 1U << SIGILL | 1U << SIGTRAP |
                             1U << SIGABRT | 1U << SIGSYS | 1U << SIGPROF;
    for (int signal = 1; signal < 32; ++signal) {
      if ((own >> signal & 1U) != 0) ::sigdelset(&all, signal);
    }
    ::pthread_sigmask(SIG_SETMASK, &all, &former);  // the new thread inherits it
    int const refused = ::pthread_create(&thread_, nullptr, body, argument);
    ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
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
