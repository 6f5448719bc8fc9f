// expect: must say how it is rebuilt: traversal<T> needs .static plain rebuild

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
#ifdef DALLY_CONTROL
  static plain rebuild(pixel const& p, auto&& value_of) { return {value_of(p.red)}; }
#endif
  static void each(pixel const& p, auto&& visit) { visit(p.red); }
};

int main() {
  static_cast<void>(dally::delayed([](plain_pixel const& p) { return p.red; })(pixel{1}));
}
