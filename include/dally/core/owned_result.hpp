#pragma once

#include <iterator>  // in libstdc++ it declares std::valarray
#include <string_view>
#include <type_traits>
#include <utility>

#ifdef _LIBCPP_VERSION
#include <valarray>
#endif

#include "dally/core/symbol.hpp"

namespace dally {

/// What a task's result of type R is kept as, once the task has ended and what it was given may be gone. Specialise it
/// for an expression template of your own, which refers to its operands:
///
///     template <> struct dally::owned_result<sum_of_images> { using type = image; };
///
/// The result is converted as by `type(r)`, inside the task; with `static type own(R const& r)` in the specialisation
/// by that. `using type = R;` says that an R owns what it holds, where dally cannot tell.
///
/// Known already  what evaluates to a type of its own: Eigen and Armadillo (`eval()`, `PlainObject`), Blaze
///                (`ResultType`), Boost.Multiprecision, std::valarray's expressions and slices, the references that
///                std::vector<bool> and std::bitset give; pairs, tuples and optionals of such
/// Cost           none at run time besides the conversion
template <class R>
struct owned_result {};

namespace detail {

template <class R>
concept says_how_owned = requires { typename owned_result<R>::type; };

/// Stands for one bit of a container, as std::vector<bool>::reference.
template <class R>
concept bit_reference = std::is_class_v<R> && std::is_convertible_v<R const&, bool> && requires(R& r) {
  r.flip();
  r = true;
};

template <class E>
concept evaluates_to_itself = requires(E const& e) {
  { e.eval() } -> std::convertible_to<E const&>;
  requires std::is_same_v<std::remove_cvref_t<decltype(e.eval())>, E>;
};

/// `r.eval()` is a value that evaluates to itself, as in Eigen and Armadillo: a member eval() alone may mean anything.
template <class R>
concept has_eval = requires(R const& r) {
  requires evaluates_to_itself<std::remove_cvref_t<decltype(r.eval())>>;
  requires std::is_constructible_v<std::remove_cvref_t<decltype(r.eval())>, R>;
};

/// What Eigen's expressions without eval() say, such as `lu.solve(b)`. A decomposition says it too, but owns its data.
template <class R>
concept has_plain_object =
    requires { typename R::PlainObject; } && !std::is_copy_assignable_v<R> &&
    evaluates_to_itself<typename R::PlainObject> && std::is_convertible_v<R, typename R::PlainObject>;

template <class R>
concept has_blaze_result = requires {
  typename R::ResultType;
  requires std::is_same_v<typename R::ResultType::ResultType, typename R::ResultType>;
  requires std::is_convertible_v<R, typename R::ResultType>;
};

template <class R>
constexpr bool is_boost_expression() {
  if constexpr (requires { typename R::result_type; }) {
    return type_name<R>().starts_with("boost::multiprecision::detail::expression<");
  } else {
    return false;
  }
}

/// Whether R is an expression or a slice of a std::valarray, by the names that standard libraries give them.
template <class R>
constexpr bool is_valarray_expression() {
  if constexpr (requires { typename R::value_type; }) {
    std::string_view name = type_name<R>();
    if (!name.starts_with("std::")) return false;
    name.remove_prefix(5);
    if (name.starts_with("__1::")) name.remove_prefix(5);
    for (std::string_view const known :
         {"_Expr<", "__val_expr<", "slice_array<", "gslice_array<", "mask_array<", "indirect_array<"}) {
      if (name.starts_with(known)) return true;
    }
  }
  return false;
}

/// What R evaluates to, by the marks of the library that it belongs to; R itself where it has none.
template <class R>
constexpr auto evaluated() {
  if constexpr (!std::is_class_v<R> || std::is_empty_v<R>) {
    return std::type_identity<R>{};
  } else if constexpr (says_how_owned<R>) {
    return std::type_identity<typename owned_result<R>::type>{};
  } else if constexpr (has_eval<R>) {
    return std::type_identity<std::remove_cvref_t<decltype(std::declval<R const&>().eval())>>{};
  } else if constexpr (has_plain_object<R>) {
    return std::type_identity<typename R::PlainObject>{};
  } else if constexpr (has_blaze_result<R>) {
    return std::type_identity<typename R::ResultType>{};
  } else if constexpr (bit_reference<R>) {
    return std::type_identity<bool>{};
  } else if constexpr (is_boost_expression<R>()) {
    return std::type_identity<typename R::result_type>{};
  } else if constexpr (is_valarray_expression<R>()) {
    return std::type_identity<std::valarray<typename R::value_type>>{};
  } else {
    return std::type_identity<R>{};
  }
}

template <class R>
using evaluated_t = typename decltype(detail::evaluated<R>())::type;

template <class R>
struct with_evaluated_parts {
  using type = R;
};
// Of what has the shape of a pair, tuple or optional.
template <template <class...> class C, class... Parts>
  requires(!(std::is_same_v<evaluated_t<Parts>, Parts> && ...) &&
           (requires { std::tuple_size<C<Parts...>>::value; } || requires(C<Parts...> const& c) { c.has_value(); }) &&
           std::is_constructible_v<C<evaluated_t<Parts>...>, C<Parts...>>)
struct with_evaluated_parts<C<Parts...>> {
  using type = C<evaluated_t<Parts>...>;
};

/// The same, of the parts of pairs, tuples and optionals too.
template <class R>
constexpr auto wholly_evaluated() {
  if constexpr (std::is_same_v<evaluated_t<R>, R> && std::is_class_v<R> && !says_how_owned<R>) {
    return std::type_identity<typename with_evaluated_parts<R>::type>{};
  } else {
    return std::type_identity<evaluated_t<R>>{};
  }
}

/// Turns what a function returned into what is kept of it.
template <class Kept, class Returned>
Kept owned(Returned&& r) {
  using result = std::decay_t<Returned>;
  if constexpr (requires { owned_result<result>::own(r); }) {
    return owned_result<result>::own(r);
  } else {
    return Kept(std::forward<Returned>(r));
  }
}

}  // namespace detail
}  // namespace dally
