#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace speed {

using value = std::uint64_t;  // wraps around, as the wavefront's sums do

/// A graph of 64-bit sums, for every peer the same: node i has the value constant[i] + the sum of its inputs' values.
/// Ids are a topological order, and the last node needs all others.
struct shape {
  std::vector<std::uint32_t> first{0};  ///< size() + 1: where the inputs of a node begin
  std::vector<std::uint32_t> inputs;
  std::vector<value> constant;
  std::size_t chunk = 64;  ///< nodes that a peer which goes by chunks of the order should take at once

  [[nodiscard]] std::size_t size() const { return constant.size(); }
  [[nodiscard]] std::uint32_t count(std::size_t i) const { return first[i + 1] - first[i]; }
  [[nodiscard]] std::uint32_t const* inputs_of(std::size_t i) const { return inputs.data() + first[i]; }

  [[nodiscard]] std::span<std::uint32_t const> row(std::size_t i) const { return {inputs_of(i), count(i)}; }

  void clear() {
    first.resize(1);
    inputs.clear();
    constant.clear();
  }
  void add(value c, std::span<std::uint32_t const> from) {
    inputs.insert(inputs.end(), from.begin(), from.end());
    first.push_back(static_cast<std::uint32_t>(inputs.size()));
    constant.push_back(c);
  }
  void add(value c, std::initializer_list<std::size_t> from) {
    for (std::size_t const input : from) inputs.push_back(static_cast<std::uint32_t>(input));
    first.push_back(static_cast<std::uint32_t>(inputs.size()));
    constant.push_back(c);
  }
  void add_sum_of(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) inputs.push_back(static_cast<std::uint32_t>(i));
    first.push_back(static_cast<std::uint32_t>(inputs.size()));
    constant.push_back(0);
  }

  /// What the last node must come to.
  [[nodiscard]] value expected() const {
    std::vector<value> values(size());
    for (std::size_t i = 0; i < size(); ++i) {
      values[i] = constant[i];
      for (std::uint32_t k = 0; k < count(i); ++k) values[i] += values[inputs_of(i)[k]];
    }
    return values.back();
  }
};

/// Numbers that are the same on every machine.
class random_numbers {
 public:
  /// One of 0 to below - 1.
  std::size_t operator()(std::size_t below) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<std::size_t>(state_ % below);
  }

 private:
  std::uint64_t state_ = 12345;
};

/// The workloads: W1 a chain, W2 a fan-in, W3 a left fold, W4 a binary reduction, W5 a wavefront, W6 random layers.
/// `scale` divides their sizes.
inline shape shape_of(std::string const& workload, std::size_t scale) {
  shape s;
  if (workload == "W1") {
    s.add(1, {});
    for (std::size_t i = 1; i < 1'000'000 / scale; ++i) s.add(1, {i - 1});
  } else if (workload == "W2" || workload == "W3") {
    std::size_t const leaves = 100'000 / scale;
    for (std::size_t i = 0; i < leaves; ++i) s.add(static_cast<value>(i), {});
    if (workload == "W2") {
      s.add_sum_of(0, leaves);
    } else {
      s.add(1, {0, 1});
      for (std::size_t i = 2; i < leaves; ++i) s.add(1, {s.size() - 1, i});
    }
  } else if (workload == "W4") {
    std::size_t leaves = std::size_t{1} << 20;
    while (leaves > (std::size_t{1} << 20) / scale) leaves /= 2;
    for (std::size_t i = 0; i < leaves; ++i) s.add(static_cast<value>(i), {});
    for (std::size_t next = 0; next + 1 < s.size(); next += 2) s.add(1, {next, next + 1});
  } else if (workload == "W5") {
    std::size_t side = 1024;
    while (side * side > 1024 * 1024 / scale) side /= 2;
    for (std::size_t row = 0; row < side; ++row) {
      for (std::size_t column = 0; column < side; ++column) {
        std::size_t const here = row * side + column;
        if (row != 0 && column != 0) {
          s.add(1, {here - side, here - 1});
        } else if (here != 0) {
          s.add(1, {row == 0 ? here - 1 : here - side});
        } else {
          s.add(1, {});
        }
      }
    }
  } else if (workload == "W6") {
    std::size_t const width = 1000;
    std::size_t const layers = 1000 / scale < 2 ? 2 : 1000 / scale;
    random_numbers random;
    for (std::size_t i = 0; i < width; ++i) s.add(static_cast<value>(i), {});
    for (std::size_t layer = 1; layer < layers; ++layer) {
      std::size_t const before = (layer - 1) * width;
      for (std::size_t i = 0; i < width; ++i)
        s.add(1, {before + random(width), before + random(width), before + random(width)});
    }
    s.add_sum_of((layers - 1) * width, layers * width);
  } else {
    throw std::invalid_argument{"no workload " + workload};
  }
  return s;
}

/// Steps of `width` tasks; each takes the results of its neighbours and its own of the step before.
inline shape stencil(std::size_t width, std::size_t steps) {
  shape s;
  s.chunk = std::max<std::size_t>(1, width / 2);
  for (std::size_t i = 0; i < width; ++i) s.add(static_cast<value>(i), {});
  for (std::size_t step = 1; step < steps; ++step) {
    for (std::size_t i = 0; i < width; ++i) {
      std::size_t const here = s.size() - width;
      if (width == 1) {
        s.add(1, {here});
      } else if (i == 0) {
        s.add(1, {here, here + 1});
      } else if (i + 1 == width) {
        s.add(1, {here - 1, here});
      } else {
        s.add(1, {here - 1, here, here + 1});
      }
    }
  }
  s.add_sum_of(s.size() - width, s.size());
  return s;
}

/// Tasks without inputs, and their sum.
inline shape sleepers(std::size_t tasks) {
  shape s;
  s.chunk = 1;
  for (std::size_t i = 0; i < tasks; ++i) s.add(static_cast<value>(i), {});
  s.add_sum_of(0, tasks);
  return s;
}

/// Tasks with three inputs each among the last `window`: the one half a window before, so that all are needed, and two
/// random ones. Then a sum over the last `window`.
inline shape window_graph(std::size_t tasks, std::size_t window) {
  shape s;
  random_numbers random;
  s.first.reserve(tasks + 2);
  s.inputs.reserve(3 * tasks + window);
  s.constant.reserve(tasks + 1);
  for (std::size_t i = 0; i < window; ++i) s.add(static_cast<value>(i), {});
  for (std::size_t i = window; i < tasks; ++i)
    s.add(1, {i - window / 2, i - 1 - random(window), i - 1 - random(window)});
  s.add_sum_of(tasks - window, tasks);
  return s;
}

}  // namespace speed
