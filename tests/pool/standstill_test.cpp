// Who is held up by what it does, and who only by the system.

#include "dally/pool/standstill.hpp"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <semaphore>
#include <thread>

#include "dally/core/spin_pause.hpp"
#include "support/catch2.hpp"

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace {

void spin_for(std::chrono::milliseconds time) {
  for (auto const end = clock_type::now() + time; clock_type::now() < end;) dally::spin_pause();
}

/// A thread that computes until it is told to stop.
class spinner {
 public:
  /// On this processor, and of two threads there the one that has to wait; or anywhere.
  explicit spinner(int processor = -1) {
    thread_ = std::thread{[this, processor] {
      if (processor >= 0) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<std::size_t>(processor), &one);
        sched_param const none{};
        placed_ = pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0 &&
                  pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) == 0;
      }
      started_.release();
      while (!stop_) dally::spin_pause();
    }};
    started_.acquire();
  }
  ~spinner() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] pthread_t handle() { return thread_.native_handle(); }
  [[nodiscard]] bool placed() const { return placed_; }

 private:
  std::thread thread_;
  std::binary_semaphore started_{0};
  std::atomic<bool> stop_{false};
  bool placed_ = false;
};

/// What is found of a thread that has not come any further for `passes`, if it is asked in time: a thread that wants a
/// processor for a fifth of a second and more counts as one that stands still.
bool stands_still(pthread_t thread, std::chrono::milliseconds passes, std::chrono::nanoseconds most) {
  for (;;) {
    dally::standstill look;
    auto const start = clock_type::now();
    bool const at_once = look.lasts(thread, 7, most);
    spin_for(passes);
    bool const later = look.lasts(thread, 7, most);
    if (clock_type::now() - start < 200ms) return !at_once && later;
  }
}

}  // namespace

TEST_CASE("a thread that sleeps stands still", "[standstill]") {
  std::binary_semaphore end{0};
  std::thread sleeper{[&] { end.acquire(); }};
  while (!stands_still(sleeper.native_handle(), 5ms, 1ms)) {  // until it has fallen asleep
  }
  CHECK_FALSE(stands_still(sleeper.native_handle(), 5ms, 10s));
  end.release();
  sleeper.join();
}

TEST_CASE("a thread that computes stands still when it has computed for long", "[standstill]") {
  spinner other;
  while (!stands_still(other.handle(), 20ms, 5ms)) {  // until it gets a quarter of a processor
  }
  CHECK_FALSE(stands_still(other.handle(), 5ms, 10s));
}

TEST_CASE("a thread that comes further does not stand still", "[standstill]") {
  std::binary_semaphore end{0};
  std::thread sleeper{[&] { end.acquire(); }};
  dally::standstill look;
  for (std::uint64_t reached = 0; reached < 5; ++reached) {
    CHECK_FALSE(look.lasts(sleeper.native_handle(), reached, 0ns));
    spin_for(1ms);
  }
  end.release();
  sleeper.join();
}

TEST_CASE("a thread whose processor another one has does not stand still", "[standstill]") {
  cpu_set_t former;
  REQUIRE(pthread_getaffinity_np(pthread_self(), sizeof former, &former) == 0);
  int const processor = sched_getcpu();
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(processor), &one);
  REQUIRE(pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0);
  {
    spinner other{processor};
    REQUIRE(other.placed());
    CHECK_FALSE(stands_still(other.handle(), 30ms, 10ms));
    dally::standstill look;  // a task that waits by yielding looks like that, and must be helped some day
    while (!look.lasts(other.handle(), 7, 1s)) spin_for(1ms);
  }
  REQUIRE(pthread_setaffinity_np(pthread_self(), sizeof former, &former) == 0);
}
