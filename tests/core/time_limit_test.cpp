#include "dally/core/time_limit.hpp"

#include <chrono>
#include <cstdint>
#include <limits>

#include "support/catch2.hpp"

using dally::time_limit;
using namespace std::chrono_literals;

TEST_CASE("a limit of time is made of any duration, and nothing is lost without a word", "[time_limit]") {
  using seconds = std::chrono::duration<double>;
  constexpr auto longest = std::chrono::nanoseconds::max();
  CHECK(time_limit{} == 0ns);
  CHECK(time_limit{30s} == 30s);
  CHECK(time_limit{seconds{0.25}} == 250ms);
  CHECK(time_limit{std::chrono::hours{10'000'000}} == longest);
  CHECK(time_limit{seconds{std::numeric_limits<double>::infinity()}} == longest);
  CHECK(time_limit{seconds{1e300}} == longest);
  CHECK(time_limit{seconds{1e-15}} == 1ns);
  CHECK(time_limit{std::chrono::duration<int, std::pico>{3}} == 1ns);
  // What makes no sense is negative, for whoever uses it to refuse.
  CHECK(time_limit{-1s} == -1s);
  CHECK(time_limit{seconds{-1e-15}} == -1ns);
  CHECK(time_limit{std::chrono::hours{-10'000'000}} < 0ns);
  CHECK(time_limit{seconds{-std::numeric_limits<double>::infinity()}} < 0ns);
  CHECK(time_limit{seconds{std::numeric_limits<double>::quiet_NaN()}} < 0ns);
  static_assert(time_limit{2min} == 120s);
}

TEST_CASE("a length of time is told in the largest unit that says it whole", "[time_limit]") {
  CHECK(dally::text_of(50ms) == "50 ms");
  CHECK(dally::text_of(-1s) == "-1 s");
  CHECK(dally::text_of(1500us) == "1500 us");
  CHECK(dally::text_of(7ns) == "7 ns");
  CHECK(dally::text_of(std::chrono::nanoseconds::min()) == "no number");
}
