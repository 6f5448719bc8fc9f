#pragma once

#include <chrono>
#include <cstdint>

#include "dally/core/function.hpp"

namespace dally {

/// The finaliser of MurmurHash3 (A. Appleby, public domain): a bijection, so different numbers stay different.
[[nodiscard]] constexpr std::uint64_t scrambled(std::uint64_t x) noexcept {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdU;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53U;
  return x ^ (x >> 33);
}

/// A number that no other call in this process returns, but for a chance of 1 in 2^64; never 0. `asked_for` is an
/// object of the caller's: two copies of one library ask for two objects, or for the one at two times.
[[nodiscard, gnu::cold]] DALLY_FUNCTION std::uint64_t unique_number(void const* asked_for) noexcept {
  auto const now = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  std::uint64_t const number = scrambled(scrambled(reinterpret_cast<std::uintptr_t>(asked_for)) + now);
  return number != 0 ? number : 1;
}

}  // namespace dally
