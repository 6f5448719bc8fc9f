// expect: does not convert

#include <dally/dally.hpp>

#include <vector>

int sum(dally::refs<int> all) { return static_cast<int>(all.size()); }

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(sum)(std::vector<dally::lazy<int>>{}));
#else
  static_cast<void>(dally::delayed(sum)(std::vector<dally::lazy<long>>{}));
#endif
}
