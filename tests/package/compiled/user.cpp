// Compiled with DALLY_COMPILED. `compiled processes` runs the graph in other processes as well.
#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <stdexcept>
#include <string>
#include <tuple>

dally::lazy<int> doubled(dally::lazy<int> const& x);

int main(int argc, char**) {
  auto const add = dally::delayed([](int a, int b) {
    if (b > 1'000) throw std::out_of_range{"too much"};
    return a + b;
  });
  dally::lazy<int> sum{0};
  for (int i = 1; i <= 1'000; ++i) sum = add(sum, i);
  auto const answer = doubled(sum);

  if (answer.compute() != 1'001'000) return 1;
  if (answer.compute(dally::synchronous{}) != 1'001'000) return 2;
  if (answer.compute(dally::threads{2}) != 1'001'000) return 3;
  if (dally::compute({.scheduler = dally::shuffled{1}}, answer, sum) != std::tuple{1'001'000, 500'500}) return 4;
  if (argc > 1 && answer.compute(dally::processes{2}) != 1'001'000) return 5;
  if (dally::to_dot(answer).find("digraph") == std::string::npos) return 6;
  try {
    static_cast<void>(add(sum, 1'001).compute());
    return 7;
  } catch (std::out_of_range const&) {
  }
  try {
    static_cast<void>(dally::scheduler_by_name("nobody"));
    return 8;
  } catch (dally::config_error const&) {
    return 0;
  }
}
