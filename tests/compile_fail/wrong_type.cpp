// expect: the function cannot be called with these arguments

#include <dally/dally.hpp>

#include <string>

int length(std::string const& s) { return static_cast<int>(s.size()); }

int main() {
  dally::lazy<int> x = 1;
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(length)("text"));
  static_cast<void>(x);
#else
  static_cast<void>(dally::delayed(length)(x));
#endif
}
