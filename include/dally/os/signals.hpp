#pragma once

#include "dally/os/declared.hpp"

#if !DALLY_OS_DECLARED
#include <signal.h>
#endif

/// Signals: who handles them, and which thread they reach.
namespace dally::os {

namespace detail {
using signal_handler = void (*)(int);

#if DALLY_OS_DECLARED
struct signal_set {
  unsigned long words[16];  // a sigset_t
};
struct signal_action {
  unsigned long words[32];  // room for a struct sigaction, which is only read and written back
};
extern "C" {
signal_handler dally_os_signal(int, signal_handler) noexcept __asm__("signal");
int dally_os_sigaction(int, signal_action const*, signal_action*) noexcept __asm__("sigaction");
int dally_os_raise(int) noexcept __asm__("raise");
int dally_os_sigfillset(signal_set*) noexcept __asm__("sigfillset");
int dally_os_sigdelset(signal_set*, int) noexcept __asm__("sigdelset");
int dally_os_pthread_sigmask(int, signal_set const*, signal_set*) noexcept __asm__("pthread_sigmask");
}
inline constexpr int sigint = 2;
inline constexpr int sig_setmask = 2;
inline constexpr int own_signals[] = {4, 5, 6, 7, 8, 11, 27, 31};  // ILL, TRAP, ABRT, BUS, FPE, SEGV, PROF, SYS
#else
using signal_set = sigset_t;
using signal_action = struct sigaction;
inline void dally_os_signal(int signal, signal_handler handler) noexcept { ::signal(signal, handler); }
inline void dally_os_sigaction(int signal, signal_action const* to, signal_action* former) noexcept {
  ::sigaction(signal, to, former);
}
inline void dally_os_raise(int signal) noexcept { ::raise(signal); }
inline void dally_os_sigfillset(signal_set* all) noexcept { sigfillset(all); }
inline void dally_os_sigdelset(signal_set* from, int signal) noexcept { sigdelset(from, signal); }
inline void dally_os_pthread_sigmask(int how, signal_set const* to, signal_set* former) noexcept {
  ::pthread_sigmask(how, to, former);
}
inline constexpr int sigint = SIGINT;
inline constexpr int sig_setmask = SIG_SETMASK;
inline constexpr int own_signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGPROF, SIGSYS};
#endif
}  // namespace detail

/// The signal of Ctrl-C.
inline constexpr int interrupt_signal = detail::sigint;

/// What the process does at a signal: kept while a handler of ours stands in its place. Nothing to construct or
/// destroy.
///
/// Threads  restore() also in a signal handler
class replaced_handler {
 public:
  /// Calls `handler` from now on; system calls that it interrupts go on.
  void replace(int signal, detail::signal_handler handler) noexcept {
    detail::dally_os_sigaction(signal, nullptr, &former_);
    detail::dally_os_signal(signal, handler);
  }
  /// Puts back what was there before.
  void restore(int signal) noexcept { detail::dally_os_sigaction(signal, &former_, nullptr); }

 private:
  detail::signal_action former_{};
};

/// Sends the signal to the calling thread.
inline void raise_signal(int signal) noexcept { detail::dally_os_raise(signal); }

/// While one lives, the calling thread, and each that it starts for good, leaves signals to the program's other
/// threads. What a thread brings upon itself reaches it all the same, and a profiler samples every thread.
class signals_left_to_others {
 public:
  signals_left_to_others() noexcept {
    detail::signal_set all;
    detail::dally_os_sigfillset(&all);
    for (int const signal : detail::own_signals) detail::dally_os_sigdelset(&all, signal);
    detail::dally_os_pthread_sigmask(detail::sig_setmask, &all, &former_);
  }
  signals_left_to_others(signals_left_to_others const&) = delete;
  signals_left_to_others& operator=(signals_left_to_others const&) = delete;
  ~signals_left_to_others() { detail::dally_os_pthread_sigmask(detail::sig_setmask, &former_, nullptr); }

 private:
  detail::signal_set former_;
};

}  // namespace dally::os
