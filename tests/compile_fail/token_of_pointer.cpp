// expect: has_token<T>
// expect-clang: has_token<int \*>

#include <dally/dally.hpp>

int main() {
  int x = 1;
#ifdef DALLY_CONTROL
  static_cast<void>(dally::token_of(x));
#else
  static_cast<void>(dally::token_of(&x));
#endif
}
