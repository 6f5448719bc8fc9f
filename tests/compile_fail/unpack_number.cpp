// expect: cannot decompose .*dally::lazy<int>
// expect-clang: cannot .*(decompose|bind).*dally::lazy<int>

#include <dally/dally.hpp>

#include <utility>

int main() {
  auto [quotient, rest] = dally::delayed([](int a, int b) { return std::pair{a / b, a % b}; })(7, 2);
#ifdef DALLY_CONTROL
  static_cast<void>(quotient + rest);
#else
  auto [a, b] = quotient;
#endif
}
