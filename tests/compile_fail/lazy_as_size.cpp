// expect: no matching function for call to .*vector<int>.*dally::lazy<
// expect-clang: no matching constructor for initialization of '(const )?std::vector<int>'

#include <dally/dally.hpp>

#include <cstddef>
#include <vector>

int main() {
  dally::lazy<std::size_t> x = std::size_t{3};
#ifdef DALLY_CONTROL
  std::vector<int> const v(x.compute());
#else
  std::vector<int> const v(x);
#endif
  static_cast<void>(v);
}
