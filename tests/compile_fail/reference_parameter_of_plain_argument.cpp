// expect: non-const reference \(T&\).*pass std::ref\(v\)

#include <dally/dally.hpp>

#include <functional>

int main() {
  int x = 1;
  auto append = dally::delayed([](int& to, int by) { return to += by; });
#ifdef DALLY_CONTROL
  static_cast<void>(append(std::ref(x), 1));
#else
  static_cast<void>(append(x, 1));
#endif
}
