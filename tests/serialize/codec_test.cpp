#include "dally/serialize/codec.hpp"

#include <array>
#include <bit>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <fstream>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/random_graphs.hpp"

using dally::archive_error;
using dally::archive_reader;
using dally::archive_writer;
using dally::serializable;

namespace {

// ---- what tests use -------------------------------------------------------------------------------------------------

template <class T>
std::vector<std::byte> bytes_of(T const& value) {
  archive_writer counting;
  counting.add(value);
  std::vector<std::byte> bytes(counting.size());
  archive_writer out{bytes.data(), bytes.size()};
  out.add(value);
  CHECK(out.size() == bytes.size());
  CHECK(out.fitted());
  return bytes;
}

template <class T>
T value_of(std::vector<std::byte> const& bytes) {
  archive_reader in{bytes.data(), bytes.size()};
  T value = in.read<T>();
  CHECK(in.left() == 0);
  return value;
}

template <class T>
T round_trip(T const& value) {
  return value_of<T>(bytes_of(value));
}

/// The largest piece of memory that `limited` containers have asked for.
std::size_t largest_allocation = 0;

template <class T>
struct limited {
  using value_type = T;
  limited() = default;
  template <class U>
  limited(limited<U> const&) {}
  T* allocate(std::size_t n) {
    largest_allocation = std::max(largest_allocation, n * sizeof(T));
    return std::allocator<T>{}.allocate(n);
  }
  void deallocate(T* p, std::size_t n) { std::allocator<T>{}.deallocate(p, n); }
  friend bool operator==(limited const&, limited const&) = default;
};

// ---- types of users -------------------------------------------------------------------------------------------------

enum class color : std::uint8_t { red, green };
enum plain_enum { first, second };
enum class yes_or_no : bool { no, yes };

struct point {
  int x;
  int y;
  friend bool operator==(point const&, point const&) = default;
};
struct padded {
  char c;
  long long n;
  friend bool operator==(padded const&, padded const&) = default;
};
struct flagged {
  bool a;
  bool b;
};
struct record {
  int id;
  double weight;
  std::string name;
  std::vector<int> counts;
  std::map<std::string, double> table;
  friend bool operator==(record const&, record const&) = default;
};
struct with_arrays {
  char text[16];
  std::string names[2][2];
  int n;
  friend bool operator==(with_arrays const& a, with_arrays const& b) {
    return std::memcmp(a.text, b.text, sizeof a.text) == 0 && a.names[0][0] == b.names[0][0] &&
           a.names[1][1] == b.names[1][1] && a.n == b.n;
  }
};
struct bit_fields {
  int a : 3;
  unsigned b : 5;
  std::string s;
  friend bool operator==(bit_fields const&, bit_fields const&) = default;
};
struct bit_fields_and_array {
  int a : 3;
  std::string s[2];
};
struct tree {
  int value;
  std::vector<tree> children;
  std::unique_ptr<tree> other;
  friend bool operator==(tree const& a, tree const& b) {
    return a.value == b.value && a.children == b.children && (a.other == nullptr) == (b.other == nullptr) &&
           (a.other == nullptr || *a.other == *b.other);
  }
};
struct nothing {
  friend bool operator==(nothing, nothing) = default;
};
class secret {
 public:
  secret() = default;
  explicit secret(int n) : n_{n} {}
  int n() const { return n_; }

 private:
  int n_ = 0;
};
struct vec3 {
  vec3() = default;
  vec3(float a, float b, float c) : x{a}, y{b}, z{c} {}
  friend bool operator==(vec3 const&, vec3 const&) = default;

 private:
  float x, y, z;
};

/// As cereal's users write it.
class account {
 public:
  account() = default;
  account(std::string owner, long cents) : owner_{std::move(owner)}, cents_{cents} {}
  template <class Archive>
  void serialize(Archive& ar) {
    ar(owner_, cents_);
  }
  friend bool operator==(account const&, account const&) = default;

 private:
  std::string owner_;
  long cents_ = 0;
};
class versioned {
 public:
  template <class Archive>
  void serialize(Archive& ar, std::uint32_t const version) {
    ar & n & version_read;
    static_cast<void>(version);
  }
  int n = 0;
  int version_read = 0;
};
class behind_a_friend {
 public:
  static behind_a_friend of(int n) {
    behind_a_friend made;
    made.n_ = n;
    return made;
  }
  int n() const { return n_; }

