// What libraries bring to a process and take away again.

#include <dally/core/process_list.hpp>

#include <memory>
#include <vector>

#include "support/catch2.hpp"

namespace {

using numbers = dally::process_list<int>;

std::vector<int> read(numbers const& list) {
  std::vector<int> all;
  for (int const number : list) all.push_back(number);
  return all;
}

}  // namespace

TEST_CASE("a process's list holds what is alive, the newest first", "[process_list]") {
  static constinit numbers list;
  CHECK(list.empty());
  auto one = std::make_unique<numbers::entry const>(list, 1);
  auto two = std::make_unique<numbers::entry const>(list, 2);
  auto three = std::make_unique<numbers::entry const>(list, 3);
  CHECK(read(list) == std::vector{3, 2, 1});
  two.reset();
  CHECK(read(list) == std::vector{3, 1});
  three.reset();
  CHECK(read(list) == std::vector{1});
  auto four = std::make_unique<numbers::entry const>(list, 4);
  CHECK(read(list) == std::vector{4, 1});
  one.reset();
  CHECK(read(list) == std::vector{4});
  four.reset();
  CHECK(list.empty());
}
