// expect: collect takes a range or a tuple of lazies

#include <dally/dally.hpp>

#include <vector>

int main() {
  std::vector<int> const values{1, 2};
  dally::lazy<int> x = 1;
#ifdef DALLY_CONTROL
  static_cast<void>(dally::collect(std::vector{x, x}));
#else
  static_cast<void>(dally::collect(values));
#endif
}
