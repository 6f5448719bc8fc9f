// expect: only 2 names provided.*while .*dally::lazy<.*decomposes into 3
// expect-clang: lazy<.*decomposes into 3 elements, but only 2 names were provided

#include <dally/dally.hpp>

#include <array>

int main() {
  auto three = dally::delayed([] { return std::array{1, 2, 3}; })();
#ifdef DALLY_CONTROL
  auto [a, b, c] = three;
#else
  auto [a, b] = three;
#endif
}
