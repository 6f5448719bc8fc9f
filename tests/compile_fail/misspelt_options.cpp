// expect-first 1: the second argument of delayed is task_options, whose members are .name, .pure, .retries
// expect-first 2: the second argument of delayed is task_options
// expect-first 3: the_compute_options_are_scheduler_observers_and_stop
// expect-clang 3: the_compute_options_are_scheduler_observers_and_stop
// expect-first-clang 3: call to deleted member function

#include <dally/dally.hpp>

int one() { return 1; }

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(one, {.retries = 3})());
  dally::delayed(one)().compute({.scheduler = dally::threads{2}});
#elif CASE == 1
  static_cast<void>(dally::delayed(one, {.retry = 3})());
#elif CASE == 2
  static_cast<void>(dally::delayed(one, "one")());
#else
  dally::delayed(one)().compute({.workers = 2});
#endif
}
