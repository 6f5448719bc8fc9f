#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dally/core/symbol.hpp"

namespace dally {

/// A list of types.
template <class... T>
struct type_list {};

namespace detail {

/// Whether T was declared without a name, as an anonymous struct is: no name can be bound to that.
template <class T>
constexpr bool unnamed() {
  constexpr std::string_view name = type_name<T>();
  // Not by find: g++ 12 with -fsanitize=undefined cannot tell at compile time whether a variable's address is null.
  for (std::size_t i = 0; i < name.size(); ++i) {
    auto const rest = name.substr(i);
    if (rest.starts_with("<unnamed ") || rest.starts_with("(unnamed ") || rest.starts_with("(anonymous s")) return true;
  }
  return false;
}

/// Becomes any field of a T that is no array.
template <class T>
struct any_value {
  template <class U>
    requires(!std::is_same_v<U, T>)
  constexpr operator U() const noexcept;
};
/// Becomes any field of a T but an array, a union, or what has no name.
template <class T>
struct any_field {
  template <class U>
    requires(!std::is_same_v<U, T> && !std::is_union_v<U> &&
             (!std::is_class_v<U> || !std::is_aggregate_v<U> || !unnamed<U>()))
  constexpr operator U() const noexcept;
};
struct any_lvalue {
  template <class T>
  constexpr operator T&() const noexcept;
};
template <class Derived>
struct any_base {
  template <class T>
    requires(std::is_base_of_v<T, Derived> && !std::is_same_v<T, Derived>)
  constexpr operator T() const noexcept;
};
template <class T, std::size_t>
using field_at = any_field<T>;

inline constexpr std::size_t most_fields = 32;
inline constexpr std::size_t most_fields_with_arrays = 12;
inline constexpr std::size_t unknown_fields = ~std::size_t{0};

// Parentheses, because in braces the elements of an array would count as fields.
template <class T, std::size_t... I>
constexpr bool takes_fields(std::index_sequence<I...>) {
  return requires { T(field_at<T, I>{}...); };
}
template <class T, std::size_t... I>
constexpr bool has_more_fields(std::index_sequence<I...>) {
  return requires { T(field_at<T, I>{}..., {}); } || requires { T{field_at<T, I>{}..., any_field<T>{}}; } ||
         requires { T{field_at<T, I>{}..., any_lvalue{}}; };
}

/// How many fields, if none is an array. Those before the last one without a default value do not do alone.
template <class T, std::size_t Tried = 1, bool Found = false>
constexpr std::size_t count_plain_fields() {
  constexpr bool takes = takes_fields<T>(std::make_index_sequence<Tried>{});
  if constexpr (Found && !takes) {
    return has_more_fields<T>(std::make_index_sequence<Tried - 1>{}) ? unknown_fields : Tried - 1;
  } else if constexpr (Tried > most_fields) {
    return unknown_fields;
  } else {
    return count_plain_fields<T, Tried + 1, takes>();
  }
}

enum class next_field { none, there, unclear };

// What follows the fields that are given as braces: a field of one value, or an array; unclear if it is anything else,
// or if one of those before does not take braces.
#define DALLY_NEXT_FIELD(count, ...)                                                                                 \
  else if constexpr (Before == count) {                                                                              \
    if constexpr (!requires { T{__VA_ARGS__}; }) {                                                                   \
      return next_field::unclear;                                                                                    \
    } else if constexpr (requires { T(__VA_ARGS__ __VA_OPT__(, ) any_field<T>{}); }) {                               \
      return next_field::there;                                                                                      \
    } else if constexpr (requires { T(__VA_ARGS__ __VA_OPT__(, ) any_value<T>{}); }) {                               \
      return next_field::unclear;                                                                                    \
    } else if constexpr (requires { T{__VA_ARGS__ __VA_OPT__(, ){any_value<T>{}}}; }) {                              \
      return next_field::there;                                                                                      \
    } else if constexpr (                                                                                            \
        requires { T{__VA_ARGS__ __VA_OPT__(, ){}}; } || requires { T{__VA_ARGS__ __VA_OPT__(, ) any_lvalue{}}; }) { \
      return next_field::unclear;                                                                                    \
    } else {                                                                                                         \
      return next_field::none;                                                                                       \
    }                                                                                                                \
  }

template <class T, std::size_t Before>
constexpr next_field field_after() {
  if constexpr (Before > most_fields_with_arrays) {
    return next_field::unclear;
  }

  // clang-format off
  DALLY_NEXT_FIELD(0)
  DALLY_NEXT_FIELD(1, {})
  DALLY_NEXT_FIELD(2, {}, {})
  DALLY_NEXT_FIELD(3, {}, {}, {})
  DALLY_NEXT_FIELD(4, {}, {}, {}, {})
  DALLY_NEXT_FIELD(5, {}, {}, {}, {}, {})
  DALLY_NEXT_FIELD(6, {}, {}, {}, {}, {}, {})
  DALLY_NEXT_FIELD(7, {}, {}, {}, {}, {}, {}, {})
  DALLY_NEXT_FIELD(8, {}, {}, {}, {}, {}, {}, {}, {})
  DALLY_NEXT_FIELD(9, {}, {}, {}, {}, {}, {}, {}, {}, {})
  DALLY_NEXT_FIELD(10, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})
  DALLY_NEXT_FIELD(11, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})
  DALLY_NEXT_FIELD(12, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})
  // clang-format on
}
#undef DALLY_NEXT_FIELD

