// expect: a lazy has no elements yet: compute\(\) it first

#include <dally/dally.hpp>

#include <vector>

int main() {
  dally::lazy<std::vector<int>> x = std::vector{1, 2};
#ifdef DALLY_CONTROL
  for (int i : x.compute()) static_cast<void>(i);
#else
  for (int i : x) static_cast<void>(i);
#endif
}
