// expect-first: too_few_arguments.*1.*0.*is unavailable: dally: the function takes more parameters than it is given

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