/// How many fields, if all of them have default values.
template <class T, std::size_t Before = 0>
constexpr std::size_t count_default_fields() {
  constexpr next_field next = field_after<T, Before>();
  if constexpr (next == next_field::there) {
    return count_default_fields<T, Before + 1>();
  } else {
    return next == next_field::none ? Before : unknown_fields;
  }
}

/// How many fields an aggregate has; unknown_fields where it cannot be told for certain, or where nothing could bind
/// to them: base classes, references, unions, structs without a name, more than 32, or 12 if one is an array.
template <class T>
constexpr std::size_t field_count() {
  if constexpr (std::is_empty_v<T>) {
    return 0;
  } else if constexpr (requires { T{any_base<T>{}}; } || requires { std::tuple_size<T>::value; }) {
    return unknown_fields;  // a binding would ask a tuple for its elements, not for its fields
  } else if constexpr (!std::is_move_assignable_v<T>) {
    return unknown_fields;  // a reference is in the way
  } else {
    constexpr std::size_t plain = count_plain_fields<T>();
    if constexpr (plain != unknown_fields) {
      return plain;
    } else {
      constexpr std::size_t counted = count_default_fields<T>();
      return counted == 0 ? unknown_fields : counted;
    }
  }
}

#define DALLY_WITH_FIELDS(count, ...) \
  else if constexpr (size == count) { \
    auto& [__VA_ARGS__] = v;          \
    return use(__VA_ARGS__);          \
  }

