#include <dally/dally.hpp>

#include <cstdio>

int add(int x, int y) { return x + y; }

int main() {
  auto sum = dally::delayed(add)(dally::delayed(add)(1, 2), 3);
  std::printf("dally %s: %d\n", dally::version, sum.compute());
}
