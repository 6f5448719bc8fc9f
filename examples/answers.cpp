// The lesson's exercise: a hundred increments and their sum. Answer 1 adds the results one after the other, answer 2
// hands them all to one call; both overlap the increments.

#include <dally/dally.hpp>

#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include <fmt/format.h>

int increment(int x) {
  std::this_thread::sleep_for(std::chrono::milliseconds{10});
  return x + 1;
}

int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }

void show(char const* answer, dally::lazy<int> const& total) {
  auto start = std::chrono::steady_clock::now();
  int value = total.compute(dally::threads{4});
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print("{}: {} in {:.2f} s, one after the other at least 1 s\n", answer, value, took.count());
}

int main() {
  std::vector<dally::lazy<int>> output;
  for (int i = 0; i < 100; ++i) output.push_back(dally::delayed(increment)(i));

  show("answer 1", std::accumulate(output.begin(), output.end(), dally::lazy{0}));
  show("answer 2", dally::delayed(sum)(output));
}

// Output:
//   answer 1: 5050 in 0... s, one after the other at least 1 s
//   answer 2: 5050 in 0... s, one after the other at least 1 s
