// expect-first 1: cannot be passed by its name alone: wrap the call in a lambda.*fn<static_cast<R
// expect-first 2: cannot be passed by its name alone: wrap the call in a lambda.*fn<static_cast<R
// expect-first 3: cannot be passed by its name alone.*static_cast<R \(S::\*\)\(Args\) const>
// expect-first 4: cannot be passed by its name alone: wrap the call in a lambda
// expect-first 5: cannot be passed by its name alone: wrap the call in a lambda
// expect-first 6: cannot be passed by its name alone: wrap the call in a lambda
// expect-first 7: cannot be passed by its name alone: wrap the call in a lambda
// expect-first 8: cannot be passed by its name alone: wrap the call in a lambda
// expect-first 9: cannot be passed by its name alone: wrap the call in a lambda

#include <dally/dally.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

template <class T>
T twice(T x) {
  return x + x;
}

int main() {
  using dally::delayed;
  dally::lazy<double> const x = 4.0;
  dally::lazy<std::string> const text = std::string{"hello"};
  std::vector<dally::lazy<double>> const all(3, x);
#ifdef DALLY_CONTROL
  static_cast<void>(delayed([](double v) { return std::sqrt(v); })(x));
  static_cast<void>(delayed(dally::fn<static_cast<double (*)(double)>(std::sqrt)>)(x));
  static_cast<void>(delayed(twice<double>)(x));
  static_cast<void>(text.call(
      static_cast<std::size_t (std::string::*)(char, std::size_t) const noexcept>(&std::string::find), 'h', 0));
  static_cast<void>(dally::tree_reduce(all, [](double a, double b) { return std::max(a, b); }));
#elif CASE == 1
  static_cast<void>(delayed(std::sqrt)(x));
#elif CASE == 2
  static_cast<void>(delayed(twice)(x));
#elif CASE == 3
  static_cast<void>(text.call(&std::string::find, 'h', 0));
#elif CASE == 4
  static_cast<void>(x.then(std::sqrt));
#elif CASE == 5
  static_cast<void>(delayed(std::sqrt, {.name = "root"})(x));
#elif CASE == 6
  static_cast<void>(dally::pure::delayed(std::sqrt)(x));
#elif CASE == 7
  static_cast<void>(dally::map(std::sqrt, std::vector{1.0}));
#elif CASE == 8
  static_cast<void>(dally::tree_reduce(all, std::max));
#else
  static_cast<void>(text->*&std::string::find);
#endif
}
