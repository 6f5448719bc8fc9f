#pragma once

#include <pthread.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "dally/core/function.hpp"

namespace dally {

/// Looks after a thread of this process, from another one: has it come to a standstill?
///
/// It has if it does not come any further because of what it does: it computes for long, or sleeps until something
/// happens. It has not if it could go on, and only the processor is not its own: where other programs compute, that
/// goes to them for some milliseconds at a time.
///
/// Threads  one at a time looks; the thread that is looked after must live
/// Cost     two to three system calls; reading a file of /proc, some 10 us, where it does not come any further
class standstill {
 public:
  /// Whether the thread, which has come as far as `reached`, has been there for `most` and longer, as this has been
  /// asked now and then: asleep, by the clock; computing, by its own processor time.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION bool lasts(pthread_t thread, std::uint64_t reached,
                                                     std::chrono::nanoseconds most) noexcept {
    auto const now = std::chrono::steady_clock::now();
    if (reached != reached_) {
      reached_ = reached;
      since_ = now;
      computed_ = processor_time(thread);
      return false;
    }
    auto const passed = now - since_;
    if (passed < most) return false;
    // A task that waits by yielding wants a processor all the time, and computes next to nothing.
    constexpr std::chrono::milliseconds longest{200};
    return passed >= longest || processor_time(thread) - computed_ >= most || !wants_processor(thread);
  }

 private:
  [[gnu::cold]] DALLY_FUNCTION static std::chrono::nanoseconds processor_time(pthread_t thread) noexcept {
    clockid_t clock{};
    std::timespec time{};
    if (::pthread_getcpuclockid(thread, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return {};
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
  }

  // Whether the thread has a processor or waits for one. False where the system does not tell.
  [[gnu::cold]] DALLY_FUNCTION static bool wants_processor(pthread_t thread) noexcept {
    clockid_t clock{};
    if (::pthread_getcpuclockid(thread, &clock) != 0) return false;
    char text[96];  // a path, then the beginning of "NUMBER (NAME) STATE ..."
    // Linux makes a thread's clock of its number: clock_getcpuclockid(3).
    std::snprintf(text, sizeof text, "/proc/self/task/%d/stat", ~(clock >> 3));
    std::FILE* const file = std::fopen(text, "re");
    if (file == nullptr) return false;
    text[std::fread(text, 1, sizeof text - 1, file)] = '\0';
    std::fclose(file);
    char const* const name_end = std::strrchr(text, ')');
    return name_end != nullptr && std::strncmp(name_end, ") R", 3) == 0;
  }

  std::uint64_t reached_ = ~std::uint64_t{0};
  std::chrono::steady_clock::time_point since_{};
  std::chrono::nanoseconds computed_{};
};

}  // namespace dally
