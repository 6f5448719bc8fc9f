// A legacy function that now and then takes its process down: on `processes` it takes a worker, the task runs again,
// and what crashes each time is an exception that says which task it was.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>

using dally::delayed;
using dally::processes;

/// Thirty years old. Nobody knows why it does not like 13.
int legacy(int x) {
  if (x == 13) std::abort();
  return x * x;
}

int sum(std::vector<int> const& values) {
  int total = 0;
  for (int const v : values) total += v;
  return total;
}

int main() {
  auto careful = delayed(legacy, {.name = "legacy", .crash_retries = 1});

  std::vector<dally::lazy<int>> squares;
  for (int i = 0; i < 13; ++i) squares.push_back(careful(i));
  fmt::print("without 13: {}\n", delayed(sum)(squares).compute(processes{2}));

  squares.push_back(careful(13));
  try {
    delayed{sum}(squares).compute(processes{2});
  } catch (dally::killed_worker const& e) {
    fmt::print("with it: \"{}\" ended its worker {} times, by signal {}\n", e.task(), e.attempts(), e.death().number);
  }

  // The program, the graph and the scheduler are as good as before.
  fmt::print("7 squared: {}\n", careful(7).compute(processes{2}));
}

// Output:
//   without 13: 650
//   with it: "legacy" ended its worker 2 times, by signal 6
//   7 squared: 49
