// expect: an unpacked element is copied, so its type must be copyable

#include <dally/dally.hpp>

#include <memory>
#include <utility>

int main() {
  using pair = std::pair<std::unique_ptr<int>, int>;
  auto made = dally::delayed([] { return pair{std::make_unique<int>(1), 2}; })();
#ifdef DALLY_CONTROL
  static_cast<void>(made.then([](pair const& p) { return *p.first + p.second; }));
#else
  auto [box, number] = made;
#endif
}
