// expect: a lazy has no value yet: compute\(\) it first

#include <dally/dally.hpp>

int main() {
  dally::lazy<bool> x = true;
#ifdef DALLY_CONTROL
  return x.compute() ? 1 : 2;
#else
  return x ? 1 : 2;
#endif
}
