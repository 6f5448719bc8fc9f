// expect: wait_on takes at least one lazy

#include <dally/dally.hpp>

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::wait_on(dally::lazy{1}));
#else
  static_cast<void>(dally::wait_on());
#endif
}
