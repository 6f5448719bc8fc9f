#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "speed/shapes.hpp"

namespace speed {

/// Seconds of each phase; what a peer does not tell apart is in the later one, and what it does not do is 0.
struct phases {
  double record = 0, plan = 0, run = 0, rerun = 0, destroy = 0;
  value result = 0;

  /// From the first recorded node to the result.
  [[nodiscard]] double to_result() const { return record + plan + run; }
  /// From the first recorded node to the last one destroyed; the second run apart.
  [[nodiscard]] double sum() const { return to_result() + destroy; }
};

class stopwatch {
 public:
  /// Seconds since the last call.
  double lap() {
    auto const now = std::chrono::steady_clock::now();
    double const passed = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return passed;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Runs a graph twice: `run` returns what it came to. A second value that differs makes the result a wrong one.
template <class Run>
void run_twice(phases& took, stopwatch& watch, Run const& run) {
  took.result = run();
  took.run = watch.lap();
  if (run() != took.result) took.result = ~took.result;
  took.rerun = watch.lap();
}

/// The upper median; `all` is not empty.
inline double median_of(std::vector<double> all) {
  auto const middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

/// The median of `of(x)` for every x of `all`.
template <class T, class Of>
double median_of(std::vector<T> const& all, Of const& of) {
  std::vector<double> values;
  for (T const& x : all) values.push_back(of(x));
  return median_of(std::move(values));
}

/// The least `of(x)`.
template <class T, class Of>
double least_of(std::vector<T> const& all, Of const& of) {
  double least = of(all.front());
  for (T const& x : all) least = std::min(least, of(x));
  return least;
}

/// Each phase's median.
inline phases median_of(std::vector<phases> const& all) {
  phases median;
  for (double phases::* const phase :
       {&phases::record, &phases::plan, &phases::run, &phases::rerun, &phases::destroy}) {
    median.*phase = median_of(all, [&](phases const& p) { return p.*phase; });
  }
  return median;
}

}  // namespace speed
