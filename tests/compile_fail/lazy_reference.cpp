// expect: a lazy value has a plain type: lazy<int>, not lazy<int&>

#include <dally/dally.hpp>

int main() {
#ifdef DALLY_CONTROL
  dally::lazy<int> x;
  static_cast<void>(x);
#else
  dally::lazy<int&> x;
  static_cast<void>(x);
#endif
}
