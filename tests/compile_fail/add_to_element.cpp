// expect: cannot bind non-const lvalue reference of type .dally::lazy<
// expect-clang: expects an lvalue for 1st argument

#include <dally/dally.hpp>

#include <vector>

int main() {
  dally::lazy<std::vector<int>> x = std::vector{1, 2};
#ifdef DALLY_CONTROL
  auto first = x[0];
  first += 5;
#else
  x[0] += 5;
#endif
}
