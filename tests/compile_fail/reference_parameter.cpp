// expect: non-const reference \(T&\).*pass std::ref\(v\)

#include <dally/dally.hpp>

#include <functional>

int append(int& to) { return ++to; }

int main() {
  int x = 1;
  dally::lazy<int> y = 1;
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(append)(std::ref(x)));
  static_cast<void>(y);
#else
  static_cast<void>(dally::delayed(append)(y));
  static_cast<void>(x);
#endif
}
