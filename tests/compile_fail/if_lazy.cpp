// expect: a lazy has no value yet: compute\(\) it first

#include <dally/dally.hpp>

int main() {
  dally::lazy<bool> x = true;
#ifdef DALLY_CONTROL
  if (x.compute()) return 1;
#else
  if (x) return 1;
#endif
}
