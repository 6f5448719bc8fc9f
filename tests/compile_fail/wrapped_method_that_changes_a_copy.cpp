// expect: changes its object and returns nothing

#include <dally/dally.hpp>

#include <functional>

struct calculator {
  int x = 1;
  void add(int n) noexcept { x += n; }
  int next(int n) { return x += n; }
};

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(std::mem_fn(&calculator::next))(calculator{}, 1));
#else
  static_cast<void>(dally::delayed(std::mem_fn(&calculator::add))(calculator{}, 1));
#endif
}
