#include "dally/core/fields.hpp"

#include <any>
#include <array>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "support/catch2.hpp"

namespace {

using dally::type_list;
using dally::detail::field_count;
using dally::detail::fields_t;
using dally::detail::unknown_fields;
using dally::detail::with_fields;

struct money {
  money(int c) : cents{c} {}
  int cents;
};

struct nothing {};
struct pair_of {
  int a;
  double b;
};
struct nested {
  pair_of first;
  pair_of second;
  int third;
};
struct one_array {
  int a[4];
};
struct arrays {
  int a;
  char text[256];
  std::string s;
  pair_of grid[2][3];
  int single[1];
};
struct bit_fields {
  int a : 3;
  unsigned b : 5;
  double c;
};
struct without_default {
  int a;
  money m;
  int c;
};
struct move_only {
  std::unique_ptr<int> a;
  std::vector<int> b;
};
struct tree {
  int value;
  std::vector<tree> children;
};
#define DALLY_THIRTY(T)                                                                                             \
  T b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, \
      d8, d9
struct thirty_two {
  int a;
  DALLY_THIRTY(int);
  std::string last;
};
struct twelve_with_array {
  int a[2];
  char b, c, d, e, f, g, h, i, j, k;
  std::string last[2];
};
struct thirteen_with_array {
  char b, c, d, e, f, g, h, i, j, k, l;
  std::string text;
  int last[2];
};
struct thirty_two_plain {
  int a;
  DALLY_THIRTY(char);
  double last;
};
struct thirty_three {
  int a, b;
  DALLY_THIRTY(int);
  int last;
};
#undef DALLY_THIRTY

struct base {
  int a;
};
struct derived : base {
  int b;
};
struct derived_from_nothing : nothing {
  int b;
};
struct reference {
  int a;
  int& r;
};
struct const_reference {
  int const& r;
  int a;
};
struct with_union {
  int tag;
  union {
    int i;
    float f;
  };
};
struct with_union_after_array {
  int a[2];
  union {
    int i;
    float f;
  };
  int tag;
};
struct takes_anything {
  std::any a;
  int b;
};
struct array_and_no_default {
  int a[2];
  money m;
  int c;
};
struct array_and_default_of_its_own {
  int a[2];
  money m = 3;
  int c;
};

}  // namespace

TEST_CASE("the fields of an aggregate are counted, or said to be unclear, never counted wrong", "[fields]") {
  static_assert(field_count<nothing>() == 0);
  static_assert(field_count<pair_of>() == 2);
  static_assert(field_count<nested>() == 3);
  static_assert(field_count<one_array>() == 1);
  static_assert(field_count<arrays>() == 5);
  static_assert(field_count<bit_fields>() == 3);
  static_assert(field_count<without_default>() == 3);
  static_assert(field_count<move_only>() == 2);
  static_assert(field_count<tree>() == 2);
  static_assert(field_count<thirty_two>() == 32);
  static_assert(field_count<thirty_two_plain>() == 32);
  static_assert(field_count<twelve_with_array>() == 12);

  static_assert(field_count<thirty_three>() == unknown_fields);
  static_assert(field_count<thirteen_with_array>() == unknown_fields);
  static_assert(field_count<derived>() == unknown_fields);
  static_assert(field_count<derived_from_nothing>() == unknown_fields);
  static_assert(field_count<reference>() == unknown_fields);
  static_assert(field_count<const_reference>() == unknown_fields);
  static_assert(field_count<with_union>() == unknown_fields);
  static_assert(field_count<with_union_after_array>() == unknown_fields);
  static_assert(field_count<takes_anything>() == unknown_fields);
  static_assert(field_count<std::array<int, 0>>() == unknown_fields);
  static_assert(field_count<std::array<int, 2>>() == unknown_fields);
  static_assert(field_count<array_and_no_default>() == unknown_fields);
  static_assert(field_count<array_and_default_of_its_own>() == unknown_fields);
}

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
namespace {
struct anonymous_struct {
  struct {
    int x, y;
  };
  int z;
};
struct anonymous_struct_and_array {
  int z;
  struct {
    int x, y;
  };
  int w[3];
};
}  // namespace
#pragma GCC diagnostic pop

TEST_CASE("an anonymous struct, to which nothing binds, is no field", "[fields]") {
  static_assert(field_count<anonymous_struct>() == unknown_fields);
  static_assert(field_count<anonymous_struct_and_array>() == unknown_fields);
}
#endif

TEST_CASE("fields come with their types and in their order", "[fields]") {
  static_assert(std::is_same_v<fields_t<arrays>, type_list<int, char[256], std::string, pair_of[2][3], int[1]>>);
  static_assert(std::is_same_v<fields_t<bit_fields>, type_list<int, unsigned, double>>);
  static_assert(std::is_same_v<fields_t<nothing>, type_list<>>);

  pair_of p{1, 2};
  with_fields(p, [](int& a, double& b) {
    a += 10;
    b *= 2;
  });
  CHECK(p.a == 11);
  CHECK(p.b == 4);
  bit_fields const bits{-3, 17, 0.5};
  CHECK(with_fields(bits,
                    [](int const& a, unsigned const& b, double const& c) { return a == -3 && b == 17 && c == 0.5; }));
  thirty_two many{};
  many.last = "last";
  void const* last = nullptr;
  with_fields(many, [&](auto const&... field) { (static_cast<void>(last = &field), ...); });
  CHECK(last == &many.last);
}
