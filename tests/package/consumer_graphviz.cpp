#include <dally/dally.hpp>
#include <dally/visualize.hpp>

#include <cstdio>
#include <string>

int add(int x, int y) { return x + y; }

int main(int, char** arguments) {
  auto sum = dally::delayed(add)(dally::delayed(add)(1, 2), 3);
  sum.visualize(std::string{arguments[0]} + ".svg");
  std::printf("dally %s: %d\n", dally::version, sum.compute());
}
