#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <string_view>  // specialises enable_view and enable_borrowed_range, so it declares them
#include <tuple>
#include <type_traits>
#include <utility>

#include "dally/core/fields.hpp"
#include "dally/core/owned_result.hpp"
#include "dally/core/symbol.hpp"
#include "dally/core/token.hpp"

/// Which types refer to values that others own: views, iterators, and what is made of them.
namespace dally::detail {

template <class T, class... Asking>
constexpr bool borrows();

template <class T>
struct template_parts {
  using type = void;
};
template <template <class...> class C, class... Parts>
struct template_parts<C<Parts...>> {
  using type = type_list<Parts...>;
};
template <template <class, std::size_t> class C, class Part, std::size_t N>
struct template_parts<C<Part, N>> {
  using type = type_list<Part>;
};

template <class T>
constexpr bool is_closure() {
  return std::is_void_v<typename template_parts<T>::type> && is_lambda_name(type_name<T>());
}

/// Whether all of T can be made of bytes at compile time: then there are no pointers, references or unions in it.
template <class T>
concept made_of_bytes = requires {
  typename std::bool_constant<(static_cast<void>(std::bit_cast<T>(std::array<std::byte, sizeof(T)>{})), true)>;
};

/// Whether there certainly are pointers, references or unions in a T. Where T has no constexpr constructor, nobody can
/// tell.
template <class T>
constexpr bool holds_pointers() {
  if constexpr (std::is_trivially_copyable_v<T> && __is_literal_type(T)) {
    return !made_of_bytes<T>;
  } else {
    return false;
  }
}

// Becomes a member of any type, a reference as well.
struct any_member {
  template <class T>
  constexpr operator T&() const& noexcept;
  template <class T>
  constexpr operator T&&() const&& noexcept;
};

template <class T, std::size_t... I>
constexpr bool takes_members(std::index_sequence<I...>) {
  return requires { T((static_cast<void>(I), any_member{})...); };
}
template <class T, std::size_t... I>
constexpr bool has_more_members(std::index_sequence<I...>) {
  return requires { T((static_cast<void>(I), any_member{})..., {}); };
}

inline constexpr std::size_t most_members_with_references = 6;

/// How many members an aggregate has, references among them; 0 where it cannot be told.
template <class T, std::size_t Count = most_members_with_references>
constexpr std::size_t member_count() {
  if constexpr (Count == 0 || requires { T{any_base<T>{}}; }) {
    return 0;
  } else if constexpr (takes_members<T>(std::make_index_sequence<Count>{})) {
    return has_more_members<T>(std::make_index_sequence<Count>{}) ? 0 : Count;
  } else {
    return member_count<T, Count - 1>();
  }
}

template <class... Member>
constexpr auto any_reference() {
  return std::bool_constant<(std::is_reference_v<Member> || ...)>{};
}

// decltype of a binding is the member's declared type.
template <class T>
constexpr auto refers_by_member([[maybe_unused]] T& v) {
  constexpr std::size_t count = member_count<T>();
  if constexpr (count == 1) {
    [[maybe_unused]] auto& [a] = v;
    return any_reference<decltype(a)>();
  } else if constexpr (count == 2) {
    [[maybe_unused]] auto& [a, b] = v;
    return any_reference<decltype(a), decltype(b)>();
  } else if constexpr (count == 3) {
    [[maybe_unused]] auto& [a, b, c] = v;
    return any_reference<decltype(a), decltype(b), decltype(c)>();
  } else if constexpr (count == 4) {
    [[maybe_unused]] auto& [a, b, c, d] = v;
    return any_reference<decltype(a), decltype(b), decltype(c), decltype(d)>();
  } else if constexpr (count == 5) {
    [[maybe_unused]] auto& [a, b, c, d, e] = v;
    return any_reference<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e)>();
  } else if constexpr (count == 6) {
    [[maybe_unused]] auto& [a, b, c, d, e, f] = v;
    return any_reference<decltype(a), decltype(b), decltype(c), decltype(d), decltype(e), decltype(f)>();
  } else {
    return std::false_type{};
  }
}

