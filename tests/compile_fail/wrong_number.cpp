// expect: the function cannot be called with these arguments

#include <dally/dally.hpp>

int add(int x, int y) { return x + y; }

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(add)(1, 2));
#else
  static_cast<void>(dally::delayed(add)(1));
#endif
}
