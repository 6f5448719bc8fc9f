// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <span>
#include <vector>

int main() {
  dally::lazy<std::vector<int>> all = std::vector{1, 2, 3};
  auto head = [](std::vector<int> const& v) { return std::span{v}.first(1); };
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(head, {.name = "head", .borrows = true})(all));
#else
  static_cast<void>(dally::delayed(head, {.name = "head"})(all));
#endif
}