/// Whether an object of this class is bound to others for its life: it can be copied, but not assigned to, and nothing
/// shows that what it holds are its own bytes. A closure's captures are its author's affair.
template <class T>
constexpr bool is_bound() {
  if constexpr (std::is_copy_assignable_v<T> || std::is_move_assignable_v<T> || !std::is_copy_constructible_v<T> ||
                is_closure<T>()) {
    return false;
  } else if constexpr (std::is_aggregate_v<T>) {
    return holds_pointers<T>() || decltype(refers_by_member(std::declval<T&>()))::value;
  } else {
    return std::is_trivially_copyable_v<T> && alignof(T) >= alignof(void*) && !made_of_bytes<T>;
  }
}

/// What looks at contiguous elements: data() of a constant one does not make them constant, as it does for an array.
template <class T>
concept contiguous_view =
    std::is_trivially_copyable_v<T> && !requires { std::tuple_size<T>::value; } && requires(T& v, T const& c) {
      c.size();
      { v.data() } -> std::same_as<decltype(c.data())>;
      requires std::is_pointer_v<decltype(c.data())>;
    } && !made_of_bytes<T>;

/// std::mdspan and its like.
template <class T>
concept multidimensional_view = std::is_trivially_copyable_v<T> && requires(T const& v) {
  typename T::extents_type;
  v.data_handle();
};

template <class T>
concept class_iterator = requires(T& at) {
  *at;
  { ++at } -> std::same_as<T&>;
  requires(
      requires { typename T::iterator_concept; } || requires { typename std::iterator_traits<T>::iterator_category; });
};

template <class T>
concept range_view = std::ranges::enable_view<T> && requires(T& v) { v.begin(); };

template <class... Asking, class... Part>
constexpr bool any_borrows(type_list<Part...>) {
  return (borrows<std::remove_all_extents_t<std::remove_cvref_t<Part>>, Asking...>() || ... || false);
}

/// Of a view of the ranges library: what its base, or what it is made of, refers to, or itself.
template <class T, class... Asking>
constexpr bool view_borrows() {
  using parts = typename template_parts<T>::type;
  if constexpr (requires { std::declval<T>().base(); }) {
    using base = decltype(std::declval<T>().base());
    // Of a ref_view the range itself, wherever it is; an owning_view and an adaptor give theirs away.
    return std::is_lvalue_reference_v<base> || borrows<std::remove_cvref_t<base>, T, Asking...>();
  } else {
    if constexpr (!std::is_void_v<parts>) {
      if (any_borrows<T, Asking...>(parts{})) return true;
    }
    if constexpr (std::ranges::enable_borrowed_range<T>) {
      // The iterators of an iota_view count, and give values.
      using element = decltype(*std::declval<T&>().begin());
      using value = typename std::iterator_traits<decltype(std::declval<T&>().begin())>::value_type;
      return !std::is_same_v<element, value>;
    } else {
      return std::is_void_v<parts> && holds_pointers<T>();
    }
  }
}

template <class T>
inline constexpr bool is_initializer_list = false;
template <class T>
inline constexpr bool is_initializer_list<std::initializer_list<T>> = true;
template <class T>
inline constexpr bool is_reference_holder = false;
template <class T>
inline constexpr bool is_reference_holder<std::reference_wrapper<T>> = true;

/// Whether T itself is a view, an iterator or a reference, as opposed to a value that holds some.
template <class T, class... Asking>
constexpr bool is_view() {
  if constexpr (!std::is_class_v<T> || std::is_empty_v<T> || says_how_owned<T>) {
    return false;
  } else if constexpr (is_reference_holder<T> || is_initializer_list<T> || contiguous_view<T> ||
                       multidimensional_view<T> || class_iterator<T>) {
    return true;
  } else if constexpr (range_view<T>) {
    return view_borrows<T, Asking...>();
  } else {
    return false;
  }
}

