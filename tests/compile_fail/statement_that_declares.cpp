// expect: delayed wraps a callable, and this is none
// g++ takes the statement for the declaration of a variable; clang refuses the name's second declaration itself.

#include <dally/dally.hpp>

int main() {
#ifdef DALLY_CONTROL
  auto recorded = dally::delayed([](int x) { return x; })(1);
  static_cast<void>(recorded);
#else
  static_cast<void>(dally::delayed{5});
#endif
}
