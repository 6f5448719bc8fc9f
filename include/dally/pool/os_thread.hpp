#pragma once

#include <pthread.h>

#include <csignal>
#include <initializer_list>

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
  [[nodiscard, gnu::cold]] int start(void* (*body)(void*), void* argument) noexcept {
    sigset_t all;
    sigset_t former;
    ::sigfillset(&all);
    // What a thread brings upon itself must reach it, and a profiler samples every thread.
    for (int const own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) ::sigdelset(&all, own);
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
