#include "dally/core/token.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/sanitizers.hpp"

using dally::token;
using dally::token_of;

namespace {

enum class color { red, green };
enum class shade { red, green };

struct point {
  int x;
  double y;
};
struct other_point {
  int x;
  double y;
};
struct padded {
  char c;
  long long n;
};

struct base {
  int a;
};
struct derived : base {
  int b;
};
struct with_array {
  int a[2];
  int b;
};
struct with_reference {
  int a;
  int& r;
};

}  // namespace

namespace shop {
class item {
 public:
  explicit item(int number) : number_{number} {}

 private:
  friend token token_of(item const& i) { return {1, static_cast<std::uint64_t>(i.number_)}; }
  int number_;
};
class secret {
 public:
  explicit secret(int number) : number_{number} {}
  int number() const { return number_; }

 private:
  int number_;
};
}  // namespace shop

TEST_CASE("the hash is MurmurHash3_x64_128 with seed 0, however the bytes are cut", "[token]") {
  CHECK(dally::token_hash{}.digest() == token{0, 0});
  dally::token_hash hello;
  hello.add_bytes("hello", 5);
  CHECK(hello.digest() == token{0x5b1e906a48ae1d19U, 0xcbd8a7b341bd9b02U});
  std::string const fox = "The quick brown fox jumps over the lazy dog";
  dally::token_hash whole;
  whole.add_bytes(fox.data(), fox.size());
  CHECK(whole.digest() == token{0x7a433ca9c49a9347U, 0xe34bbc7bbc071b6cU});
  for (std::size_t cut = 0; cut <= fox.size(); ++cut) {
    dally::token_hash parts;
    parts.add_bytes(fox.data(), cut);
    parts.add_bytes(fox.data() + cut, fox.size() - cut);
    CHECK(parts.digest() == whole.digest());
  }
}

TEST_CASE("equal values have equal tokens, different ones different tokens", "[token]") {
  CHECK(token_of(1) == token_of(1));
  CHECK(token_of(1) != token_of(2));
  CHECK(token_of(1) != token_of(1L));
  CHECK(token_of(1) != token_of(true));
  CHECK(token_of(color::red) != token_of(color::green));
  CHECK(token_of(color::red) != token_of(shade::red));
  CHECK(token_of(std::string{"ab"}) == token_of("ab"));
  CHECK(token_of(std::vector<std::string>{"ab", "c"}) != token_of(std::vector<std::string>{"a", "bc"}));
  CHECK(token_of(std::vector<int>{}) != token_of(std::vector<double>{}));
  CHECK(token_of(std::vector<std::vector<int>>{{}}) != token_of(std::vector<std::vector<int>>{}));
  CHECK(token_of(std::optional<int>{}) != token_of(std::optional<int>{0}));
  CHECK(token_of(std::variant<int, long>{1}) != token_of(std::variant<int, long>{1L}));
  CHECK(token_of(point{1, 2}) == token_of(point{1, 2}));
  CHECK(token_of(point{1, 2}) != token_of(other_point{1, 2}));
}

TEST_CASE("floating point counts by its bits, padding not at all", "[token]") {
  CHECK(token_of(0.0) != token_of(-0.0));
  CHECK(token_of(std::nan("")) == token_of(std::nan("")));
  alignas(long double) unsigned char a[sizeof(long double)];
  alignas(long double) unsigned char b[sizeof(long double)];
  for (unsigned char& byte : a) byte = 0x00;
  for (unsigned char& byte : b) byte = 0xff;
  CHECK(token_of(*::new (a) long double{1.5L}) == token_of(*::new (b) long double{1.5L}));
  alignas(padded) unsigned char c[sizeof(padded)];
  for (unsigned char& byte : c) byte = 0xff;
  auto* const dirty = ::new (c) padded;
  dirty->c = 'x';
  dirty->n = 7;
  CHECK(token_of(*dirty) == token_of(padded{'x', 7}));
}

TEST_CASE("the order in which a hash table holds its elements does not count", "[token]") {
  std::unordered_map<int, std::string> up;
  std::unordered_map<int, std::string> down;
  down.rehash(1000);
  for (int i = 0; i < 50; ++i) up[i] = std::to_string(i);
  for (int i = 50; i-- > 0;) down[i] = std::to_string(i);
  CHECK(token_of(up) == token_of(down));
  down[7] = "seven";
  CHECK(token_of(up) != token_of(down));
}

