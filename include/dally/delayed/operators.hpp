#pragma once

#include <cstddef>
#include <source_location>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "dally/core/fields.hpp"
#include "dally/core/slot.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/delayed.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/overloaded_name.hpp"

namespace dally {

namespace detail {

/// An operand that a value can be printed to: `std::cout << x` prints, it records nothing.
template <class T>
concept stream = requires {
  typename std::remove_cvref_t<T>::char_type;
  typename std::remove_cvref_t<T>::traits_type;
};

template <class T>
inline constexpr bool lazy_operand = is_lazy<std::remove_cvref_t<T>>;

template <class A, class B>
concept recordable_pair = (lazy_operand<A> || lazy_operand<B>) && !stream<A>;

/// The place of a recorded operation: that of its leftmost lazy operand.
template <class A, class... Rest>
std::source_location place_of(A const& a, Rest const&... rest) {
  if constexpr (is_lazy<A>) {
    return detail::node_of(a)->place();
  } else {
    return detail::place_of(rest...);
  }
}

template <class Operation, class... Operands>
auto record_operation(Operands&&... operands) {
  std::source_location const place = detail::place_of(operands...);
  return record<Operation>(place, nullptr, Operation{}, std::forward<Operands>(operands)...);
}

}  // namespace detail

// An operand that was a literal where it stood is a variable here, and would be warned of: `size > 3` compares an
// unsigned with a signed value, `x * 0.5f` may lose some of an int.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wdouble-promotion"

// An operator on a lazy records a task that applies it to the values. Both sides of && and || run.
#define DALLY_BINARY_OPERATOR(symbol, function)                                                                   \
  namespace detail {                                                                                              \
  struct function {                                                                                               \
    static constexpr std::string_view task_label = #symbol;                                                       \
    template <class A, class B>                                                                                   \
    auto operator()(A&& a, B&& b) const -> std::decay_t<decltype(std::forward<A>(a) symbol std::forward<B>(b))> { \
      return std::forward<A>(a) symbol std::forward<B>(b);                                                        \
    }                                                                                                             \
  };                                                                                                              \
  }                                                                                                               \
  template <class A, class B>                                                                                     \
    requires detail::recordable_pair<A, B>                                                                        \
  [[nodiscard]] auto operator symbol(A&& a, B&& b) {                                                              \
    return detail::record_operation<detail::function>(std::forward<A>(a), std::forward<B>(b));                    \
  }

DALLY_BINARY_OPERATOR(+, plus)
DALLY_BINARY_OPERATOR(-, minus)
DALLY_BINARY_OPERATOR(*, multiplies)
DALLY_BINARY_OPERATOR(/, divides)
DALLY_BINARY_OPERATOR(%, modulus)
DALLY_BINARY_OPERATOR(&, bit_and)
DALLY_BINARY_OPERATOR(|, bit_or)
DALLY_BINARY_OPERATOR(^, bit_xor)
DALLY_BINARY_OPERATOR(<<, shift_left)
DALLY_BINARY_OPERATOR(>>, shift_right)
DALLY_BINARY_OPERATOR(&&, logical_and)
DALLY_BINARY_OPERATOR(||, logical_or)
DALLY_BINARY_OPERATOR(==, equal_to)
DALLY_BINARY_OPERATOR(!=, not_equal_to)
DALLY_BINARY_OPERATOR(<, less)
DALLY_BINARY_OPERATOR(<=, less_equal)
DALLY_BINARY_OPERATOR(>, greater)
DALLY_BINARY_OPERATOR(>=, greater_equal)

#undef DALLY_BINARY_OPERATOR

#define DALLY_UNARY_OPERATOR(symbol, function)                                          \
  namespace detail {                                                                    \
  struct function {                                                                     \
    static constexpr std::string_view task_label = #symbol;                             \
    template <class A>                                                                  \
    auto operator()(A&& a) const -> std::decay_t<decltype(symbol std::forward<A>(a))> { \
      return symbol std::forward<A>(a);                                                 \
    }                                                                                   \
  };                                                                                    \
  }                                                                                     \
  template <class A>                                                                    \
    requires detail::lazy_operand<A>                                                    \
  [[nodiscard]] auto operator symbol(A&& a) {                                           \
    return detail::record_operation<detail::function>(std::forward<A>(a));              \
  }

DALLY_UNARY_OPERATOR(-, negate)
DALLY_UNARY_OPERATOR(~, bit_not)
DALLY_UNARY_OPERATOR(!, logical_not)

#undef DALLY_UNARY_OPERATOR

// `x += y` records a task that applies += to x's value, in place at its last use, and binds x to it. The handle's type
// stays.
#define DALLY_ASSIGNMENT_OPERATOR(symbol, function)                                                        \
  namespace detail {                                                                                       \
  template <class T>                                                                                       \
  struct function {                                                                                        \
    static constexpr std::string_view task_label = #symbol;                                                \
    template <class B>                                                                                     \
      requires requires(T& a, B&& b) { a symbol std::forward<B>(b); }                                      \
    T operator()(T&& a, B&& b) const {                                                                     \
      a symbol std::forward<B>(b);                                                                         \
      return std::move(a);                                                                                 \
    }                                                                                                      \
  };                                                                                                       \
  }                                                                                                        \
  template <class T, class B>                                                                              \
  lazy<T>& operator symbol(lazy<T>& a, B && b) {                                                           \
    a = detail::record_operation<detail::function<T>>(static_cast<lazy<T> const&>(a), std::forward<B>(b)); \
    return a;                                                                                              \
  }

DALLY_ASSIGNMENT_OPERATOR(+=, plus_assign)
DALLY_ASSIGNMENT_OPERATOR(-=, minus_assign)
DALLY_ASSIGNMENT_OPERATOR(*=, multiplies_assign)
DALLY_ASSIGNMENT_OPERATOR(/=, divides_assign)
DALLY_ASSIGNMENT_OPERATOR(%=, modulus_assign)
DALLY_ASSIGNMENT_OPERATOR(&=, bit_and_assign)
DALLY_ASSIGNMENT_OPERATOR(|=, bit_or_assign)
DALLY_ASSIGNMENT_OPERATOR(^=, bit_xor_assign)
DALLY_ASSIGNMENT_OPERATOR(<<=, shift_left_assign)
DALLY_ASSIGNMENT_OPERATOR(>>=, shift_right_assign)

#undef DALLY_ASSIGNMENT_OPERATOR

namespace detail {

struct subscript {
  static constexpr std::string_view task_label = "[]";
  template <class A, class I>
  auto operator()(A const& a, I const& i) const -> decltype(a[i]) {
    if constexpr (std::is_integral_v<I> && !requires { typename A::key_type; } && requires { typename A::size_type; }) {
      return a[static_cast<typename A::size_type>(i)];  // as a literal index would be converted, without a warning
    } else {
      return a[i];
    }
  }
  // std::map and its like have [] only for what may be changed: read with at().
  template <class A, class I>
    requires(!requires(A const& a, I const& i) { a[i]; })
  auto operator()(A const& a, I const& i) const -> decltype(a.at(i)) {
    return a.at(i);
  }
};

#pragma GCC diagnostic pop

/// `[12]`, for I = 12.
template <std::size_t I>
struct index_text {
  char text[24]{};
  std::size_t size = 0;

