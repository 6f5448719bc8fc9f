// expect: task_options.* has no non-static data member named .label.
// expect-clang: field designator 'label' does not refer to any field in type .*task_options

#include <dally/dally.hpp>

int one() { return 1; }

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(one, dally::task_options{.name = "first"})());
#else
  static_cast<void>(dally::delayed(one, dally::task_options{.label = "first"})());
#endif
}