TEST_CASE("a hash table of a hundred thousand elements has a token in good time", "[token]") {
  constexpr int size = dally::tests::sanitized ? 20'000 : 100'000;  // a quadratic sort would take minutes
  std::unordered_map<int, int> up;
  std::unordered_map<int, int> down;
  down.rehash(1'000'000);
  for (int i = 0; i < size; ++i) up[i] = i * i % 1009;
  for (int i = size; i-- > 0;) down[i] = i * i % 1009;
  CHECK(token_of(up) == token_of(down));
  ++down[size / 2];
  CHECK(token_of(up) != token_of(down));
}

TEST_CASE("tokens are sorted as std::sort sorts them", "[token]") {
  std::mt19937 random{7};
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<token> tokens(size);
    for (token& t : tokens) t = {random() % 5, random() % (size + 1)};  // some of them equal
    auto expected = tokens;
    std::sort(expected.begin(), expected.end());
    dally::detail::sort_tokens(tokens.data(), tokens.size());
    REQUIRE(tokens == expected);
  }
}

TEST_CASE("a hash table may hold equal elements, and be empty", "[token]") {
  using bag = std::unordered_multiset<std::string>;
  CHECK(token_of(bag{"a", "b", "a"}) == token_of(bag{"b", "a", "a"}));
  CHECK(token_of(bag{"a", "b", "a"}) != token_of(bag{"a", "b"}));
  CHECK(token_of(bag{"a", "b", "a"}) != token_of(bag{"a", "b", "b"}));
  CHECK(token_of(bag{}) == token_of(bag{}));
  CHECK(token_of(bag{}) != token_of(bag{""}));
}

TEST_CASE("an empty container is a value like others, and no other's", "[token]") {
  CHECK(token_of(std::string{}) == token_of(""));
  CHECK(token_of(std::vector<int>{}) == token_of(std::vector<int>{}));
  std::set<token> const different{token_of(std::string{}),
                                  token_of(std::vector<int>{}),
                                  token_of(std::vector<int>{0}),
                                  token_of(std::vector<std::string>{}),
                                  token_of(std::vector<std::string>{""}),
                                  token_of(std::vector<std::string>{"", ""}),
                                  token_of(std::tuple<>{}),
                                  token_of(std::pair{std::vector<int>{}, std::vector<int>{1}}),
                                  token_of(std::pair{std::vector<int>{1}, std::vector<int>{}})};
  CHECK(different.size() == 9);
}

TEST_CASE("an ordered container counts in its order", "[token]") {
  CHECK(token_of(std::map<int, int>{{1, 2}, {3, 4}}) == token_of(std::map<int, int>{{3, 4}, {1, 2}}));
  CHECK(token_of(std::map<int, int>{{1, 2}, {3, 4}}) != token_of(std::map<int, int>{{1, 4}, {3, 2}}));
  CHECK(token_of(std::map<int, int>{{1, 2}}) != token_of(std::map<int, int>{{2, 1}}));
  CHECK(token_of(std::multimap<int, int>{{1, 2}, {1, 3}}) != token_of(std::multimap<int, int>{{1, 3}, {1, 2}}));
  CHECK(token_of(std::vector<int>{1, 2}) != token_of(std::vector<int>{2, 1}));
}

TEST_CASE("every NaN counts by its bits, also inside of a container", "[token]") {
  auto const quiet = std::numeric_limits<double>::quiet_NaN();
  CHECK(token_of(std::vector{1.0, quiet}) == token_of(std::vector{1.0, quiet}));
  CHECK(token_of(std::vector{0.0}) != token_of(std::vector{-0.0}));
  CHECK(token_of(quiet) != token_of(std::bit_cast<double>(std::bit_cast<std::uint64_t>(quiet) + 1)));
  CHECK(token_of(std::optional{-0.0F}) != token_of(std::optional{0.0F}));
}

TEST_CASE("a type says itself what its token is, and what cannot be told for certain has none", "[token]") {
  CHECK(token_of(shop::item{5}) == token{1, 5});
  CHECK(token_of(std::vector{shop::item{5}}) != token_of(std::vector{shop::item{6}}));
  static_assert(!dally::tokenizable<shop::secret> && !dally::tokenizable<std::vector<shop::secret>>);
  static_assert(!dally::tokenizable<int*> && !dally::tokenizable<std::unique_ptr<int>>);
  static_assert(!dally::tokenizable<std::function<int()>> && !dally::tokenizable<std::mutex>);
  static_assert(!dally::tokenizable<derived> && !dally::tokenizable<with_array> && !dally::tokenizable<with_reference>);
  static_assert(dally::tokenizable<std::map<std::string, std::array<point, 2>>>);
}
