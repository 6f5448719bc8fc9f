#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <fmt/format.h>

namespace support {

/// A child that could not be started, died, or failed.
class measurement_failed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What `work()` returns in a process of its own, so that one measurement's heap and threads are no other's. Call it
/// before this process has started any.
///
/// Errors  measurement_failed, with `what` in front
template <class Work>
auto in_child(std::string const& what, Work&& work) {
  using sample = std::invoke_result_t<Work&>;
  static_assert(std::is_trivially_copyable_v<sample>);
  int ends[2];
  if (pipe(ends) != 0) throw measurement_failed{fmt::format("{}: pipe: {}", what, std::strerror(errno))};
  auto const child = fork();
  if (child < 0) throw measurement_failed{fmt::format("{}: fork: {}", what, std::strerror(errno))};
  if (child == 0) {
    close(ends[0]);
    try {
      sample const took = work();
      _exit(write(ends[1], &took, sizeof took) == sizeof took ? 0 : 1);
    } catch (std::exception const& failure) {
      fmt::print(stderr, "{}: {}\n", what, failure.what());
      _exit(1);
    }
  }
  close(ends[1]);
  sample took{};
  auto const received = read(ends[0], &took, sizeof took);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    throw measurement_failed{
        fmt::format("{}: died of signal {} ({})", what, WTERMSIG(status), strsignal(WTERMSIG(status)))};
  }
  if (received != sizeof took) throw measurement_failed{what + " failed"};
  return took;
}

}  // namespace support
