// expect: a recorded argument belongs to the graph and is never moved.*take T const&

#include <dally/dally.hpp>

#include <memory>
#include <string>
#include <vector>

struct crate {
  std::string label;
  std::vector<std::unique_ptr<int>> content;
};

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed([](crate const& c) { return c.content.size(); })(crate{}));
#else
  static_cast<void>(dally::delayed([](crate c) { return c.content.size(); })(crate{}));
#endif
}
