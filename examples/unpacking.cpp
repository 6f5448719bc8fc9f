// A lazy pair, tuple or array unpacks into lazies by structured bindings: one task with several results, each of which
// goes its own way. collect is the way back.

#include <dally/dally.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

using dally::delayed;
using numbers = std::vector<int>;

std::pair<int, int> divide(int dividend, int divisor) { return {dividend / divisor, dividend % divisor}; }

std::array<int, 3> clock_time(int seconds) { return {seconds / 3600, seconds / 60 % 60, seconds % 60}; }

std::tuple<numbers, numbers> halves(numbers const& all) {
  auto middle = all.begin() + std::ssize(all) / 2;
  return {numbers(all.begin(), middle), numbers(middle, all.end())};
}

// By value: a result that nobody else needs is moved in.
numbers sorted(numbers values) {
  std::ranges::sort(values);
  return values;
}

numbers merged(std::tuple<numbers, numbers> const& sorted_halves) {
  auto const& [low, high] = sorted_halves;
  numbers all;
  std::ranges::merge(low, high, std::back_inserter(all));
  return all;
}

int main() {
  auto [quotient, remainder] = delayed(divide)(47, 6);  // two lazies of one task
  fmt::print("47 = 6 * {} + {}\n", quotient.compute(), remainder.compute());
  fmt::print("again: {}\n", (quotient * 6 + remainder).compute());

  auto [hours, minutes, seconds] = delayed(clock_time)(45296);
  fmt::print("{} minutes of the day have passed\n", (hours * 60 + minutes).compute());

  auto [left, right] = delayed(halves)(numbers{5, 2, 8, 1, 9, 3});  // sorted at the same time, then merged
  auto both = dally::collect(std::tuple{left.then(sorted), right.then(sorted)});
  fmt::print("{}\n", both.then(merged).compute());
}

// Output:
//   47 = 6 * 7 + 5
//   again: 47
//   754 minutes of the day have passed
//   [1, 2, 3, 5, 8, 9]
