// expect: a recorded value cannot be assigned to: let a task make the changed one

#include <dally/dally.hpp>

#include <vector>

int main() {
  dally::lazy<std::vector<int>> x = std::vector{1, 2};
#ifdef DALLY_CONTROL
  x = x.then([](std::vector<int> v) {
    v[0] = 5;
    return v;
  });
#else
  x[0] = 5;
#endif
}
