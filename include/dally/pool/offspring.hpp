#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "dally/core/function.hpp"
#include "dally/core/process.hpp"

namespace dally::detail {

/// Appends the children of a process's thread; none where the kernel does not list them.
[[gnu::cold]] DALLY_FUNCTION void append_children(pid_t process, pid_t thread, std::vector<pid_t>& to) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/task/%d/children", static_cast<int>(process), static_cast<int>(thread));
  int const list = ::open(path, O_RDONLY | O_CLOEXEC);
  if (list < 0) return;
  pid_t number = 0;
  char text[1024];
  for (ssize_t size = 0; (size = ::read(list, text, sizeof text)) > 0;) {
    for (ssize_t i = 0; i < size; ++i) {
      if (text[i] >= '0' && text[i] <= '9') {
        number = number * 10 + (text[i] - '0');
      } else if (number != 0) {
        to.push_back(number);
        number = 0;
      }
    }
  }
  ::close(list);
}

/// Appends the children of a process, whichever of its threads started them.
[[gnu::cold]] DALLY_FUNCTION void append_children(pid_t process, std::vector<pid_t>& to) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/task", static_cast<int>(process));
  struct stat threads{};
  if (::stat(path, &threads) != 0) return;
  if (threads.st_nlink == 3) return append_children(process, process, to);
  DIR* const all = ::opendir(path);
  if (all == nullptr) return;
  while (dirent const* const thread = ::readdir(all)) {
    if (int const number = std::atoi(thread->d_name); number > 0) append_children(process, number, to);
  }
  ::closedir(all);
}

/// Waits, for a second at most, for a child of this process that has been killed; not at all if it is none.
[[gnu::cold]] DALLY_FUNCTION void bury(pid_t child) noexcept {
  for (int wait = 0; wait < 1000;) {
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG) != 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (info.si_pid != 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
    ++wait;
  }
}

/// What a process has started, and what that has started, in whichever process groups: commands, mostly. Who finds
/// them stops them, and the process, so that there will not be more. A daemon is not among them: its parent has ended.
class offspring {
 public:
  offspring() = default;
  /// That of a child of this process or of another process, which nobody waits for meanwhile.
  [[gnu::cold]] DALLY_FUNCTION explicit offspring(pid_t of) noexcept {
    try {
      append_children(of, found_);
      if (found_.empty()) return;  // the usual case. What it starts now is of its own group
      ::kill(of, SIGSTOP);
      found_.clear();
      std::vector<pid_t> children;
      std::size_t before = 0;
      do {  // until nobody is new
        before = found_.size();
        children.clear();
        append_children(of, children);
        for (std::size_t i = 0; i < before; ++i) append_children(found_[i], children);
        for (pid_t const child : children) {
          if (std::find(found_.begin(), found_.end(), child) != found_.end()) continue;
          found_.push_back(child);
          ::kill(child, SIGSTOP);
        }
      } while (found_.size() != before);
    } catch (std::bad_alloc const&) {  // those that were found
    }
  }

  [[nodiscard]] bool empty() const noexcept { return found_.empty(); }

  void kill() const noexcept {
    for (pid_t const p : found_) ::kill(p, SIGKILL);
  }

  /// Waits for those that have been adopted by this process when they had been killed.
  void bury_adopted() const noexcept {
    for (pid_t const p : found_) bury(p);
  }

  /// Whether this process is to be the parent of descendants whose parent ends: asked by several, each of whom takes it
  /// back. The program may have said so itself.
  static void adopt(bool yes) noexcept {
    static int asked = 0;
    static int former = 0;
    std::lock_guard const lock{process_state::instance().mutex};
    if (yes && asked++ == 0) {
      if (::prctl(PR_GET_CHILD_SUBREAPER, &former) == 0) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    } else if (!yes && --asked == 0) {
      ::prctl(PR_SET_CHILD_SUBREAPER, former);
    }
  }

 private:
  std::vector<pid_t> found_;
};

}  // namespace dally::detail
