#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "dally/core/function.hpp"
#include "dally/core/text.hpp"

namespace dally {

/// How long something may take: made of any duration of std::chrono, one with a fraction too, and nanoseconds itself.
///
/// Shape  nothing is lost without a word: what is longer than nanoseconds can say (292 years, or without end) is the
///        longest limit; what is no number is the lowest, which is negative, so that who uses the limit refuses it;
///        what is shorter than a nanosecond is one
class time_limit : public std::chrono::nanoseconds {
 public:
  constexpr time_limit() noexcept : std::chrono::nanoseconds{0} {}
  template <class Rep, class Period>
  constexpr time_limit(std::chrono::duration<Rep, Period> const& length)  // NOLINT: implicit, as `.timeout = 5s`
      : std::chrono::nanoseconds{fitted(length)} {}

 private:
  template <class Rep, class Period>
  static constexpr std::int64_t fitted(std::chrono::duration<Rep, Period> const& length) {
    constexpr long double largest = 9.2e18L;  // below 2 ^ 63 by more than a double's rounding
    auto const wide = std::chrono::duration<long double, std::nano>(length).count();
    if (wide != wide) return std::numeric_limits<std::int64_t>::min();
    if (wide >= largest) return std::numeric_limits<std::int64_t>::max();
    if (wide <= -largest) return -std::numeric_limits<std::int64_t>::max();
    auto const whole = static_cast<std::int64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(length).count());
    if (whole == 0 && wide != 0) return wide > 0 ? 1 : -1;
    return whole;
  }
};

/// A length of time as messages say it: "50 ms", "-1 s".
[[gnu::cold]] DALLY_FUNCTION std::string text_of(std::chrono::nanoseconds length) {
  auto const count = static_cast<std::int64_t>(length.count());
  if (count == std::numeric_limits<std::int64_t>::min()) return "no number";
  auto const size = static_cast<std::uint64_t>(count < 0 ? -count : count);
  struct unit {
    std::uint64_t nanoseconds;
    char const* name;
  };
  for (unit const u : {unit{1'000'000'000, " s"}, unit{1'000'000, " ms"}, unit{1'000, " us"}, unit{1, " ns"}}) {
    if (size % u.nanoseconds == 0) return joined({count < 0 ? "-" : "", decimal(size / u.nanoseconds), u.name});
  }
  return {};
}

}  // namespace dally
