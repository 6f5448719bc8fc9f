// expect: the function cannot be called with these arguments

#include <dally/dally.hpp>

struct account {
  int balance = 0;
  int after(int deposit) const { return balance + deposit; }
};

int main() {
  dally::lazy<account> x = account{};
#ifdef DALLY_CONTROL
  static_cast<void>(x.call(&account::after, 5));
#else
  static_cast<void>(x.call(&account::after));
#endif
}