  constexpr index_text() {
    text[size++] = '[';
    std::size_t unit = 1;
    while (I / unit >= 10) unit *= 10;
    for (; unit != 0; unit /= 10) text[size++] = static_cast<char>('0' + I / unit % 10);
    text[size++] = ']';
  }
};

template <class T>
inline constexpr bool has_array_field = false;
template <class... Field>
inline constexpr bool has_array_field<type_list<Field...>> = (std::is_array_v<Field> || ...);

/// An aggregate whose members are told apart, as a structured binding does.
template <class T>
concept unpacked_aggregate = !tuple_like<T> && std::is_aggregate_v<T> && !std::is_empty_v<T> && plain_aggregate<T> &&
                             !has_array_field<fields_t<T>>;

template <std::size_t I, class List>
struct type_at;
template <std::size_t I, class... T>
struct type_at<I, type_list<T...>> : parameter_at<I, parameter_list<T...>> {};

/// The type of the I-th element of a pair, tuple, array or aggregate.
template <std::size_t I, class T>
struct element_type {
  using type = typename type_at<I, fields_t<T>>::type;
};
template <std::size_t I, tuple_like T>
struct element_type<I, T> : std::tuple_element<I, T> {};

/// The I-th element of a pair, tuple, array or aggregate.
template <std::size_t I>
struct element {
  static constexpr index_text<I> index{};
  static constexpr std::string_view task_label{index.text, index.size};
  template <class Tuple>
  decltype(auto) operator()(Tuple const& tuple) const {
    using std::get;
    using copied = typename element_type<I, Tuple>::type;
    static_assert(copyable_v<copied>,
                  "dally: an unpacked element is copied, so its type must be copyable; take the whole tuple in a task");
    if constexpr (tuple_like<Tuple>) {
      return get<I>(tuple);
    } else {
      return with_fields(tuple, [](auto const&... field) -> copied const& { return std::get<I>(std::tie(field...)); });
    }
  }
};

}  // namespace detail

template <class T>
template <class Index>
auto lazy<T>::operator[](Index&& index) const {
  return detail::record_operation<detail::subscript>(*this, std::forward<Index>(index));
}

/// Records a read of a data member: `x->*&S::member`.
template <class T, class M, class Class>
[[nodiscard]] auto operator->*(lazy<T> const& x, M Class::* member) {
  return x.call(member);
}

template <class T, class Member = detail::overloaded_name>
detail::refused_name<Member> operator->*(lazy<T> const& x, Member member) = delete;

/// The I-th element of a lazy pair, tuple, array or aggregate; what structured bindings call.
template <std::size_t I, class T>
  requires(detail::tuple_like<T> || detail::unpacked_aggregate<T>)
[[nodiscard]] auto get(lazy<T> const& x) {
  return detail::record_operation<detail::element<I>>(x);
}

}  // namespace dally

template <dally::detail::tuple_like T>
struct std::tuple_size<dally::lazy<T>> : std::tuple_size<T> {};
template <dally::detail::unpacked_aggregate T>
struct std::tuple_size<dally::lazy<T>> : std::integral_constant<std::size_t, dally::detail::field_count<T>()> {};
template <std::size_t I, class T>
  requires(dally::detail::tuple_like<T> || dally::detail::unpacked_aggregate<T>)
struct std::tuple_element<I, dally::lazy<T>> {
  using type = dally::lazy<typename dally::detail::element_type<I, T>::type>;
};
