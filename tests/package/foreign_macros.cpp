// Headers of other libraries define macros in small letters and common words; dally included behind them compiles, and
// means the same. Not those that the standard library's headers do not bear: min, max, abs, check, refresh.
// Function-like ones matter only where the name is followed by a parenthesis.

// Qt
#define slots
#define signals public
#define emit
#define foreach(variable, container) for (variable : container)
#define forever for (;;)
#define Q_OBJECT

// X11
#define Bool int
#define None 0L
#define Status int
#define True 1
#define False 0
#define Always 2
#define Success 0
#define Complex 0
#define Convex 2
#define CurrentTime 0L
#define Above 0
#define Below 1
#define Unsorted 0
#define KeyPress 2
#define FocusIn 9
#define Opposite 4
#define Absolute 1
#define GrayScale 1

// Windows, and what is like it
#define near
#define far
#define small char
#define interface struct
#define ERROR 0
#define IN
#define OUT
#define OPTIONAL
#define DELETE 0x10000L
#define TRUE 1
#define FALSE 0
#define STRICT 1
#define IGNORE 0
#define DIFFERENCE 11

// The system's and compilers' own
#undef unix
#undef linux
#define unix 1
#define linux 1
#define major(device) gnu_dev_major(device)
#define minor(device) gnu_dev_minor(device)
#define makedev(a, b) gnu_dev_makedev(a, b)

// Assertions
#define require(condition) static_cast<void>(condition)
#define CHECK(condition) static_cast<void>(condition)
#define ASSERT(condition) static_cast<void>(condition)

// Arduino, curses
#define B0 0
#define DEC 10
#define HEX 16
#define HIGH 1
#define LOW 0
#define INPUT 0
#define OUTPUT 1
#define PI 3.14159
#define bit(b) (1UL << (b))
#define constrain(x, low, high) ((x) < (low) ? (low) : (x))
#define getch() wgetch(stdscr)
#define timeout(delay) wtimeout(stdscr, delay)

// Logging
#define DEBUG 1
#define INFO 2
#define WARN 3
#define FATAL 4
#define LOG(text) static_cast<void>(text)

// Letters behind an underscore, which a C library's <ctype.h> may take
#define _N 04
#define _B 0200
#define _C 040
#define _P 020
#define _S 010
#define _U 01
#define _X 0100
#define _L 02

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <numeric>
#include <vector>
#ifdef DALLY_GRAPHVIZ
#include <dally/visualize.hpp>
#endif

int increment(int x) { return x + 1; }
int total(std::vector<int> const& all) { return std::accumulate(all.begin(), all.end(), 0); }

int main() {
  dally::delayed const task{increment, {.name = "increment", .pure = true}};
  std::vector<dally::lazy<int>> all;
  for (int i = 0; i < 10; ++i) all.push_back(task(i));
  dally::lazy<int> const sum = dally::delayed(total)(all) + 1;
  return sum.compute() == 56 && sum.compute(dally::processes{1}) == 56 ? 0 : 1;
}
