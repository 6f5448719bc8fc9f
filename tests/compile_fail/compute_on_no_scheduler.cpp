// expect: takes a scheduler, such as threads\{4\}, or compute_options

#include <dally/dally.hpp>

int main() {
  dally::lazy<int> x = 1;
#ifdef DALLY_CONTROL
  x.compute(dally::threads{4});
#else
  x.compute(4);
#endif
}
