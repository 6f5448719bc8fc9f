#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/net/socket.hpp"
#include "dally/pool/offspring.hpp"
#include "dally/pool/printed.hpp"

namespace dally {

namespace detail {

/// What the child of a fork must do before anything else. What it starts ends when the other end of `lifeline` is
/// closed.
inline void settle_child(pid_t parent, std::vector<descriptor const*> const& kept, descriptor const& lifeline) {
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
  // What Ctrl-C ends is the coordinator's to decide, and printing to a pipe that nobody reads ends no task. These are
  // handlers, since a command that a task executes would inherit that they are ignored.
  struct sigaction nothing{};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  for (int const signal : {SIGINT, SIGPIPE}) {
    struct sigaction former{};
    if (::sigaction(signal, nullptr, &former) == 0 && former.sa_handler == SIG_DFL) {
      ::sigaction(signal, &nothing, nullptr);
    }
  }
  // It is in the terminal's background. There, it may print; and to read is an error, rather than a halt that nobody
  // sees.
  ::signal(SIGTTOU, SIG_IGN);
  ::signal(SIGTTIN, SIG_IGN);
  ::setpgid(0, 0);
  if (lifeline) {
    // The kernel kills the whole group. A command has a copy of the descriptor, so that this holds when the child
    // itself has ended.
    ::fcntl(lifeline.get(), F_SETOWN, -::getpid());
    ::fcntl(lifeline.get(), F_SETSIG, SIGKILL);
    ::fcntl(lifeline.get(), F_SETFD, 0);
    ::fcntl(lifeline.get(), F_SETFL, ::fcntl(lifeline.get(), F_GETFL) | O_ASYNC);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  // Dies with the thread that forked it; if that has ended meanwhile, at once.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);
  descriptor::close_all_but(kept);
  forget_printed();
  // When memory runs out, better this one than the program.
  if (int const fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    static_cast<void>(::write(fd, "500", 3) == 3);
    ::close(fd);
  }
#ifdef __GLIBC__
  // exit() in a task ends the worker, but not the objects that it shares with its parent.
  ::on_exit(
      [](int status, void*) {
        flush_printed();
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

/// A forked child, killed and waited for by the destructor if it is still there. It is the first of a process group,
/// and what it has started is killed with it: all of its group; and, where it is killed rather than dies, its
/// descendants in other groups, but for daemons.
///
/// Death    the child dies when the thread that started it ends, and its group with the process, however they end
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
    detail::flush_before_fork();
    descriptor lifeline[2];
    if (int ends[2]; ::pipe2(ends, O_CLOEXEC) == 0) {
      lifeline[0] = descriptor{ends[0]};
      lifeline[1] = descriptor{ends[1]};
    }
    std::vector<descriptor const*> its{kept};
    its.push_back(&lifeline[0]);
    sigset_t all;
    sigset_t former;
    ::sigfillset(&all);
    // No handler of the program's runs in the child.
    ::pthread_sigmask(SIG_SETMASK, &all, &former);
    pid_t const parent = ::getpid();
    pid_t const pid = ::fork();
    if (pid == 0) {
      run_child(parent, its, lifeline[0], body);
    }
    int const code = errno;
    if (pid > 0) ::setpgid(pid, pid);  // it does so itself; whoever is first
    ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
    if (pid < 0) refuse("a process", code);
    child_process child;
    child.pid_ = pid;
    child.owner_ = parent;
    child.lifeline_ = std::move(lifeline[1]);
    child.watch();
    return child;
  }

  child_process(child_process&& other) noexcept { take(other); }
  child_process& operator=(child_process&& other) noexcept {
    if (this != &other) {
      static_cast<void>(end());
      take(other);
    }
    return *this;
  }
  ~child_process() { static_cast<void>(end()); }

  /// Whether there is a child that has not been waited for.
  [[nodiscard]] explicit operator bool() const noexcept { return pid_ != 0; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Becomes readable when the child dies; none where the kernel knows no such thing.
  [[nodiscard]] descriptor const& death() const noexcept { return watch_; }

  /// Sends a signal to the child; SIGKILL to what it has started, too.
  void kill(int signal = SIGKILL) noexcept {
    if (pid_ == 0 || owner_ != ::getpid()) return;  // a copy in another child is not that one's to kill
    if (signal == SIGKILL) return kill_all();
    send(signal);
  }

  /// Whether the child's first thread waits, at this moment, for a lock or for another thread; false where the system
  /// does not say.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION bool waits_for_lock() const noexcept {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/syscall", static_cast<int>(pid_));
    int const file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    char text[32]{};
    ssize_t const size = ::read(file, text, sizeof text - 1);
    ::close(file);
    return size > 0 && text[0] >= '0' && text[0] <= '9' && std::atoi(text) == SYS_futex;
  }

  /// What the child has started is not to be killed with it: the child sees to that itself.
  void leave_offspring() noexcept { alone_ = true; }

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
  [[noreturn]] static void run_child(pid_t parent, std::vector<descriptor const*> const& kept,
                                     descriptor const& lifeline, Body& body) noexcept {
    detail::settle_child(parent, kept, lifeline);
    int const status = body();
    detail::flush_printed();
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

  void take(child_process& other) noexcept {
    pid_ = std::exchange(other.pid_, 0);
    owner_ = other.owner_;
    watch_ = std::move(other.watch_);
    lifeline_ = std::move(other.lifeline_);
    reaper_ = other.reaper_;
    killed_ = std::exchange(other.killed_, false);
    alone_ = other.alone_;
    offspring_ = std::exchange(other.offspring_, {});
  }

  // False if somebody else has waited for the child: then its number may be a stranger's.
  bool send(int signal) const noexcept {
    if (watch_) return ::syscall(SYS_pidfd_send_signal, watch_.get(), signal, nullptr, 0) == 0;
    return ::kill(pid_, signal) == 0;
  }

  void kill_all() noexcept {
    if (std::exchange(killed_, true) || !send(0)) return;
    if (!alone_) offspring_ = detail::offspring{pid_};
    if (!offspring_.empty()) detail::offspring::adopt(true);
    send(SIGKILL);
    ::kill(-pid_, SIGKILL);
    offspring_.kill();
  }

  // That of a child which is gone; waits for what it had started, and was killed with it.
  void forget() noexcept {
    watch_.close();
    lifeline_.close();
    killed_ = false;
    if (offspring_.empty()) return;
    offspring_.bury_adopted();
    detail::offspring::adopt(false);
    offspring_ = {};
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
      kill_all();  // its group
      worker_death const how = reaper_->reap(std::exchange(pid_, 0));
      forget();
      return how;
    }
    constexpr auto by_descriptor = static_cast<idtype_t>(3);  // P_PIDFD, which older headers lack
    siginfo_t info{};
    auto const wait = [&](int how) {
      int waited = 0;
      do {
        waited = watch_ ? ::waitid(by_descriptor, static_cast<id_t>(watch_.get()), &info, WEXITED | how)
                        : ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | how);
      } while (waited != 0 && errno == EINTR);
      return waited;
    };
    int waited = 0;
    if (!killed_) {
      waited = wait(options | WNOWAIT);
      if (waited == 0 && info.si_pid == 0) return std::nullopt;  // still there
      kill_all();                                                // its group, while the number is its own
    }
    waited = wait(options);
    if (waited == 0 && info.si_pid == 0) return std::nullopt;  // killed, and still there
    pid_ = 0;
    forget();
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
  descriptor lifeline_;               // its group is killed when this is closed
  process_reaper* reaper_ = nullptr;  // of a process that is not our child
  bool killed_ = false;
  bool alone_ = false;
  detail::offspring offspring_;
};

}  // namespace dally
