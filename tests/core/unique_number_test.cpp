// Numbers that no two copies of the library draw alike.

#include <dally/core/unique_number.hpp>

#include <cstdint>
#include <set>

#include "support/catch2.hpp"

TEST_CASE("numbers differ for objects that are there at one time, and for one object at two", "[unique_number]") {
  static char objects[1000];
  std::set<std::uint64_t> drawn{0};
  for (char const& object : objects) drawn.insert(dally::unique_number(&object));
  CHECK(drawn.size() == 1001);
  auto const first = dally::unique_number(&objects[0]);
  auto again = first;
  for (int i = 0; i < 1'000'000 && again == first; ++i) again = dally::unique_number(&objects[0]);  // the clock goes on
  CHECK(again != first);
}

TEST_CASE("scrambling keeps different numbers different", "[unique_number]") {
  std::set<std::uint64_t> scrambled;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    scrambled.insert(dally::scrambled(i));
    scrambled.insert(dally::scrambled(i << 50));
  }
  CHECK(scrambled.size() == 1999);
}
