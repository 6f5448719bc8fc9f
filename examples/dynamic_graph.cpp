// Graphs that grow while they run: a task may return a lazy, and flatten is the lazy of its value. So a recursion
// records only what it turns out to need.

#include <dally/dally.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

using dally::delayed;
using dally::flatten;
using dally::lazy;
using numbers = std::vector<int>;

lazy<std::int64_t> fibonacci(int n) {
  if (n < 2) return n;  // a literal
  return flatten(delayed(fibonacci)(n - 1)) + flatten(delayed(fibonacci)(n - 2));
}

std::tuple<numbers, numbers, numbers> partition(numbers const& values) {
  int const pivot = values[values.size() / 2];
  numbers smaller, equal, larger;
  for (int v : values) (v < pivot ? smaller : v > pivot ? larger : equal).push_back(v);
  return {std::move(smaller), std::move(equal), std::move(larger)};
}

numbers joined(numbers low, numbers const& middle, numbers const& high) {
  std::ranges::copy(middle, std::back_inserter(low));
  std::ranges::copy(high, std::back_inserter(low));
  return low;
}

lazy<numbers> quicksort(numbers const& values) {
  if (values.size() < 2) return values;
  auto [smaller, equal, larger] = delayed(partition)(values);
  auto sort = delayed(quicksort);
  return delayed(joined)(flatten(sort(smaller)), equal, flatten(sort(larger)));
}

// A loop whose length nobody knows before: each round returns the next one.
lazy<int> halvings(std::int64_t n, int so_far) {
  if (n == 1) return so_far;
  return flatten(delayed(halvings)(n / 2, so_far + 1));
}

int main() {
  fmt::print("fibonacci(15) = {}\n", fibonacci(15).compute());
  fmt::print("{}\n", quicksort({3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5}).compute());
  fmt::print("2^40 halves {} times\n", halvings(std::int64_t{1} << 40, 0).compute());
}

// Output:
//   fibonacci(15) = 610
//   [1, 1, 2, 3, 3, 4, 5, 5, 5, 6, 9]
//   2^40 halves 40 times
