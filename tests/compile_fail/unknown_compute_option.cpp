// expect: compute_options.* has no non-static data member named .workers.
// expect-clang: field designator 'workers' does not refer to any field in type .*compute_options

#include <dally/dally.hpp>

int main() {
#ifdef DALLY_CONTROL
  dally::compute_options const options{.scheduler = dally::threads{4}};
#else
  dally::compute_options const options{.workers = 4};
#endif
  dally::lazy<int>{1}.compute(options);
}
