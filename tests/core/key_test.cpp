#include <dally/dally.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "support/catch2.hpp"

using dally::key;

TEST_CASE("keys are ordered by name, then by their bits", "[key]") {
  std::vector<key> const ascending{
      key{},       {"", 0, 1},      {"", 1, 0},    {"a", 0, 0}, {"a", 0, ~0ULL},
      {"a", 1, 0}, {"a", ~0ULL, 0}, {"add", 0, 0}, {"b", 0, 0}, {std::string{"b\0", 2}, 0, 0},
      {"ba", 5, 5}};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      CAPTURE(i, j);
      CHECK((ascending[i] <=> ascending[j]) == (i <=> j));
      CHECK((ascending[i] == ascending[j]) == (i == j));
      CHECK((ascending[i] < ascending[j]) == (i < j));
    }
  }
  static_assert(std::three_way_comparable<key, std::strong_ordering>);
}

TEST_CASE("equal keys have equal hashes, and many different ones few equal", "[key]") {
  std::hash<key> const hash;
  CHECK(hash(key{"f", 1, 2}) == hash(key{"f", 1, 2}));
  std::set<std::size_t> hashes;
  for (std::uint64_t high = 0; high < 100; ++high) {
    for (std::uint64_t low = 0; low < 100; ++low) hashes.insert(hash(key{"f", high, low}));
  }
  CHECK(hashes.size() > 9'990);
  std::unordered_map<key, int> by_hash{{key{"a", 1, 1}, 1}, {key{"b", 1, 1}, 2}};
  CHECK(by_hash.at(key{"a", 1, 1}) == 1);
  CHECK(by_hash.at(key{"b", 1, 1}) == 2);
  static_assert(std::is_nothrow_invocable_v<std::hash<key>, key const&>);
}

TEST_CASE("a key is written as its name, a dash and 32 digits", "[key]") {
  CHECK(to_string(key{"increment", 0x0123456789abcdef, 0xfedcba9876543210}) ==
        "increment-0123456789abcdeffedcba9876543210");
  CHECK(to_string(key{}) == "-" + std::string(32, '0'));
  key const k{"add", 1, 15};
  CHECK(fmt::format("{}", k) == to_string(k));
  CHECK(k.name() == "add");
  CHECK(k.high() == 1);
  CHECK(k.low() == 15);
}
