// expect-first: too_few_arguments.*2.*1.*default arguments.*wrap the call in a lambda

#include <dally/dally.hpp>

int add(int x, int y) { return x + y; }

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(add)(1, 2));
#else
  static_cast<void>(dally::delayed(add)(1));
#endif
}
