// expect: a lazy has no value yet: compute\(\) it first

#include <dally/dally.hpp>

int main() {
  dally::lazy<int> x = 1, y = 2;
#ifdef DALLY_CONTROL
  while ((x == y).compute()) return 1;
#else
  while (x == y) return 1;
#endif
}
