#include <dally/dally.hpp>

dally::lazy<int> doubled(dally::lazy<int> const& x);

dally::lazy<int> doubled(dally::lazy<int> const& x) {
  return dally::delayed([](int value) { return 2 * value; })(x);
}
