#include "parts.hpp"

#include <functional>

dally::lazy<int> parts::sum_of(std::vector<dally::lazy<int>> const& all) {
  return dally::tree_reduce(all, std::plus{});
}
