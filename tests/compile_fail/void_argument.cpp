// expect-first: a lazy<void> has no value and is no argument.*\.after\(it\)

#include <dally/dally.hpp>

int main() {
  auto nothing = dally::delayed([] {})();
#ifdef DALLY_CONTROL
  static_cast<void>(nothing.then([] { return 1; }));
#else
  static_cast<void>(dally::delayed([](auto const&...) { return 1; })(nothing));
#endif
}
