#include <dally/dally.hpp>

#include <chrono>
#include <iostream>
#include <thread>
using namespace std::chrono;

int increment(int x) {
  std::this_thread::sleep_for(seconds{1});
  return x + 1;
}
int add(int x, int y) {
  std::this_thread::sleep_for(seconds{1});
  return x + y;
}

int main() {
  auto z = dally::delayed(add)(dally::delayed(increment)(1), dally::delayed(increment)(2));  // nothing runs yet
  z.visualize("z.dot");
  auto start = steady_clock::now();
  std::cout << z.compute(dally::threads{2}) << " in " << (steady_clock::now() - start) / seconds{1} << " s\n";
}

// Output:
//   5 in 2 s
