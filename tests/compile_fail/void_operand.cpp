// expect-first: a lazy<void> has no value and is no argument.*\.after\(it\)

#include <dally/dally.hpp>

int main() {
  auto nothing = dally::delayed([] {})();
#ifdef DALLY_CONTROL
  static_cast<void>(nothing.then([] { return 1; }) + 1);
#else
  static_cast<void>(nothing + 1);
#endif
}
