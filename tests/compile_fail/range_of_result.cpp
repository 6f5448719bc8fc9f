// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <ranges>
#include <utility>
#include <vector>

int main() {
  auto const next = [](int x) { return x + 1; };
  dally::lazy<std::vector<int>> all = std::vector{1, 2, 3};
#ifdef DALLY_CONTROL
  static_cast<void>(all.then([next](std::vector<int> v) { return std::move(v) | std::views::transform(next); }));
#else
  static_cast<void>(all.then([next](std::vector<int> const& v) { return v | std::views::transform(next); }));
#endif
}
