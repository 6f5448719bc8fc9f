// How threads wait for each other: by the clock.

#include "dally/core/backoff.hpp"

#include <chrono>

#include "support/catch2.hpp"

using clock_type = std::chrono::steady_clock;

TEST_CASE("a backoff spins for as long as it was told", "[backoff]") {
  for (auto const most : {std::chrono::microseconds{50}, std::chrono::microseconds{5'000}}) {
    for (int const pauses : {1, 8}) {
      auto const start = clock_type::now();
      dally::backoff wait{most};
      while (wait.spin(pauses)) {
      }
      CHECK(clock_type::now() - start >= most);
    }
  }
}

TEST_CASE("a backoff that spins no longer sleeps, longer each time", "[backoff]") {
  dally::backoff wait{std::chrono::microseconds{0}};
  for (int const least : {50, 100, 200, 400, 800, 1'000, 1'000}) {
    auto const start = clock_type::now();
    wait.nap();
    CHECK(clock_type::now() - start >= std::chrono::microseconds{least});
  }
}
