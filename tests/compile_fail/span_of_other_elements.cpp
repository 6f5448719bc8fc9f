// expect: the elements of a result are read through a std::span<T const> of their own type

#include <dally/dally.hpp>

#include <span>
#include <vector>

std::vector<double> make(int size) { return std::vector<double>(static_cast<std::size_t>(size)); }
#ifdef DALLY_CONTROL
double first(std::span<double const> all) { return all[0]; }
#else
double first(std::span<double> all) { return all[0]; }
#endif

int main() {
  auto x = dally::delayed(first)(dally::delayed(make)(3));
  static_cast<void>(x);
}