 private:
  friend class dally::access;
  behind_a_friend() = default;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n_);
  }
  int n_ = 0;
};
struct savings : account {
  int rate = 0;
};
struct says_nothing {
  template <class Archive>
  void serialize(Archive&) {}
};
/// The shape of cereal::NameValuePair.
template <class T>
struct name_and_value {
  char const* name;
  T value;
};
struct named {
  int n = 0;
  std::string s;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(name_and_value<int&>{"n", n}, name_and_value<std::string&>{"s", s});
  }
};

class money {
 public:
  explicit money(long cents) : cents_{cents} {}
  long cents() const { return cents_; }
  friend bool operator==(money const&, money const&) = default;

 private:
  long cents_;
};
struct price {
  money amount;
  std::string shop;
  friend bool operator==(price const&, price const&) = default;
};
struct shape {
  virtual ~shape() = default;
  int n = 0;
};

}  // namespace

namespace outside {
struct celsius {
  double degrees = 0;
  bool measured = false;
  celsius() = default;
  celsius(double d, bool m) : degrees{d}, measured{m} {}
};
template <class Archive>
void serialize(Archive& ar, celsius& c) {
  ar(c.degrees, c.measured);
}
}  // namespace outside

template <>
struct dally::codec<money> {
  static void encode(archive_writer& out, money const& m) { out(m.cents()); }
  static money decode(archive_reader& in) { return money{in.read<long>()}; }
};
template <>
struct dally::codec<std::shared_ptr<int>> {
  static void encode(archive_writer& out, std::shared_ptr<int> const& p) { out(*p); }
  static std::shared_ptr<int> decode(archive_reader& in) { return std::make_shared<int>(in.read<int>()); }
};
template <>
inline constexpr bool dally::bitwise<vec3> = true;

namespace {

// ---- arbitrary values -----------------------------------------------------------------------------------------------

class random_bits {
 public:
  explicit random_bits(std::uint32_t seed) : bits_{seed} {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(bits_()); }

