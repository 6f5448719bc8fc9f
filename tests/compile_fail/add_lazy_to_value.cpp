// expect: no match for .operator\+=. \(operand types are .int. and .dally::lazy<int>.\)
// expect-clang: assigning to 'int' from incompatible type 'dally::lazy<int>'|invalid operands.*'dally::lazy<int>'

#include <dally/dally.hpp>

int main() {
  dally::lazy<int> x = 1;
#ifdef DALLY_CONTROL
  dally::lazy<int> total = 0;
#else
  int total = 0;
#endif
  total += x;
}
