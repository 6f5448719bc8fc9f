// expect: takes a scheduler, such as threads\{4\}, or compute_options

#include <dally/dally.hpp>

int main() {
  dally::thread_pool pool{2};
  dally::lazy<int> x = 1;
#ifdef DALLY_CONTROL
  x.compute(dally::threads{pool});
#else
  x.compute(pool);
#endif
}
