// expect: takes a scheduler, such as threads\{4\}, or compute_options

#include <dally/dally.hpp>

int main() {
  dally::lazy<int> x = 1;
#ifdef DALLY_CONTROL
  static_cast<void>(x.persist(dally::threads{4}));
#else
  static_cast<void>(x.persist(4));
#endif
}
