// Lazies are found inside containers, nested to any depth, and inside types of your own. The function receives the same
// container with plain values in their places.

#include <dally/dally.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

using dally::delayed;
using dally::lazy;

double celsius(double fahrenheit) { return (fahrenheit - 32) / 1.8; }

double mean(std::vector<double> const& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::string warmest(std::map<std::string, double> const& means) {
  return std::ranges::max_element(means, {}, [](auto const& city) { return city.second; })->first;
}

std::string describe(std::pair<std::string, std::optional<double>> const& wish) {
  return wish.second ? fmt::format("{}: {:.1f}", wish.first, *wish.second) : wish.first + ": unknown";
}

// What is recorded, and what a task receives of it.
struct station {
  std::string name;
  std::vector<lazy<double>> readings;
};
struct measured_station {
  std::string name;
  std::vector<double> readings;
};

template <>
struct dally::traversal<station> {
  using plain = measured_station;
  static plain rebuild(station const& s, auto&& value_of) { return {s.name, value_of(s.readings)}; }
  static void each(station const& s, auto&& visit) { visit(s.readings); }
};

std::string summary(measured_station const& s) {
  return fmt::format("{} took {} readings, the highest {:.1f}", s.name, s.readings.size(),
                     std::ranges::max(s.readings));
}

int main() {
  station const harbour{"harbour", dally::map(celsius, std::vector{59.0, 68.0, 77.0})};
  auto average = delayed(mean)(harbour.readings);  // a vector of lazies

  std::map<std::string, lazy<double>> means{{"Cardiff", average}, {"Bangor", average - 6.0}, {"Tenby", 21.5}};
  fmt::print("warmest: {}\n", delayed(warmest)(means).compute());

  using wish = std::pair<std::string, std::optional<lazy<double>>>;
  std::vector<wish> const wishes{{"Bangor", means.at("Bangor")}, {"Atlantis", std::nullopt}};
  for (auto const& line : dally::compute(dally::map(describe, wishes))) fmt::print("{}\n", line);

  fmt::print("{}\n", delayed(summary)(harbour).compute());

  // compute takes them too, and gives back the same container of values.
  for (auto const& [city, degrees] : dally::compute(means)) fmt::print("{} {:.1f}\n", city, degrees);
}

// Output:
//   warmest: Tenby
//   Bangor: 14.0
//   Atlantis: unknown
//   harbour took 3 readings, the highest 25.0
//   Bangor 14.0
//   Cardiff 20.0
//   Tenby 21.5
