// expect: returns an expression of parameters that it takes by value

#include <dally/dally.hpp>

#include <valarray>

using reals = std::valarray<double>;

int main() {
  dally::lazy<reals> a = reals{1, 2};
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed([](auto const& x, auto const& y) { return x + y; })(a, a));
#else
  static_cast<void>(dally::delayed([](auto x, auto y) { return x + y; })(a, a));
#endif
}
