// A function that is said to be pure is called once for equal arguments, however often its calls were recorded.

#include <dally/dally.hpp>

#include <atomic>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

using dally::delayed;

std::atomic<int> calls = 0;

int slow_square(int x) {
  ++calls;
  return x * x;
}

int difference(int a, int b) {
  ++calls;
  return a - b;
}

// Equal when their elements are: numbers, strings, containers, and aggregates of such have tokens already.
struct place {
  int east, north;
};
int height(place const& p) { return 3 * p.east + p.north; }

// A class says itself what makes two of its values equal; token_of is found by argument-dependent lookup.
class polynomial {
 public:
  explicit polynomial(std::vector<int> coefficients) : coefficients_{std::move(coefficients)} {}
  int at(int x) const {
    return std::accumulate(coefficients_.begin(), coefficients_.end(), 0, [x](int sum, int c) { return sum * x + c; });
  }
  friend dally::token token_of(polynomial const& p) { return dally::token_of(p.coefficients_); }

 private:
  std::vector<int> coefficients_;
};

int count(std::function<bool(int)> const& wanted) { return wanted(1) + wanted(2); }

int main() {
  auto run = [](char const* what, auto const& x) {
    calls = 0;
    auto value = x.compute();
    fmt::print("{}: {} in {} calls\n", what, value, calls.load());
  };
  auto impure = delayed(slow_square);
  run("as recorded", impure(3) + impure(3) + impure(4));

  auto pure = delayed(slow_square, {.pure = true});
  run("pure", pure(3) + pure(3) + pure(4));

  // Equal calls have equal keys, also further down the graph.
  auto apart = delayed(difference, {.pure = true});
  auto a = apart(pure(5), pure(4)), b = apart(pure(5), pure(4));
  fmt::print("equal keys: {} {}\n", a.key() == b.key(), a.key() == apart(pure(4), pure(5)).key());
  run("nested", a * b);

  auto steep = delayed(height, {.pure = true});
  fmt::print("one place: {}\n", dally::same_node(steep(place{2, 1}), steep(place{2, 1})));
  auto value = delayed(&polynomial::at, {.pure = true});
  fmt::print("one polynomial: {}\n", dally::same_node(value(polynomial{{1, 2}}, 3), value(polynomial{{1, 2}}, 3)));

  try {  // what a std::function does, nobody can compare
    auto never = delayed(count, {.pure = true})(std::function{[](int x) { return x > 1; }});
  } catch (dally::config_error const& e) {
    fmt::print("config_error: {}\n", e.what());
  }
}

// Output:
//   as recorded: 34 in 3 calls
//   pure: 34 in 2 calls
//   equal keys: true false
//   nested: 81 in 3 calls
//   one place: true
//   one polynomial: true
//   config_error: a pure call needs a token of each argument, and there is none for the type ...
