// expect: looser exception specification
// expect-clang: exception specification of overriding function is more lax than base version

#include <dally/dally.hpp>

#ifdef DALLY_CONTROL
#define QUIET noexcept
#else
#define QUIET
#endif

struct watcher : dally::observer {
  void task_started(dally::run const&, dally::node_id, unsigned) QUIET override {}
};

int main() {
  watcher w;
  dally::lazy<int>{1}.compute({.observers = {&w}});
}
