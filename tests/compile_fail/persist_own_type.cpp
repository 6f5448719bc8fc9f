// expect: each\(auto& value, auto&& visit\)

#include <dally/dally.hpp>

struct cell {
  dally::lazy<int> value;
};

template <>
struct dally::traversal<cell> {
  using plain = int;
  static int rebuild(cell const& c, auto&& value_of) { return value_of(c.value); }
#ifdef DALLY_CONTROL
  static void each(auto& c, auto&& visit) { visit(c.value); }
#else
  static void each(cell const& c, auto&& visit) { visit(c.value); }
#endif
};

int main() { static_cast<void>(dally::persist(cell{1})); }
