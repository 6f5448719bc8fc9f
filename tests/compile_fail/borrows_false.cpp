// expect: leave_out_what_is_false

#include <dally/dally.hpp>

int twice(int x) { return 2 * x; }

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(twice, {.borrows = true})(1));
#else
  static_cast<void>(dally::delayed(twice, {.borrows = false})(1));
#endif
}