/// Calls `use` with the fields of an aggregate.
template <class T, class Use>
constexpr decltype(auto) with_fields(T& v, Use&& use) {
  constexpr std::size_t size = field_count<std::remove_const_t<T>>();
  static_assert(size <= most_fields);
  if constexpr (size == 0) {
    return use();
  }
  // clang-format off
  DALLY_WITH_FIELDS(1, p0)
  DALLY_WITH_FIELDS(2, p0, p1)
  DALLY_WITH_FIELDS(3, p0, p1, p2)
  DALLY_WITH_FIELDS(4, p0, p1, p2, p3)
  DALLY_WITH_FIELDS(5, p0, p1, p2, p3, p4)
  DALLY_WITH_FIELDS(6, p0, p1, p2, p3, p4, p5)
  DALLY_WITH_FIELDS(7, p0, p1, p2, p3, p4, p5, p6)
  DALLY_WITH_FIELDS(8, p0, p1, p2, p3, p4, p5, p6, p7)
  DALLY_WITH_FIELDS(9, p0, p1, p2, p3, p4, p5, p6, p7, p8)
  DALLY_WITH_FIELDS(10, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9)
  DALLY_WITH_FIELDS(11, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10)
  DALLY_WITH_FIELDS(12, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11)
  DALLY_WITH_FIELDS(13, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12)
  DALLY_WITH_FIELDS(14, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13)
  DALLY_WITH_FIELDS(15, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14)
  DALLY_WITH_FIELDS(16, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15)
  DALLY_WITH_FIELDS(17, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16)
  DALLY_WITH_FIELDS(18, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17)
  DALLY_WITH_FIELDS(19, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18)
  DALLY_WITH_FIELDS(20, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19)
  DALLY_WITH_FIELDS(21, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20)
  DALLY_WITH_FIELDS(22, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21)
  DALLY_WITH_FIELDS(23, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22)
  DALLY_WITH_FIELDS(24, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23)
  DALLY_WITH_FIELDS(25, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24)
  DALLY_WITH_FIELDS(26, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25)
  DALLY_WITH_FIELDS(27, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, p26)
  DALLY_WITH_FIELDS(28, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27)
  DALLY_WITH_FIELDS(29, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28)
  DALLY_WITH_FIELDS(30, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29)
  DALLY_WITH_FIELDS(31, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30)
  DALLY_WITH_FIELDS(32, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, p31)
  // clang-format on
}
#undef DALLY_WITH_FIELDS

/// Whether there can be references to the fields: not to bit-fields. For up to most_fields_with_arrays.
#define DALLY_REFERS_TO_FIELDS(count, ...)                              \
  else if constexpr (size == count) {                                   \
    auto& [__VA_ARGS__] = v;                                            \
    return std::bool_constant<requires { references(__VA_ARGS__); }>{}; \
  }

template <class T>
constexpr auto refers_to_fields(T& v) {
  constexpr std::size_t size = field_count<T>();
  [[maybe_unused]] constexpr auto references = [](auto&...) {};
  if constexpr (size == 0) {
    return std::true_type{};
  }
  // clang-format off
  DALLY_REFERS_TO_FIELDS(1, p0)
  DALLY_REFERS_TO_FIELDS(2, p0, p1)
  DALLY_REFERS_TO_FIELDS(3, p0, p1, p2)
  DALLY_REFERS_TO_FIELDS(4, p0, p1, p2, p3)
  DALLY_REFERS_TO_FIELDS(5, p0, p1, p2, p3, p4)
  DALLY_REFERS_TO_FIELDS(6, p0, p1, p2, p3, p4, p5)
  DALLY_REFERS_TO_FIELDS(7, p0, p1, p2, p3, p4, p5, p6)
  DALLY_REFERS_TO_FIELDS(8, p0, p1, p2, p3, p4, p5, p6, p7)
  DALLY_REFERS_TO_FIELDS(9, p0, p1, p2, p3, p4, p5, p6, p7, p8)
  DALLY_REFERS_TO_FIELDS(10, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9)
  DALLY_REFERS_TO_FIELDS(11, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10)
  DALLY_REFERS_TO_FIELDS(12, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11)
  // clang-format on
}
#undef DALLY_REFERS_TO_FIELDS

struct list_types {
  template <class... Field>
  constexpr type_list<Field...> operator()(Field const&...) const {
    return {};
  }
};

/// The types of an aggregate's fields, as a type_list.
template <class T>
using fields_t = decltype(with_fields(std::declval<T const&>(), list_types{}));

/// A class whose fields can be told: an aggregate, or what has none.
template <class T>
concept plain_aggregate =
    std::is_class_v<T> && (std::is_empty_v<T> || std::is_aggregate_v<T>) && field_count<T>() != unknown_fields;

}  // namespace detail
}  // namespace dally
