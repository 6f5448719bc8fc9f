#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/net/socket.hpp"

namespace dally {

namespace detail {

/// Writes out what the program has printed. Not other files: one that another thread reads is locked.
inline void flush_output() {
  std::cout.flush();
  std::clog.flush();
  std::fflush(stdout);
  std::fflush(stderr);
}

/// What the child of a fork must do before anything else.
inline void settle_child(pid_t parent, std::vector<descriptor const*> const& kept) {
  // Handlers of the program's are not meant for workers, but those for crashes. What it ignores stays ignored.
  for (int signal = 1; signal < NSIG; ++signal) {
    switch (signal) {
      case SIGSEGV:
      case SIGBUS:
      case SIGFPE:
      case SIGILL:
      case SIGTRAP:
      case SIGABRT:
      case SIGSYS:
        continue;
      default:
        break;
    }
    struct sigaction former{};
    if (::sigaction(signal, nullptr, &former) == 0 && former.sa_handler != SIG_IGN && former.sa_handler != SIG_DFL) {
      ::signal(signal, SIG_DFL);
    }
  }
  // Ctrl-C reaches all processes of the terminal; what is to happen then is the coordinator's to decide.
  ::signal(SIGINT, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  // Dies with the thread that forked it; if that has ended meanwhile, at once.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  descriptor::close_all_but(kept);
  // When memory runs out, better this one than the program.
  if (int const fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    static_cast<void>(::write(fd, "500", 3) == 3);
    ::close(fd);
  }
#ifdef __GLIBC__
  // exit() in a task ends the worker, but not the objects that it shares with its parent.
  ::on_exit(
      [](int status, void*) {
        flush_output();
        ::_exit(status);
      },
      nullptr);
#endif
}

}  // namespace detail

/// Waits for processes that are not this one's children, on its behalf: their parent can.
class process_reaper {
 public:
  /// How the process ended, which has; it is gone for good then.
  virtual worker_death reap(pid_t ended) noexcept = 0;

 protected:
  ~process_reaper() = default;
};

/// A forked child, killed and waited for by the destructor if it is still there.
///
/// Death    the child dies when the thread that started it ends, however it ends
/// Threads  one; start it from a thread that stays
class child_process {
 public:
  child_process() = default;

  /// Takes over a child of another process, which `reaper` waits for; `death` is a pidfd of it.
  child_process(pid_t pid, descriptor death, process_reaper& reaper) noexcept
      : pid_{pid}, owner_{::getpid()}, watch_{std::move(death)}, reaper_{&reaper} {}

  /// Forks a process that runs `body()` and exits with the status it returns. Of the descriptors in this process's list
  /// it has those of `kept`. An exception that leaves `body` aborts it.
  ///
  /// Errors  resource_error; then there is no child
  template <class Body>
    requires std::is_invocable_r_v<int, Body&>
  static child_process start(std::vector<descriptor const*> const& kept, Body&& body) {
    detail::flush_output();  // or the child's copy of it would be written twice
    sigset_t all;
    sigset_t former;
    ::sigfillset(&all);
    // No handler of the program's runs in the child.
    ::pthread_sigmask(SIG_SETMASK, &all, &former);
    pid_t const parent = ::getpid();
    pid_t const pid = ::fork();
    if (pid == 0) {
      run_child(parent, kept, body);
    }
    int const code = errno;
    ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
    if (pid < 0) refuse("a process", code);
    child_process child;
    child.pid_ = pid;
    child.owner_ = parent;
    child.watch();
    return child;
  }

  child_process(child_process&& other) noexcept
      : pid_{std::exchange(other.pid_, 0)},
        owner_{other.owner_},
        watch_{std::move(other.watch_)},
        reaper_{other.reaper_} {}
  child_process& operator=(child_process&& other) noexcept {
    if (this != &other) {
      static_cast<void>(end());
      pid_ = std::exchange(other.pid_, 0);
      owner_ = other.owner_;
      watch_ = std::move(other.watch_);
      reaper_ = other.reaper_;
    }
    return *this;
  }
  ~child_process() { static_cast<void>(end()); }

  /// Whether there is a child that has not been waited for.
  [[nodiscard]] explicit operator bool() const noexcept { return pid_ != 0; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Becomes readable when the child dies; none where the kernel knows no such thing.
  [[nodiscard]] descriptor const& death() const noexcept { return watch_; }

  void kill(int signal = SIGKILL) noexcept {
    if (pid_ == 0 || owner_ != ::getpid()) return;  // a copy in another child is not that one's to kill
    if (watch_) {
      // Cannot hit a stranger that has the number of a child which somebody else has waited for.
      ::syscall(SYS_pidfd_send_signal, watch_.get(), signal, nullptr, 0);
    } else {
      ::kill(pid_, signal);
    }
  }

  /// How the child ended, if it has; then it is gone for good. Does not wait.
  [[nodiscard]] std::optional<worker_death> ended() noexcept { return reap(WNOHANG); }

  /// Kills the child, waits for it, and says how it ended.
  worker_death end() noexcept {
    if (pid_ == 0) return {};
    if (owner_ != ::getpid()) {
      pid_ = 0;  // a copy in another child: a sibling is not its to kill
      return {};
    }
    kill();
    return reap(0).value_or(worker_death{});
  }

 private:
  template <class Body>
  [[noreturn]] static void run_child(pid_t parent, std::vector<descriptor const*> const& kept, Body& body) noexcept {
    detail::settle_child(parent, kept);
    int const status = body();
    detail::flush_output();
    ::_exit(status);
  }

  void watch() {
    int const fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (fd < 0 && errno != ENOSYS && errno != EPERM && errno != ESRCH) {
      int const code = errno;
      static_cast<void>(end());
      refuse("a descriptor of a process", code);
    }
    watch_ = descriptor{fd};
  }

  std::optional<worker_death> reap(int options) noexcept {
    if (pid_ == 0) return worker_death{};
    if (reaper_ != nullptr) {
      pollfd death{watch_.get(), POLLIN, 0};
      int gone = 0;
      do {
        gone = ::poll(&death, 1, options == WNOHANG ? 0 : -1);
      } while (gone < 0 && errno == EINTR);
      if (gone == 0) return std::nullopt;
      watch_.close();
      return reaper_->reap(std::exchange(pid_, 0));
    }
    constexpr auto by_descriptor = static_cast<idtype_t>(3);  // P_PIDFD, which older headers lack
    siginfo_t info{};
    int waited = 0;
    do {
      waited = watch_ ? ::waitid(by_descriptor, static_cast<id_t>(watch_.get()), &info, WEXITED | options)
                      : ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | options);
    } while (waited != 0 && errno == EINTR);
    if (waited == 0 && info.si_pid == 0) return std::nullopt;  // still there
    pid_ = 0;
    watch_.close();
    // No such child: the program ignores SIGCHLD, or waited for it itself.
    if (waited != 0) return worker_death{};
    return info.si_code == CLD_EXITED ? worker_death{worker_death::reason::exited, info.si_status}
                                      : worker_death{worker_death::reason::signalled, info.si_status};
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION_APART static void refuse(char const* what, int code) {
    throw resource_error{joined({"the system refused ", what, ": ", std::strerror(code),
                                 "; limits are those of processes (ulimit -u) and of open files (ulimit -n)"}),
                         code};
  }

  pid_t pid_ = 0;
  pid_t owner_ = 0;
  descriptor watch_;
  process_reaper* reaper_ = nullptr;  // of a process that is not our child
};

}  // namespace dally
