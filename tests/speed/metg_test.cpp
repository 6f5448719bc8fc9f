#include "../benchmarks/speed/metg.hpp"

#include <cmath>
#include <vector>

#include "support/catch2.hpp"

using speed::metg;

TEST_CASE("the METG of a cost a task is where the work is as long as that cost", "[metg]") {
  constexpr double cost = 1e-6;
  std::vector<speed::efficiency> falling;
  for (double grain = 64e-6; grain > 0.1e-6; grain /= 2) falling.push_back({grain, grain / (grain + cost)});
  REQUIRE(std::abs(metg(falling, 0.5) - cost) < 1e-12);        // on a grain that was tried
  REQUIRE(std::abs(metg(falling, 0.8) - 4 * cost) < 1e-12);    // 4 / 5 of the time is work
  REQUIRE(std::abs(metg(falling, 0.75) - 3 * cost) < 0.1e-6);  // between two
}

TEST_CASE("the METG is below what was tried if every grain is efficient", "[metg]") {
  REQUIRE(metg({{2e-6, 0.9}, {1e-6, 0.8}}, 0.8) == 0);
}

TEST_CASE("the METG is above what was tried if the largest grain is not efficient", "[metg]") {
  REQUIRE(std::isinf(metg({{2e-6, 0.4}, {1e-6, 0.9}}, 0.5)));
}

TEST_CASE("a grain that is efficient below one that is not does not count", "[metg]") {
  double const found = metg({{8e-6, 0.9}, {4e-6, 0.3}, {2e-6, 0.9}}, 0.6);
  REQUIRE(std::abs(found - std::sqrt(4e-6 * 8e-6)) < 1e-12);
}
