// expect: no matching function for call to .flatten.*lazy<lazy<T> ?>

#include <dally/dally.hpp>

int main() {
#ifdef DALLY_CONTROL
  auto x = dally::delayed([] { return dally::lazy{1}; })();
#else
  auto x = dally::delayed([] { return 1; })();
#endif
  static_cast<void>(dally::flatten(x));
}
