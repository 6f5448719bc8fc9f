// expect: cannot convert .dally::lazy<bool>. to .(const )?bool.
// expect-clang: no viable conversion from 'dally::lazy<bool>' to '(const )?bool'

#include <dally/dally.hpp>

int main() {
  dally::lazy<bool> x = true;
#ifdef DALLY_CONTROL
  bool const value = x.compute();
#else
  bool const value = x;
#endif
  static_cast<void>(value);
}