 private:
  std::mt19937 bits_;
};

template <class T>
struct arbitrary {
  static T make(random_bits& r) {
    static_assert(std::is_arithmetic_v<T>);
    switch (r() % 8) {
      case 0:
        return std::numeric_limits<T>::max();
      case 1:
        return std::numeric_limits<T>::lowest();
      case 2:
        return T{};
      default:
        return static_cast<T>(r());
    }
  }
};
template <>
struct arbitrary<bool> {
  static bool make(random_bits& r) { return r() % 2 != 0; }
};
template <>
struct arbitrary<double> {
  static double make(random_bits& r) {
    // NaNs with payloads, infinities, -0.0 and subnormal numbers among them.
    std::uint64_t const bits = std::uint64_t{r()} << 32 | r();
    switch (r() % 4) {
      case 0:
        return std::bit_cast<double>(bits | 0x7ff0'0000'0000'0000U);
      case 1:
        return r() % 2 != 0 ? -0.0 : std::bit_cast<double>(bits >> 12);
      default:
        return std::bit_cast<double>(bits);
    }
  }
};
template <class T>
T any_of(random_bits& r) {
  return arbitrary<T>::make(r);
}
template <class C>
  requires requires(C& c) { typename C::allocator_type; }
struct arbitrary<C> {
  static C make(random_bits& r) {
    C c;
    std::size_t const size = r() % 4 == 0 ? 0 : r() % 12;
    for (std::size_t i = 0; i < size; ++i) {
      if constexpr (requires { typename C::mapped_type; }) {
        auto k = any_of<typename C::key_type>(r);
        c.emplace(std::move(k), any_of<typename C::mapped_type>(r));
      } else if constexpr (requires { typename C::key_type; }) {
        c.insert(any_of<typename C::key_type>(r));
      } else if constexpr (requires { c.push_back(any_of<typename C::value_type>(r)); }) {
        c.push_back(any_of<typename C::value_type>(r));
      } else {
        c.push_front(any_of<typename C::value_type>(r));
      }
    }
    return c;
  }
};
template <class A, class B>
struct arbitrary<std::pair<A, B>> {
  static std::pair<A, B> make(random_bits& r) { return {any_of<A>(r), any_of<B>(r)}; }
};
template <class... T>
struct arbitrary<std::tuple<T...>> {
  static std::tuple<T...> make(random_bits& r) { return std::tuple<T...>{any_of<T>(r)...}; }
};
template <class T, std::size_t N>
struct arbitrary<std::array<T, N>> {
  static std::array<T, N> make(random_bits& r) {
    std::array<T, N> a;
    for (auto& e : a) e = any_of<T>(r);
    return a;
  }
};
template <class T>
struct arbitrary<std::optional<T>> {
  static std::optional<T> make(random_bits& r) {
    if (r() % 3 == 0) return std::nullopt;
    return any_of<T>(r);
  }
};
template <class T>
struct arbitrary<std::unique_ptr<T>> {
  static std::unique_ptr<T> make(random_bits& r) { return r() % 3 == 0 ? nullptr : std::make_unique<T>(any_of<T>(r)); }
};
template <>
struct arbitrary<std::monostate> {
  static std::monostate make(random_bits&) { return {}; }
};
template <class... T>
struct arbitrary<std::variant<T...>> {
  static std::variant<T...> make(random_bits& r) {
    using value = std::variant<T...>;
    std::size_t const chosen = r() % sizeof...(T);
    std::size_t i = 0;
    std::optional<value> v;
    ((i++ == chosen ? static_cast<void>(v.emplace(std::in_place_type<T>, any_of<T>(r))) : void()), ...);
    return *std::move(v);
  }
};
template <class Rep, class Period>
struct arbitrary<std::chrono::duration<Rep, Period>> {
  static std::chrono::duration<Rep, Period> make(random_bits& r) {
    return std::chrono::duration<Rep, Period>{any_of<Rep>(r)};
  }
};
template <>
struct arbitrary<record> {
  static record make(random_bits& r) {
    return {any_of<int>(r), any_of<double>(r), any_of<std::string>(r), any_of<std::vector<int>>(r),
            any_of<std::map<std::string, double>>(r)};
  }
};
template <>
struct arbitrary<point> {
  static point make(random_bits& r) { return {any_of<int>(r), any_of<int>(r)}; }
};
template <>
struct arbitrary<flagged> {
  static flagged make(random_bits& r) { return {any_of<bool>(r), any_of<bool>(r)}; }
};
template <>
struct arbitrary<tree> {
  static tree make(random_bits& r) {
    tree t{any_of<int>(r), {}, {}};
    while (r() % 3 == 0) t.children.push_back(make(r));
    if (r() % 4 == 0) t.other = std::make_unique<tree>(make(r));
    return t;
  }
};

template <class T>
using limited_vector = std::vector<T, limited<T>>;

/// A round trip gives the same bytes again; every prefix is refused; changed bytes are refused or are some value.
template <class T>
void check_property(std::uint32_t seed) {
  CAPTURE(seed);
  random_bits r{seed};
  T const value = any_of<T>(r);
  auto const bytes = bytes_of(value);
  REQUIRE(bytes.size() >= 1);
  CHECK(bytes_of(value_of<T>(bytes)) == bytes);

  std::size_t refused = 0;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    std::vector<std::byte> const prefix(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut));
    archive_reader in{prefix.data(), prefix.size()};
    try {
      static_cast<void>(in.read<T>());
    } catch (archive_error const&) {
      ++refused;
    }
  }
  CHECK(refused == bytes.size());

  for (int i = 0; i < 20; ++i) {
    auto changed = bytes;
    for (unsigned n = 1 + r() % 3; n > 0; --n) changed[r() % changed.size()] = static_cast<std::byte>(r());
    archive_reader in{changed.data(), changed.size()};
    try {
      T const other = in.read<T>();
      static_cast<void>(bytes_of(other));
    } catch (archive_error const&) {
    }
  }
}

template <class... T>
void check_properties(std::uint32_t seeds) {
  for (std::uint32_t i = 0; i < seeds; ++i) (check_property<T>(dally::tests::first_seed() + i), ...);
}

}  // namespace

// ---- round trips ----------------------------------------------------------------------------------------------------

