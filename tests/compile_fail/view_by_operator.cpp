// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <span>
#include <utility>
#include <vector>

struct rows {
  std::vector<int> cells;
  std::span<int const> operator[](int i) const { return std::span{cells}.subspan(static_cast<std::size_t>(i), 1); }
};

int main() {
  auto table = dally::delayed([] { return rows{{1, 2}}; })();
#ifdef DALLY_CONTROL
  static_cast<void>(table.then([](rows const& r) { return r[1][0]; }));
#else
  static_cast<void>(table[1]);
#endif
}
