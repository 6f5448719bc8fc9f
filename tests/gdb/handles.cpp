// What gdb shows of its variables, stopped before the end, stands in handles.txt.

#include <dally/dally.hpp>

#include <string>
#include <vector>

namespace shop {
int increment(int x) { return x + 1; }
}  // namespace shop
int add(int x, int y) { return x + y; }
int sum(std::vector<int> const& values) { return values[0]; }
struct account {
  int plus(int more) const { return more; }
};

[[gnu::noinline]] void stop_here() { asm volatile(""); }

int main() {
  auto x = dally::delayed(shop::increment)(1);
  auto y = dally::delayed(shop::increment, {.name = "the \"second\""})(2);
  auto z = dally::delayed(add)(x, y);
  dally::lazy literal = 42;
  auto constant = dally::delayed(dally::fn<shop::increment>)(literal);
  auto plus = z + literal;
  auto lambda = z.then([](int v) { return v; });
  auto method = dally::delayed([] { return account{}; })().call(&account::plus, z);
  auto last = dally::delayed(sum)(std::vector{x, y, z}).after(constant);
  dally::lazy<int> empty;
  auto key = z.key();
  stop_here();
  return (plus + lambda + method + last).key() == key ? 1 : 0;
}
