// expect: a recorded argument belongs to the graph and is never moved.*take T const&

#include <dally/dally.hpp>

#include <memory>
#include <vector>

int main() {
  using boxes = std::vector<std::unique_ptr<int>>;
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed([](boxes const& b) { return b.size(); })(boxes(3)));
#else
  static_cast<void>(dally::delayed([](boxes b) { return b.size(); })(boxes(3)));
#endif
}
