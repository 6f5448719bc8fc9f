// What goes wrong, and how it arrives: a task's exception as itself, with the task's name in last_failure; what dally
// refuses as an exception under dally::error, before anything runs.

#include <dally/dally.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

using dally::delayed;

struct no_such_reading : std::runtime_error {
  explicit no_such_reading(int wanted) : runtime_error{fmt::format("no reading {}", wanted)}, number{wanted} {}
  int number;
};

double reading(int number) {
  if (number == 3) throw no_such_reading{number};
  return number / 10.0;
}

using owner = std::unique_ptr<int>;
owner make(int value) { return std::make_unique<int>(value); }
int take(owner p) { return *p; }

int main() {
  std::vector<dally::lazy<double>> readings;
  for (int i = 0; i < 5; ++i) readings.push_back(delayed(reading, {.name = fmt::format("reading {}", i)})(i));
  auto total = dally::tree_reduce(readings, std::plus{});
  try {
    total.compute(dally::threads{2});
  } catch (no_such_reading const& e) {  // its own type, with all that it carries
    auto task = dally::last_failure().value();
    auto file = std::filesystem::path{task.place.file_name()}.filename().string();
    fmt::print("{} (number {}), thrown by \"{}\", wrapped at {}:{}\n", e.what(), e.number, task.name, file,
               task.place.line());
  }
  // The graph and the threads are as good as before.
  fmt::print("the others: {:.1f}\n", (readings[0] + readings[1] + readings[2] + readings[4]).compute());

  try {  // a move-only result has room for one by-value consumer
    auto p = delayed(make)(7);
    (p.then(take) + p.then(take)).compute();
  } catch (dally::graph_error const& e) {
    fmt::print("graph_error: {}\n", e.what());
  }

  try {
    total.visualize("total.jpeg");
  } catch (dally::config_error const& e) {
    fmt::print("config_error: {}\n", e.what());
  }
}

// Output:
//   no reading 3 (number 3), thrown by "reading 3", wrapped at errors.cpp:...
//   the others: 0.7
//   graph_error: the move-only result of "make" (errors.cpp:...) is taken by value by "take" and by "take" ...
//   config_error: "total.jpeg": the suffix says the format; allowed are .dot, .gv, .svg, .png, .pdf