TEST_CASE("any value of any type that is known comes back, and any cut is an error", "[codec]") {
  using namespace std::chrono;
  using words = std::vector<std::string>;
  check_properties<
      int, bool, double, long double, std::string, std::u16string, words, std::vector<bool>,
      std::deque<std::optional<std::string>>, std::list<std::pair<int, bool>>, std::forward_list<std::string>,
      std::map<std::string, std::vector<std::optional<double>>>, std::multimap<int, std::string>, std::set<words>,
      std::unordered_map<std::string, std::set<int>>, std::unordered_multimap<char, bool>,
      std::unordered_set<std::string>,
      std::variant<std::monostate, int, std::variant<std::string, std::tuple<double, words>>>,
      std::tuple<std::array<std::string, 3>, std::unique_ptr<std::vector<bool>>, std::tuple<std::monostate>>,
      std::optional<std::optional<bool>>, std::vector<std::vector<std::vector<double>>>,
      std::vector<std::pair<milliseconds, duration<double>>>, record, std::vector<record>,
      std::map<int, std::vector<point>>, std::vector<flagged>, tree>(dally::tests::graphs_to_try(20));
}

TEST_CASE("equal values come back", "[codec]") {
  using namespace std::chrono_literals;
  CHECK(round_trip(record{1, 2.5, "three", {4, 5}, {{"six", 7}}}) == record{1, 2.5, "three", {4, 5}, {{"six", 7}}});
  CHECK(round_trip(point{1, 2}) == point{1, 2});
  CHECK(round_trip(padded{'x', -7}) == padded{'x', -7});
  CHECK(round_trip(nothing{}) == nothing{});
  CHECK(round_trip(color::green) == color::green);
  CHECK(round_trip(second) == second);
  CHECK(round_trip(yes_or_no::yes) == yes_or_no::yes);
  CHECK(round_trip(std::byte{7}) == std::byte{7});
  CHECK(round_trip(std::complex<double>{1, -2}) == std::complex<double>{1, -2});
  CHECK(round_trip(std::complex<long double>{1, -2}) == std::complex<long double>{1, -2});
  CHECK(round_trip(std::bitset<70>{0x1234'5678'9abc'def0U}) == std::bitset<70>{0x1234'5678'9abc'def0U});
  CHECK(round_trip(std::bitset<0>{}) == std::bitset<0>{});
  CHECK(round_trip(std::filesystem::path{"/a/b c"}) == std::filesystem::path{"/a/b c"});
  CHECK(round_trip(std::make_error_code(std::errc::broken_pipe)) == std::make_error_code(std::errc::broken_pipe));
  CHECK(round_trip(std::error_code{5, std::system_category()}) == std::error_code{5, std::system_category()});
  auto const now = std::chrono::system_clock::now();
  CHECK(round_trip(now) == now);
  CHECK(round_trip(90min) == 90min);
  CHECK(round_trip(std::array<int, 0>{}) == std::array<int, 0>{});
  CHECK(round_trip(std::vector<nothing>(3)).size() == 3);
  CHECK(round_trip(std::vector<std::array<int, 0>>(3)).size() == 3);
  CHECK(round_trip(std::vector<std::monostate>(3)).size() == 3);
  CHECK(round_trip(std::unique_ptr<int const>{new int{5}}) != nullptr);
  auto const stateless = round_trip([](int x) { return x + 1; });
  CHECK(stateless(1) == 2);
}

TEST_CASE("arrays in aggregates and bit-fields come back", "[codec]") {
  with_arrays const a{"text", {{"a", "b"}, {"c", "d"}}, 3};
  CHECK(round_trip(a) == a);
  bit_fields const b{-3, 17, "s"};
  CHECK(round_trip(b) == b);
  static_assert(!serializable<bit_fields_and_array>);
  int const plain[2][3] = {{1, 2, 3}, {4, 5, 6}};
  auto const bytes = bytes_of(plain);
  int back[2][3] = {};
  archive_reader in{bytes.data(), bytes.size()};
  in.read_into(back);
  CHECK(std::memcmp(plain, back, sizeof plain) == 0);
}

TEST_CASE("bits come back: NaN payloads, -0.0, the extremes", "[codec]") {
  auto const nan = std::bit_cast<double>(0x7ff8'dead'beef'0001U);
  CHECK(std::bit_cast<std::uint64_t>(round_trip(nan)) == 0x7ff8'dead'beef'0001U);
  CHECK(std::signbit(round_trip(-0.0)));
  CHECK(round_trip(std::numeric_limits<std::int64_t>::min()) == std::numeric_limits<std::int64_t>::min());
  CHECK(round_trip(std::numeric_limits<long double>::max()) == std::numeric_limits<long double>::max());
  // Padding is not written: the same value gives the same bytes.
  alignas(long double) unsigned char dirty[sizeof(long double)];
  std::memset(dirty, 0xff, sizeof dirty);
  CHECK(bytes_of(*::new (dirty) long double{1.5L}) == bytes_of(1.5L));
}

TEST_CASE("containers of bits are written in one piece", "[codec]") {
  CHECK(bytes_of(std::vector<double>(1000)).size() == 8 + 8000);
  CHECK(bytes_of(std::vector<point>(1000)).size() == 8 + 8000);
  CHECK(bytes_of(std::vector<std::array<point, 2>>(1000)).size() == 8 + 16000);
  CHECK(bytes_of(std::vector<bool>(1000)).size() == 8 + 125);
  // A bool is looked at, so it is no piece of bits.
  auto bytes = bytes_of(std::vector<flagged>(2));
  CHECK(bytes.size() == 8 + 4);
  bytes[9] = std::byte{2};
  CHECK_THROWS_AS(value_of<std::vector<flagged>>(bytes), archive_error);
  CHECK(dally::wire_type_of<int> == dally::wire_type_of<point>);
  CHECK(dally::wire_type_of<padded> != dally::wire_type_of<point>);
}

TEST_CASE("what lies at an odd address is read, too", "[codec]") {
  std::vector<double> const numbers{1.5, -2.5};
  auto bytes = bytes_of(numbers);
  bytes.insert(bytes.begin(), std::byte{});
  archive_reader in{bytes.data() + 1, bytes.size() - 1};
  CHECK(in.read<std::vector<double>>() == numbers);
}

#ifdef __GLIBCXX__
TEST_CASE("a hash table is walked in the same order on the other side", "[codec]") {
  for (std::uint32_t i = 0; i < 50; ++i) {
    std::uint32_t const seed = dally::tests::first_seed() + i;
    CAPTURE(seed);
    random_bits r{seed};
    std::unordered_multimap<int, std::string> table;
    if (r() % 2 == 0) table.reserve(r() % 100);
    for (unsigned n = r() % 300; n > 0; --n) table.emplace(static_cast<int>(r() % 200), std::to_string(n));
    for (unsigned n = r() % 50; n > 0; --n) table.erase(static_cast<int>(r() % 200));
    auto const back = round_trip(table);
    CHECK(std::vector<std::pair<int, std::string>>(back.begin(), back.end()) ==
          std::vector<std::pair<int, std::string>>(table.begin(), table.end()));
    std::unordered_set<std::string> words;
    for (unsigned n = r() % 300; n > 0; --n) words.insert(std::to_string(r() % 500));
    auto const words_back = round_trip(words);
    CHECK(std::vector<std::string>(words_back.begin(), words_back.end()) ==
          std::vector<std::string>(words.begin(), words.end()));
  }
}
#endif

// ---- what users say -------------------------------------------------------------------------------------------------

TEST_CASE("types written for cereal work as they are", "[codec]") {
  CHECK(round_trip(account{"Ada", 100}) == account{"Ada", 100});
  CHECK(round_trip(std::vector<account>(3, {"Ada", 100})) == std::vector<account>(3, {"Ada", 100}));
  versioned v;
  v.n = 4;
  v.version_read = 5;
  CHECK(round_trip(v).n == 4);
  CHECK(round_trip(v).version_read == 5);
  CHECK(round_trip(behind_a_friend::of(6)).n() == 6);
  outside::celsius const c{21.5, true};
  CHECK(round_trip(c).degrees == 21.5);
  CHECK(round_trip(c).measured);
  named n;
  n.n = 7;
  n.s = "seven";
  CHECK(round_trip(n).n == 7);
  CHECK(round_trip(n).s == "seven");
  CHECK(round_trip(std::vector<says_nothing>(4)).size() == 4);
  // The base's function would forget the rate.
  static_assert(!serializable<savings>);
}

TEST_CASE("a codec of one's own works wherever the type stands", "[codec]") {
  CHECK(round_trip(money{5}) == money{5});
  CHECK(round_trip(price{money{5}, "corner"}) == price{money{5}, "corner"});
  CHECK(round_trip(std::array<money, 2>{money{1}, money{2}}) == std::array<money, 2>{money{1}, money{2}});
  CHECK(round_trip(std::map<int, money>{{1, money{2}}}) == std::map<int, money>{{1, money{2}}});
  CHECK(*round_trip(std::vector{std::make_shared<int>(8)}).at(0) == 8);
  vec3 const v{1, 2, 3};
  CHECK(round_trip(std::vector<vec3>{v, v}) == std::vector<vec3>{v, v});
  CHECK(bytes_of(std::vector<vec3>{v, v}).size() == 8 + 2 * sizeof(vec3));
}

// ---- what is refused ------------------------------------------------------------------------------------------------

TEST_CASE("what points somewhere, views, and state that cannot be told are refused", "[codec]") {
  struct holds_pointer {
    int n;
    char const* text;
  };
  struct holds_view {
    std::string owner;
    std::string_view part;
  };
  struct holds_reference {
    int& n;
  };
  static_assert(!serializable<int*> && !serializable<char const*> && !serializable<void (*)()> &&
                !serializable<int point::*> && !serializable<std::nullptr_t> && !serializable<int&>);
  static_assert(!serializable<std::string_view> && !serializable<std::span<int const>> &&
                !serializable<std::vector<int>::iterator> && !serializable<std::map<int, int>::iterator> &&
                !serializable<std::vector<bool>::iterator> && !serializable<std::reference_wrapper<int>>);
  static_assert(!serializable<std::function<int()>> && !serializable<std::shared_ptr<double>> &&
                !serializable<std::weak_ptr<int>> && !serializable<std::thread> && !serializable<std::thread::id> &&
                !serializable<std::mutex> && !serializable<std::ifstream> && !serializable<std::atomic<int>>);
  static_assert(!serializable<secret> && !serializable<std::vector<secret>> && !serializable<holds_pointer> &&
                !serializable<holds_view> && !serializable<holds_reference>);
  static_assert(!serializable<std::unique_ptr<shape>> && !serializable<std::unique_ptr<int[]>> &&
                !serializable<std::unique_ptr<int, void (*)(int*)>>);
  static_assert(!serializable<std::set<int, bool (*)(int, int)>>);  // the pointer would be null on the other side
  static_assert(!serializable<std::pair<int, int&>> && !serializable<std::tuple<std::string&>>);
  static_assert(!serializable<std::optional<std::string_view>> && !serializable<std::variant<int, int*>> &&
                !serializable<std::map<int, std::vector<std::function<void()>>>>);
  static_assert(dally::portable<void> && dally::portable<std::string const&> && !dally::portable<char const*>);
}

TEST_CASE("the obstacle is named, however deep it lies", "[codec]") {
  auto obstacle_of = []<class T>(std::type_identity<T>) {
    auto const* const wire = dally::wire_type_of<T>;
    REQUIRE(wire->encode == nullptr);
    REQUIRE(wire->obstacle != nullptr);
    return dally::declared_name({wire->obstacle, wire->obstacle_length});
  };
  CHECK(obstacle_of(std::type_identity<std::map<int, std::vector<std::optional<secret>>>>{}) == "secret");
  CHECK(obstacle_of(std::type_identity<secret>{}) == "secret");
  CHECK(dally::wire_type_of<tree>->obstacle == nullptr);
}

// ---- broken bytes ---------------------------------------------------------------------------------------------------

TEST_CASE("a length that lies makes no large allocation", "[codec]") {
  auto try_length = []<class T>(std::type_identity<T>, std::uint64_t length) {
    CAPTURE(length);
    std::vector<std::byte> bytes(64);
    std::memcpy(bytes.data(), &length, sizeof length);
    largest_allocation = 0;
    archive_reader in{bytes.data(), bytes.size()};
    bool refused = false;
    try {
      static_cast<void>(in.read<T>());
    } catch (archive_error const&) {
      refused = true;
    }
    CHECK((refused || length < 1000));
    CHECK(largest_allocation <= 65536);  // 56 empty optionals of 520 bytes are no lie
  };
  for (std::uint64_t const length :
       {std::uint64_t{57}, std::uint64_t{56}, std::uint64_t{1} << 32, std::uint64_t{1} << 61, ~std::uint64_t{0},
        ~std::uint64_t{0} / 8, ~std::uint64_t{0} / 4 + 1}) {
    try_length(std::type_identity<limited_vector<double>>{}, length);
    try_length(std::type_identity<limited_vector<std::array<std::string, 16>>>{}, length);
    try_length(std::type_identity<limited_vector<std::optional<std::array<double, 64>>>>{}, length);
    try_length(std::type_identity<limited_vector<nothing>>{}, length);
    try_length(std::type_identity<limited_vector<bool>>{}, length);
    try_length(std::type_identity<std::basic_string<char, std::char_traits<char>, limited<char>>>{}, length);
    try_length(std::type_identity<std::deque<std::string, limited<std::string>>>{}, length);
    try_length(std::type_identity<std::set<std::string, std::less<>, limited<std::string>>>{}, length);
    try_length(std::type_identity<std::unordered_set<int, std::hash<int>, std::equal_to<int>, limited<int>>>{}, length);
  }
  // A table of many buckets and no elements.
  std::uint64_t const claimed[2] = {0, std::uint64_t{1} << 40};
  std::vector<std::byte> bytes(sizeof claimed);
  std::memcpy(bytes.data(), claimed, sizeof claimed);
  largest_allocation = 0;
  CHECK(value_of<std::unordered_set<int, std::hash<int>, std::equal_to<int>, limited<int>>>(bytes).empty());
  CHECK(largest_allocation <= 4096);
}

TEST_CASE("other bytes than a codec writes are refused", "[codec]") {
  auto refused = []<class T>(std::type_identity<T>, std::initializer_list<unsigned char> given) {
    std::vector<std::byte> bytes;
    for (unsigned char const b : given) bytes.push_back(std::byte{b});
    archive_reader in{bytes.data(), bytes.size()};
    CHECK_THROWS_AS(static_cast<void>(in.read<T>()), archive_error);
  };
  refused(std::type_identity<bool>{}, {2});
  refused(std::type_identity<yes_or_no>{}, {255});
  refused(std::type_identity<std::optional<int>>{}, {7, 0, 0, 0, 0});
  refused(std::type_identity<std::variant<int, char>>{}, {2, 0, 0, 0, 0, 0});
  refused(std::type_identity<std::unique_ptr<char>>{}, {9, 0});
  refused(std::type_identity<says_nothing>{}, {});
  refused(std::type_identity<nothing>{}, {});
}

TEST_CASE("a value nested without end is refused before the stack ends", "[codec]") {
  // Each level: value, no children, another below.
  std::vector<std::byte> bytes;
  std::size_t const levels = 100'000;
  for (std::size_t i = 0; i < levels; ++i) {
    for (int k = 0; k < 12; ++k) bytes.push_back(std::byte{0});
    bytes.push_back(std::byte{1});
  }
  archive_reader in{bytes.data(), bytes.size()};
  CHECK_THROWS_WITH(static_cast<void>(in.read<tree>()), dally::tests::contains("2,000 levels"));
}

TEST_CASE("what no bytes stand for is refused when it is written", "[codec]") {
  struct category : std::error_category {
    char const* name() const noexcept override { return "mine"; }
    std::string message(int) const override { return "mine"; }
  };
  static category const mine;
  archive_writer out;
  CHECK_THROWS_AS(out.add(std::error_code(1, mine)), archive_error);
  struct throws {
    operator std::string() const { throw 1; }
  };
  std::variant<int, std::string> lost;
  try {
    lost.emplace<std::string>(throws{});
  } catch (int) {
  }
  if (lost.valueless_by_exception()) CHECK_THROWS_AS(out.add(lost), archive_error);
}

TEST_CASE("a writer without room counts what is needed", "[codec]") {
  std::vector<std::string> const value{"one", "two"};
  std::byte small[20];
  archive_writer out{small, sizeof small};
  out.add(value);
  CHECK_FALSE(out.fitted());
  CHECK(out.size() == 8 + 8 + 3 + 8 + 3);
}

TEST_CASE("values are written and read without knowing their type", "[codec]") {
  auto trip = []<class T>(T const& value) {
    auto const* const wire = dally::wire_type_of<T>;
    REQUIRE(wire->encode != nullptr);
    std::vector<std::byte> bytes(1000);
    archive_writer out{bytes.data(), bytes.size()};
    wire->encode(out, &value);
    alignas(T) std::byte place[sizeof(T)];
    archive_reader in{bytes.data(), out.size()};
    wire->decode(in, place);
    CHECK(in.left() == 0);
    T* const back = std::launder(reinterpret_cast<T*>(place));
    T copy = std::move(*back);
    back->~T();
    return copy;
  };
  CHECK(trip(std::string{"text"}) == "text");
  CHECK(trip(record{1, 2, "3", {4}, {{"5", 6}}}) == record{1, 2, "3", {4}, {{"5", 6}}});
  trip(std::monostate{});
  CHECK(trip(true));
}
