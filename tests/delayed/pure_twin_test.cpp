// Functions of the same names as in pure_test.cpp, which asks for their calls: they are others.

#include <dally/dally.hpp>

#include <vector>

using dally::delayed;
using dally::fn;
using dally::lazy;

namespace {

struct same_name {
  int operator()(int x) const { return x - 1; }
};
int same_function(int x) { return x - 2; }
auto const same_lambda = [](int x) { return x - 3; };

}  // namespace

std::vector<lazy<int>> calls_of_the_twin_file();
std::vector<lazy<int>> calls_of_the_twin_file() {
  return {delayed(same_name{}, {.pure = true})(0), delayed(same_function, {.pure = true})(0),
          delayed(same_lambda, {.pure = true})(0), delayed(fn<same_function>, {.pure = true})(0),
          delayed([](int x) { return x - 4; }, {.pure = true})(0)};
}
