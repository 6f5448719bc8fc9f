// expect: must say where they are: traversal<T> needs .static void each

#include <dally/dally.hpp>

struct plain_pixel {
  int red = 0;
};
struct pixel {
  dally::lazy<int> red;
};

template <>
struct dally::traversal<pixel> {
  using plain = plain_pixel;
  static plain rebuild(pixel const& p, auto&& value_of) { return {value_of(p.red)}; }
#ifdef DALLY_CONTROL
  static void each(pixel const& p, auto&& visit) { visit(p.red); }
#endif
};

int main() {
  static_cast<void>(dally::delayed([](plain_pixel const& p) { return p.red; })(pixel{1}));
}
