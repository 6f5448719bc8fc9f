// The lesson's first example: three calls of a second each take two seconds, because two of them do not need each
// other. With an argument, the graph is written there as DOT text.

#include <dally/dally.hpp>

#include <chrono>
#include <cmath>
#include <fstream>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

int increment(int x) {
  std::this_thread::sleep_for(1s);
  return x + 1;
}

int add(int x, int y) {
  std::this_thread::sleep_for(1s);
  return x + y;
}

int main(int argc, char** argv) {
  auto x = dally::delayed(increment)(1);  // nothing runs
  auto y = dally::delayed(increment)(2);
  auto z = dally::delayed(add)(x, y);

  if (argc > 1) {
    std::ofstream file{argv[1]};
    file << dally::to_dot(z);
    file.close();
    if (!file) {
      std::cerr << "lesson: cannot write " << argv[1] << "; give the path of a file that may be written\n";
      return 2;
    }
  }

  auto start = std::chrono::steady_clock::now();
  int five = z.compute(dally::threads{2});
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << five << "\n" << std::lround(took.count()) << " s\n";
}

// Output:
//   5
//   2 s
