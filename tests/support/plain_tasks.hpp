#pragma once

#include <unistd.h>

#include <numeric>
#include <vector>

/// Functions without captures, as most tests wrap: they travel to any process.
namespace dally::tests {

inline int same(int x) { return x; }
inline int add(int x, int y) { return x + y; }
inline int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }
inline int own_pid(int) { return getpid(); }

}  // namespace dally::tests
