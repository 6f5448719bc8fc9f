// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <map>

int main() {
  dally::lazy<std::map<int, int>> all = std::map<int, int>{};
#ifdef DALLY_CONTROL
  static_cast<void>(all.then([](std::map<int, int> const& m) { return m.begin() == m.end(); }));
#else
  static_cast<void>(all.then([](std::map<int, int> const& m) { return m.begin(); }));
#endif
}
