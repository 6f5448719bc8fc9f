#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace dally::tests {

namespace detail {

inline std::uint32_t from_environment(char const* name, std::uint32_t otherwise) {
  auto const* value = std::getenv(name);
  return value != nullptr ? static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10)) : otherwise;
}

}  // namespace detail

/// How many random graphs to try: DALLY_TEST_GRAPHS, or `otherwise`.
inline std::uint32_t graphs_to_try(std::uint32_t otherwise) {
  return detail::from_environment("DALLY_TEST_GRAPHS", otherwise);
}

/// The seed of the first of them, from which the others' count up: DALLY_TEST_SEED, or one that differs every time.
/// Printed once, for failures that end the program.
inline std::uint32_t first_seed() {
  static std::uint32_t const first = [] {
    auto const seed = detail::from_environment("DALLY_TEST_SEED", std::random_device{}());
    std::fprintf(stderr, "random graphs from DALLY_TEST_SEED=%u on\n", seed);
    return seed;
  }();
  return first;
}

}  // namespace dally::tests
