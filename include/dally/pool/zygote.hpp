#pragma once

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/net/socket.hpp"
#include "dally/pool/child_process.hpp"

namespace dally {

/// A child forked early, while the program is small and has one thread, that forks further processes when asked to:
/// each begins as a copy of the program as it was then, which takes 0.2 ms however large the program has become, and no
/// thread of the program's holds a lock in it.
///
/// Order    what a request says, and what `body` is given: of a trivially copyable type
/// Death    the processes die with it; it leaves when the program ends, however that ends
/// Threads  one at a time, of any thread
/// Errors   resource_error, also where the kernel has no pidfd (before Linux 5.3), or if the zygote has been killed
/// Source   Chromium's zygote, Python's forkserver
template <class Order>
class zygote final : public process_reaper {
  static_assert(std::is_trivially_copyable_v<Order>);

 public:
  /// Forks it. Each process that it forks runs `body(order, socket)` and exits with the status that this returns; of
  /// the descriptors it has that socket and what `kept(order)` names, all of which are among `all_kept`.
  template <class Kept, class Body>
  zygote(std::vector<descriptor const*> all_kept, Kept const& kept, Body const& body) {
    auto [ours, theirs] = socket_pair();
    control_ = std::move(ours);
    timeval const patience{answer_seconds, 0};
    ::setsockopt(control_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(control_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    all_kept.push_back(&theirs);
    pid_t const program = ::getpid();
    process_ = child_process::start(all_kept, [&, &control = theirs] { return serve(control, program, kept, body); });
    process_.leave_offspring();
    theirs.close();
    answer ready{};
    descriptor none;
    if (!receive_passed(control_, &ready, sizeof ready, none)) refuse_lost();
    if (ready.code != 0) refuse("a descriptor of a process (pidfd_open, since Linux 5.3)", ready.code);
  }
  zygote(zygote const&) = delete;
  zygote& operator=(zygote const&) = delete;
  ~zygote() = default;

  /// Has a process forked. It gets a copy of `socket`.
  [[nodiscard]] child_process start(Order const& order, descriptor const& socket) {
    answer got{};
    descriptor death;
    if (!ask({order, 0}, socket, got, death)) refuse_lost();
    if (got.code != 0) refuse("a process", got.code);
    if (!death) {
      static_cast<void>(reap(got.pid));  // it was forked, and cannot be watched
      refuse("a descriptor of a process: the limit of open files (ulimit -n)?", EMFILE);
    }
    return child_process{got.pid, std::move(death), *this};
  }

  worker_death reap(pid_t ended) noexcept override {
    answer got{};
    descriptor none;
    return ask({{}, ended}, none, got, none) ? got.death : worker_death{};
  }

 private:
  static constexpr long answer_seconds = 10;

  struct request {
    Order order;
    pid_t ended;  // to be waited for; 0: fork one
  };
  struct answer {
    pid_t pid;
    int code;
    worker_death death;
  };

  // False if it does not answer: then it is ended, since an answer that comes later would be taken for another's.
  bool ask(request const& asked, descriptor const& passed, answer& got, descriptor& with_it) noexcept {
    if (!control_) return false;
    if (send_passing(control_, &asked, sizeof asked, passed) && receive_passed(control_, &got, sizeof got, with_it)) {
      return true;
    }
    control_.close();
    process_.kill();
    return false;
  }

  // The zygote's own life.
  template <class Kept, class Body>
  static int serve(descriptor const& control, pid_t program, Kept const& kept, Body const& body) noexcept {
    ::prctl(PR_SET_PDEATHSIG, 0);  // the thread that has started it may end, the program goes on
    descriptor const death{static_cast<int>(::syscall(SYS_pidfd_open, program, 0))};
    answer const ready{0, death ? 0 : errno, {}};
    descriptor const none;
    if (!send_passing(control, &ready, sizeof ready, none) || !death) return 0;
    std::vector<child_process> children;
    for (;;) {
      pollfd waits[2] = {{control.get(), POLLIN, 0}, {death.get(), POLLIN, 0}};
      if (::poll(waits, 2, -1) < 0 && errno != EINTR) return 0;
      if (waits[1].revents != 0) return 0;
      if (waits[0].revents == 0) continue;
      request asked;
      descriptor passed;
      if (!receive_passed(control, &asked, sizeof asked, passed)) return 0;
      answer said{};
      std::size_t at = children.size();
      if (asked.ended != 0) {
        for (at = 0; at < children.size() && children[at].pid() != asked.ended;) ++at;
        if (at < children.size()) said.death = children[at].end();
        if (!send_passing(control, &said, sizeof said, none)) return 0;
        if (at < children.size()) children.erase(children.begin() + static_cast<std::ptrdiff_t>(at));
        continue;
      }
      try {
        std::vector<descriptor const*> theirs = kept(asked.order);
        theirs.push_back(&passed);
        children.push_back(child_process::start(
            theirs, [&, &socket = passed] { return static_cast<int>(body(asked.order, socket)); }));
        said.pid = children.back().pid();
      } catch (resource_error const& e) {
        said.code = e.code();
      } catch (...) {
        said.code = ENOMEM;
      }
      if (!send_passing(control, &said, sizeof said, said.code == 0 ? children.back().death() : none)) return 0;
    }
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse(char const* what, int code) {
    throw resource_error{joined({"the system refused ", what, ": ", std::strerror(code)}), code};
  }
  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse_lost() {
    throw resource_error{
        "the process that forks a process_pool's workers has ended or does not answer: somebody has killed or stopped "
        "it; make a new process_pool",
        ESRCH};
  }

  descriptor control_;
  child_process process_;
};

}  // namespace dally
