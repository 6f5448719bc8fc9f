#include <cstdio>

#include "summing.hpp"

int main() {
  dally::lazy const x = sum_header_only(dally::lazy{1}, sum_compiled(dally::lazy{2}, dally::lazy{3}));
  std::printf("dally %d.%d.%d: %d\n", DALLY_VERSION_MAJOR, DALLY_VERSION_MINOR, DALLY_VERSION_PATCH, x.compute());
}
