// expect: changes its object and returns nothing.*Return the changed object instead

#include <dally/dally.hpp>

#include <functional>
#include <memory>

struct calculator {
  int x = 1;
  void add(int n) { x += n; }
};

int main() {
  auto c = dally::delayed([] { return calculator{}; })();
#ifdef DALLY_CONTROL
  calculator mine;
  static_cast<void>(c.then([](calculator k) { return k.add(1), k; }));
  static_cast<void>(dally::delayed(&calculator::add)(std::ref(mine), 1));
  static_cast<void>(dally::delayed([] { return std::make_shared<calculator>(); })().call(&calculator::add, 1));
#else
  static_cast<void>(c.call(&calculator::add, 1));
#endif
}