template <class T, class... Asking, std::size_t... I>
constexpr bool element_borrows(std::index_sequence<I...>) {
  return (std::is_reference_v<std::tuple_element_t<I, T>> || ... || false) ||
         (borrows<std::remove_cv_t<std::remove_reference_t<std::tuple_element_t<I, T>>>, T, Asking...>() || ... ||
          false);
}

/// std::array and its like: elements of one type, of which there may be a million.
template <class T>
concept array_like = requires(T const& c) {
  std::tuple_size<T>::value;
  typename T::value_type;
  c.begin();
};

template <class T>
concept holds_values = requires { typename T::value_type; } &&
                       (requires(T const& c) { c.begin(); } || requires(T const& c) { c.has_value(); });

/// Whether a value of type T refers to what others own, as far as its type tells: a view, an iterator, a reference, an
/// expression of operands, or a container or aggregate of such. A pointer may mean anything, and does not count.
/// `Asking` are the types whose parts are being looked at.
template <class T, class... Asking>
constexpr bool borrows() {
  if constexpr ((std::is_same_v<T, Asking> || ...) || !(std::is_class_v<T> || std::is_union_v<T>) ||
                std::is_empty_v<T>) {
    return false;
  } else if constexpr (says_how_owned<T>) {
    return !std::is_same_v<typename owned_result<T>::type, T>;
  } else if constexpr (is_view<T, Asking...>()) {
    return true;
  } else if constexpr (range_view<T>) {
    return false;
  } else if constexpr (!std::is_same_v<evaluated_t<T>, T>) {
    return true;
  } else if constexpr (array_like<T>) {
    return borrows<std::remove_cv_t<typename T::value_type>, T, Asking...>();
  } else if constexpr (requires { std::tuple_size<T>::value; }) {
    return element_borrows<T, Asking...>(std::make_index_sequence<std::tuple_size<T>::value>{});
  } else if constexpr (is_variant<T>) {
    return any_borrows<T, Asking...>(typename template_parts<T>::type{});
  } else if constexpr (holds_values<T>) {
    return borrows<std::remove_cv_t<typename T::value_type>, T, Asking...>();
  } else if constexpr (plain_aggregate<T>) {
    return any_borrows<T, Asking...>(fields_t<T>{});
  } else {
    return is_bound<T>();
  }
}

/// Whether there is nothing in a T but views and plain numbers, so that a copy of one of its parts outlives it.
template <class T>
constexpr bool refers_only();

template <class T, std::size_t... I>
constexpr bool elements_refer_only(std::index_sequence<I...>) {
  return (refers_only<std::remove_cvref_t<std::tuple_element_t<I, T>>>() && ...);
}
template <class... Field>
constexpr bool fields_refer_only(type_list<Field...>) {
  return (refers_only<std::remove_all_extents_t<Field>>() && ...);
}

template <class T>
constexpr bool refers_only() {
  if constexpr (!(std::is_class_v<T> || std::is_union_v<T>) || std::is_empty_v<T> || is_view<T>()) {
    return true;
  } else if constexpr (array_like<T>) {
    return refers_only<std::remove_cv_t<typename T::value_type>>();
  } else if constexpr (requires { std::tuple_size<T>::value; }) {
    return elements_refer_only<T>(std::make_index_sequence<std::tuple_size<T>::value>{});
  } else if constexpr (holds_values<T>) {
    using value = std::remove_cv_t<typename T::value_type>;
    // A view may refer to numbers of a container; to one in an optional it hardly does.
    return !std::is_same_v<value, T> && (std::is_class_v<value> || requires(T const& c) { c.has_value(); }) &&
           refers_only<value>();
  } else if constexpr (plain_aggregate<T>) {
    return fields_refer_only(fields_t<T>{});
  } else {
    return false;
  }
}

/// Whether a T made of a U would view a temporary that owns what it holds.
template <class T, class U>
concept views_temporary =
    std::is_class_v<T> && std::is_rvalue_reference_v<U> && std::is_class_v<std::remove_cvref_t<U>> &&
    !std::is_same_v<std::remove_cvref_t<U>, T> && is_view<T>() && !borrows<std::remove_cvref_t<U>>();

}  // namespace dally::detail
