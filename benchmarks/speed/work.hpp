#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

#include "speed/phases.hpp"
#include "speed/shapes.hpp"

namespace speed {

// What a task does besides its sum. `after(v, inputs)` returns v, the task's value.

struct no_work {
  static value after(value v, std::size_t) { return v; }
};

/// Busy for a grain: a chain of multiplications, some 1 ns each.
struct busy {
  static inline std::uint64_t iterations = 0;  ///< of a task; set between runs

  static value after(value v, std::size_t) {
    value x = v, none = 0;
    for (std::uint64_t i = 0; i < iterations; ++i) x = x * 6364136223846793005U + 1442695040888963407U;
    asm("" : "+r"(none));  // unknown to the compiler, so that v waits for x
    return v + (x & none);
  }

  /// Seconds of an iteration: the least of some, because what disturbs makes it longer.
  static double seconds() {
    constexpr std::uint64_t many = 50'000;
    double least = 1;
    std::uint64_t const kept = iterations;
    iterations = many;
    for (int i = 0; i < 5; ++i) {
      stopwatch watch;
      value volatile result = after(static_cast<value>(i), 0);
      static_cast<void>(result);
      least = std::min(least, watch.lap() / many);
    }
    iterations = kept;
    return least;
  }
};

/// A task without inputs sleeps.
struct sleepy {
  static constexpr std::chrono::milliseconds nap{1};

  static value after(value v, std::size_t inputs) {
    if (inputs == 0) std::this_thread::sleep_for(nap);
    return v;
  }
};

}  // namespace speed
