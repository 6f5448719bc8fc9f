// expect-first: argument_does_not_convert.*1.*int.*basic_string.*convert it in a lambda

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
