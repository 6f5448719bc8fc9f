// expect: a recorded argument belongs to the graph and is never moved.*std::shared_ptr

#include <dally/dally.hpp>

#include <memory>

int main() {
#ifdef DALLY_CONTROL
  auto take = dally::delayed([](std::shared_ptr<int> p) { return *p; });
  static_cast<void>(take(std::make_shared<int>(1)));
#else
  auto take = dally::delayed([](std::unique_ptr<int> p) { return *p; });
  static_cast<void>(take(std::make_unique<int>(1)));
#endif
}
