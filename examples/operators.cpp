// Operators on lazies record tasks too, mixed with plain values on either side. Nothing is computed before the end.

#include <dally/dally.hpp>

#include <cmath>
#include <map>
#include <string>

#include <fmt/format.h>

using dally::delayed;
using dally::lazy;

struct account {
  std::string owner;
  int balance = 0;
  int after(int years, double rate) const { return static_cast<int>(std::lround(balance * std::pow(1 + rate, years))); }
};

account open_account(std::string const& owner) { return {owner, 100}; }
std::map<int, int> squares(int n) {
  std::map<int, int> all;
  for (int i = 0; i < n; ++i) all[i] = i * i;
  return all;
}

int main() {
  lazy x = 6;  // a literal: lazy<int>
  auto y = delayed(squares)(10);

  auto polynomial = 2 * x * x - 3 * x + 1;
  fmt::print("2xx - 3x + 1: {}\n", polynomial.compute());

  auto i = x % 4;
  fmt::print("y[x % 4] and y[3]: {} {}\n", y[i].compute(), y[3].compute());

  auto in_range = 0 <= x && x < 10;  // both sides run; == and < are tasks, so maps of lazies go by x.key()
  fmt::print("0 <= x < 10: {}\n", in_range.compute());

  auto sum = x;  // a copy is a handle of the same node
  for (int k = 1; k <= 3; ++k) sum += y[k];
  fmt::print("x + 1 + 4 + 9: {}, and x is still {}\n", sum.compute(), x.compute());

  auto savings = delayed(open_account)("Ada");
  auto owner = savings->*&account::owner;
  auto later = savings.call(&account::after, 10, 0.07);
  fmt::print("{} has {} after ten years\n", owner.compute(), later.compute());

  auto root = polynomial.then([](int value) { return std::sqrt(value); });
  fmt::print("the root of the first: {:.3f}\n", root.compute());
}

// Output:
//   2xx - 3x + 1: 55
//   y[x % 4] and y[3]: 4 9
//   0 <= x < 10: true
//   x + 1 + 4 + 9: 20, and x is still 6
//   Ada has 197 after ten years
//   the root of the first: 7.416
