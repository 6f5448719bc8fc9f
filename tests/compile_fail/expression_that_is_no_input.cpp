// expect: result must not refer to what the task was given.*dally::owned_result

#include <dally/dally.hpp>

#include <vector>

struct product {
  std::vector<int> const& a;
  std::vector<int> const& b;
  double value() const { return a[0] * b[0]; }
};

#ifdef DALLY_CONTROL
template <>
struct dally::owned_result<product> {
  using type = double;
  static double own(product const& p) { return p.value(); }
};
#endif

int main() {
  dally::lazy<std::vector<int>> all = std::vector{1, 2, 3};
  static_cast<void>(all.then([](std::vector<int> const& v) { return product{v, v}; }));
}
