#pragma once

#include <concepts>
#include <limits>
#include <utility>

namespace dally {

/// How many, of any integer type: `threads{n}` and `.workers = n` take an int as well as an unsigned. What makes no
/// sense, a negative number above all, is kept as it is for whoever checks it and says so.
class count {
 public:
  template <std::integral Number>
    requires(!std::same_as<Number, bool>)
  constexpr count(Number number) noexcept  // NOLINT: implicit, as `.workers = n`
      : number_{std::in_range<long long>(number) ? static_cast<long long>(number)
                                                 : std::numeric_limits<long long>::max()} {}

  [[nodiscard]] constexpr long long number() const noexcept { return number_; }
  [[nodiscard]] constexpr bool between(unsigned least, unsigned most) const noexcept {
    return number_ >= least && number_ <= most;
  }
  /// For what has been checked.
  constexpr operator unsigned() const noexcept { return static_cast<unsigned>(number_); }  // NOLINT

 private:
  long long number_;
};

}  // namespace dally
