#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace speed {

/// How efficient a run was whose tasks took so long.
struct efficiency {
  double grain = 0;  ///< seconds
  double reached = 0;
};

/// The minimum effective task granularity: the grain in seconds from which on all larger ones reach `wanted`, between
/// two grains by interpolation over the logarithm of the grain. 0: every one does; infinity: the largest does not.
///
/// Shape   by falling grain, at least one
/// Source  E. Slaughter et al., Task Bench: a parameterized benchmark for evaluating parallel runtime performance, SC
/// 2020
inline double metg(std::vector<efficiency> const& falling, double wanted) {
  for (std::size_t i = 0; i < falling.size(); ++i) {
    if (falling[i].reached >= wanted) continue;
    if (i == 0) return std::numeric_limits<double>::infinity();
    efficiency const below = falling[i], above = falling[i - 1];
    double const part = (wanted - below.reached) / (above.reached - below.reached);
    return below.grain * std::pow(above.grain / below.grain, part);
  }
  return 0;
}

}  // namespace speed
