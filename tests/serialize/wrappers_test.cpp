// What cereal's and Boost's users hand to an archive, in the shapes that those libraries give it.

#include "dally/serialize/wrappers.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dally/serialize/codec.hpp"
#include "support/catch2.hpp"

namespace like_cereal {

template <class Base>
struct base_class {
  Base* base_ptr;
  template <class Derived>
  explicit base_class(Derived const* d) : base_ptr{const_cast<Base*>(static_cast<Base const*>(d))} {}
};
template <class T>
struct name_value_pair {
  char const* name;
  T value;
};
template <class T>
name_value_pair<T> make_nvp(char const* name, T&& value) {
  return {name, std::forward<T>(value)};
}
template <class T>
struct size_tag {
  T size;
};
template <class T>
size_tag<T> make_size_tag(T&& size) {
  return {std::forward<T>(size)};
}
template <class P>
struct raw {
  P data;
  std::uint64_t size;
};
template <class K, class V>
struct map_item {
  K key;
  V value;
};
template <class T>
struct deferred {
  T value;
};

}  // namespace like_cereal

namespace like_boost {

template <class T>
class nvp {
 public:
  nvp(char const* name, T& value) : name_{name}, value_{&value} {}
  char const* name() const { return name_; }
  T& value() const { return *value_; }
  T const& const_value() const { return *value_; }

 private:
  char const* name_;
  T* value_;
};
template <class T>
nvp<T> const make_nvp(char const* name, T& value) {
  return {name, value};
}
template <class T>
struct array_wrapper {
  T* first;
  std::size_t elements;
  T* address() const { return first; }
  std::size_t count() const { return elements; }
};
/// Has a `serialize` of its own, and no default constructor.
class binary_object {
 public:
  binary_object(void const* at, std::size_t size) : at_{at}, size_{size} {}
  template <class Archive>
  void serialize(Archive& ar, unsigned /*version*/) {
    if constexpr (Archive::is_saving::value) {
      ar.save_binary(at_, size_);
    } else {
      ar.load_binary(const_cast<void*>(at_), size_);
    }
  }

 private:
  void const* at_;
  std::size_t size_;
};

}  // namespace like_boost

namespace {

template <class T>
T round_trip(T const& value) {
  dally::archive_writer counting;
  counting.add(value);
  std::vector<std::byte> bytes(counting.size());
  dally::archive_writer out{bytes.data(), bytes.size()};
  out.add(value);
  dally::archive_reader in{bytes.data(), bytes.size()};
  T made = in.read<T>();
  CHECK(in.left() == 0);
  return made;
}

struct shape {
  int id = 0;
  virtual ~shape() = default;
  virtual double area() const = 0;  // no value of it can be made, only read in place
  template <class Archive>
  void serialize(Archive& ar) {
    ar(id);
  }
};
struct circle : shape {
  double radius = 0;
  double area() const override { return 3 * radius * radius; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(like_cereal::base_class<shape>(this), like_cereal::make_nvp("radius", radius));
  }
};
struct named_base : shape {
  double area() const override { return id; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(like_cereal::make_nvp("shape", like_cereal::base_class<shape>(this)));
  }
};

struct plain {
  int a = 0;
};
struct derived_from_plain : plain {
  int b = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar& static_cast<plain&>(*this) & b;  // what boost::serialization::base_object gives
  }
};

/// A container of its own: a size, then its elements as raw bytes.
struct samples {
  std::vector<double> all;
  template <class Archive>
  void serialize(Archive& ar) {
    std::size_t size = all.size();
    ar(like_cereal::make_size_tag(size));
    all.resize(size);
    ar(like_cereal::raw<void*>{all.data(), size * sizeof(double)});
  }
};

struct pairs {
  int key = 0;
  std::string value;
  std::vector<int> later;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(like_cereal::map_item<int&, std::string&>{key, value}, like_cereal::deferred<std::vector<int>&>{later});
  }
};

struct for_boost {
  int n = 0;
  char text[6] = "";
  std::string names[2];
  template <class Archive>
  void serialize(Archive& ar, unsigned version) {
    ar& like_boost::make_nvp("n", n);
    ar& like_boost::binary_object(text, sizeof text);
    if (version > 1) ar& like_boost::array_wrapper<std::string>{names, 2};
  }
};

/// A pair of functions instead of one; `<<` and `>>` instead of `&`.
class in_two {
 public:
  in_two() = default;
  explicit in_two(int n) : n_{n} {}
  int n() const { return n_; }
  template <class Archive>
  void save(Archive& ar) const {
    ar << n_;
  }
  template <class Archive>
  void load(Archive& ar) {
    ar >> n_;
  }

 private:
  int n_ = 0;
};

}  // namespace

namespace outside {
class reading {
 public:
  reading() = default;
  explicit reading(double v) : value{v} {}
  double value = 0;
};
template <class Archive>
void serialize(Archive& ar, reading& r, unsigned /*version*/) {
  ar & r.value;
}
}  // namespace outside

TEST_CASE("a base class is written and read in place, named or not, abstract or not", "[wrappers]") {
  circle c;
  c.id = 7;
  c.radius = 2.5;
  CHECK(round_trip(c).id == 7);
  CHECK(round_trip(c).radius == 2.5);
  named_base n;
  n.id = 8;
  CHECK(round_trip(n).id == 8);
  derived_from_plain d;
  d.a = 1;
  d.b = 2;
  CHECK(round_trip(d).a == 1);
  CHECK(round_trip(d).b == 2);
}

TEST_CASE("size tags, raw bytes, map items and deferred values travel as what they stand for", "[wrappers]") {
  CHECK(round_trip(samples{{1, 2.5, 3}}).all == std::vector<double>{1, 2.5, 3});
  CHECK(round_trip(samples{}).all.empty());
  pairs const back = round_trip(pairs{5, "five", {1, 2}});
  CHECK(back.key == 5);
  CHECK(back.value == "five");
  CHECK(back.later == std::vector<int>{1, 2});
}

TEST_CASE("Boost's names, arrays and binary objects travel, and all that the newest version has", "[wrappers]") {
  for_boost b;
  b.n = 3;
  std::strcpy(b.text, "wxyz");
  b.names[0] = "a";
  b.names[1] = std::string(100, 'b');
  for_boost const back = round_trip(b);
  CHECK(back.n == 3);
  CHECK(std::string{back.text} == "wxyz");
  CHECK(back.names[0] == "a");
  CHECK(back.names[1] == std::string(100, 'b'));
}

TEST_CASE("save and load stand for one function, and so does a function with a version beside the type", "[wrappers]") {
  CHECK(round_trip(in_two{5}).n() == 5);
  CHECK(round_trip(std::vector<in_two>(2, in_two{6}))[1].n() == 6);
  CHECK(round_trip(outside::reading{0.5}).value == 0.5);
}

TEST_CASE("wrapped values are told from a user's own aggregates", "[wrappers]") {
  STATIC_REQUIRE(dally::detail::is_size_tag<like_cereal::size_tag<std::size_t&>>);
  STATIC_REQUIRE(!dally::detail::is_size_tag<like_cereal::size_tag<double>>);
  STATIC_REQUIRE(!dally::detail::is_raw_bytes<std::vector<double>>);
  STATIC_REQUIRE(!dally::detail::is_raw_bytes<std::string>);
  STATIC_REQUIRE(!dally::detail::named_value<like_cereal::name_value_pair<int>>);
  STATIC_REQUIRE(!dally::detail::wrapped_base<std::vector<int>>::found);
}
