#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "support/in_child.hpp"

namespace support {

/// Processes that compute, each as much as the system gives it, as long as this object lives: what a measurement is
/// disturbed by on a machine that others use. They end with the thread that has started them, and after ten minutes.
///
/// Errors   measurement_failed
class busy_neighbours {
 public:
  explicit busy_neighbours(std::size_t count) {
    pid_t const parent = getpid();
    while (processes_.size() < count) {
      pid_t const child = fork();
      if (child == 0) compute(parent);
      if (child < 0) {
        int const code = errno;
        end();
        throw measurement_failed{fmt::format("a busy process: fork: {}", std::strerror(code))};
      }
      processes_.push_back(child);
    }
  }
  busy_neighbours(busy_neighbours const&) = delete;
  busy_neighbours& operator=(busy_neighbours const&) = delete;
  ~busy_neighbours() { end(); }

 private:
  [[noreturn]] static void compute(pid_t parent) {
    alarm(600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
    for (std::atomic<unsigned> turns{0};;) turns.fetch_add(1, std::memory_order_relaxed);
  }

  void end() {
    for (pid_t const child : processes_) kill(child, SIGKILL);
    for (pid_t const child : processes_) waitpid(child, nullptr, 0);
    processes_.clear();
  }

  std::vector<pid_t> processes_;
};

}  // namespace support
