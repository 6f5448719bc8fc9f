#pragma once

#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include <fmt/format.h>

#include "support/in_child.hpp"

namespace support {

/// What this machine takes for the steps that bound every task graph, so that figures of two machines, or of one at two
/// times, can be compared. Units: ns, but for `taken`.
struct machine_costs {
  double locked = 0;       ///< an atomic addition that nobody contends for
  double round_trip = 0;   ///< a value to another core, and one back
  double clock = 0;        ///< a look at the clock
  double fresh_touch = 0;  ///< a byte that nobody has touched for long: a virtual machine's host may have to find it
  double small_touch = 0;  ///< a byte of the same memory, touched first by this process, in pages of 4 KiB
  double huge_touch = 0;   ///< the same where the system gives huge pages
  double taken = 0;        ///< the share of a thread's time that went to something else, in pieces of 2 us and more
};

namespace detail {

inline double now_ns() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// ns for each byte.
inline double first_touch([[maybe_unused]] bool huge) {
  constexpr std::size_t bytes = std::size_t{256} << 20;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
#if defined(MADV_HUGEPAGE)
  madvise(memory, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
  double const start = now_ns();
  for (std::size_t i = 0; i < bytes; i += 4096) static_cast<char volatile*>(memory)[i] = 1;
  double const took = now_ns() - start;
  munmap(memory, bytes);
  return took / bytes;
}

inline double round_trip() {
  constexpr int turns = 20'000;
  alignas(64) static std::atomic<int> ball{0};
  std::thread other{[] {
    for (int i = 0; i < turns; ++i) {
      while (ball.load(std::memory_order_acquire) != 2 * i + 1) {
      }
      ball.store(2 * i + 2, std::memory_order_release);
    }
  }};
  double const start = now_ns();
  for (int i = 0; i < turns; ++i) {
    ball.store(2 * i + 1, std::memory_order_release);
    while (ball.load(std::memory_order_acquire) != 2 * i + 2) {
    }
  }
  double const took = now_ns() - start;
  other.join();
  return took / turns;
}

}  // namespace detail

/// Measures them in a process of its own, in half a second or so. Errors: measurement_failed.
inline machine_costs measure_machine() {
  return in_child("machine", [] {
    machine_costs costs;
    constexpr int turns = 1'000'000;
    std::atomic<std::uint64_t> count{0};
    double start = detail::now_ns();
    for (int i = 0; i < turns; ++i) count.fetch_add(1, std::memory_order_relaxed);
    costs.locked = (detail::now_ns() - start) / turns;
    start = detail::now_ns();
    for (int i = 0; i < turns / 10; ++i) static_cast<void>(detail::now_ns());
    costs.clock = (detail::now_ns() - start) / (turns / 10);
    double const end = detail::now_ns() + 1e8;
    for (double last = detail::now_ns(); last < end;) {
      double const now = detail::now_ns();
      if (now - last > 2000) costs.taken += (now - last) / 1e8;
      last = now;
    }
    costs.fresh_touch = detail::first_touch(true);
    costs.small_touch = detail::first_touch(false);
    costs.huge_touch = detail::first_touch(true);
    if (std::thread::hardware_concurrency() > 1) costs.round_trip = detail::round_trip();
    return costs;
  });
}

/// They as a line of text; measured at the first call.
inline std::string machine_costs_text() {
  static machine_costs const costs = measure_machine();
  return fmt::format(
      "here an uncontended locked addition takes {:.1f} ns, to another core and back {:.0f}, the clock {:.0f}, a first "
      "touch {:.2f} a byte of memory that was in use just now in small pages, {:.2f} in huge ones, and {:.2f} of other "
      "memory; {:.1f} % of a thread's time went elsewhere",
      costs.locked, costs.round_trip, costs.clock, costs.small_touch, costs.huge_touch, costs.fresh_touch,
      costs.taken * 100);
}

}  // namespace support
