// expect: a callable whose call operator is not const.*must be copyable.*make its operator\(\) const

#include <dally/dally.hpp>

#include <memory>
#include <utility>

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed([p = std::make_unique<int>(1)](int x) { return *p + x; })(1));
#else
  static_cast<void>(dally::delayed([p = std::make_unique<int>(1)](int x) mutable { return *p += x; })(1));
#endif
}
