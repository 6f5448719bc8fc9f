#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

#include "dally/core/borrowing.hpp"
#include "dally/core/owned_result.hpp"
#include "dally/delayed/argument.hpp"
#include "dally/delayed/call_plan.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/traversal.hpp"

/// What is kept of what a task's function returns, and whether that can outlive what the function was given.
namespace dally::detail {

/// The type of what a function gets for an argument of type A, without reference.
template <class A>
struct input_of {
  using type = plain_t<A>;
};
template <class T>
struct input_of<std::reference_wrapper<T>> {
  using type = std::remove_cv_t<T>;
};

struct anything {};

/// Whether an R can become an I of the same meaning: not what is made of anything, such as std::any.
template <class R, class I>
concept becomes =
    std::is_class_v<I> && !std::is_same_v<R, I> && std::is_convertible_v<R, I> && !std::is_convertible_v<anything, I>;

template <class R, class... Rest>
struct only_input {
  using type = void;  // none yet
};
template <class R, class I, class... Rest>
struct only_input<R, I, Rest...> : only_input<R, Rest...> {};
template <class R, class I, class... Rest>
  requires becomes<R, I>
struct only_input<R, I, Rest...> {
  using other = typename only_input<R, Rest...>::type;
  using type = std::conditional_t<std::is_void_v<other> || std::is_same_v<other, I>, I, R>;  // R: there are several
};

/// What a result of type R, made of inputs of types `I`, is kept as: what it evaluates to; of an expression without any
/// mark, which refers to operands, the one type of input that it converts to.
template <class R, class... I>
constexpr auto kept_result() {
  if constexpr (!std::is_class_v<R> || std::is_empty_v<R> || says_how_owned<R>) {
    return evaluated<R>();
  } else if constexpr (!std::is_same_v<typename decltype(wholly_evaluated<R>())::type, R>) {
    return wholly_evaluated<R>();
  } else if constexpr (is_bound<R>() || (std::is_trivially_copyable_v<R> && (becomes<R, I> || ...))) {
    using input = typename only_input<R, I...>::type;
    if constexpr (std::is_void_v<input> || std::is_same_v<input, R>) {
      return std::type_identity<R>{};
    } else if constexpr (is_bound<R>() || (!std::is_trivially_destructible_v<input> && holds_pointers<R>())) {
      return std::type_identity<input>{};
    } else {
      return std::type_identity<R>{};
    }
  } else {
    return std::type_identity<R>{};
  }
}

template <class R, class... A>
using kept_result_t = typename decltype(detail::kept_result<R, typename input_of<A>::type...>())::type;

/// Whether nothing ends with a value of type T that a view could refer to.
template <class T>
constexpr bool holds_nothing() {
  return !std::is_class_v<T> || std::is_empty_v<T> || is_view<T>();
}

/// Whether what a function gets for its J-th argument, of type A, outlives its result: what is recorded in the graph,
/// std::ref, what refers to others itself. `copied_out` is true of a result that was somewhere among the inputs before.
template <class Calling, std::size_t J, class A>
constexpr bool outlives_result(bool copied_out) {
  using parameter = typename parameter_at<J, typename Calling::parameters>::type;
  constexpr bool told = !std::is_same_v<parameter, unknown_parameter>;
  if constexpr (is_reference_wrapper<A>) {
    return true;
  } else if constexpr (holds_lazy<A>) {
    using input = plain_t<A>;
    if constexpr (is_lazy<A> && std::is_class_v<input>) {
      if (holds_nothing<input>()) return true;
    } else if constexpr (is_lazy<A>) {
      if (told && !std::is_reference_v<parameter>) return true;  // a number
    }
    return copied_out && refers_only<input>();
  } else if constexpr (!told) {
    return Calling::chosen[J] == passing::read || holds_nothing<A>();
  } else {
    // Another type's parameter is a temporary, and a value or an rvalue the function's own.
    using value = std::remove_cvref_t<parameter>;
    constexpr bool read = std::is_lvalue_reference_v<parameter> &&
                          (std::is_same_v<value, A> || std::is_base_of_v<value, A> || !std::is_class_v<value>);
    return read || holds_nothing<value>() ||
           (!std::is_reference_v<parameter> && std::is_trivially_destructible_v<value>);
  }
}

/// Whether F hands on what it is given, as a task of dally's own.
template <class F>
concept hands_on = requires { F::hands_on; };

/// Whether the result of a call may refer to something that has ended when it is read.
template <class F, class Calling, class Result, class Returned, class... A>
constexpr bool may_dangle() {
  if constexpr (hands_on<F> || !borrows<Result>()) {
    return false;
  } else if constexpr (!Calling::const_callable && !std::is_empty_v<F>) {
    return true;  // the callable is a copy that ends here
  } else {
    return []<std::size_t... J>(std::index_sequence<J...>) {
      return !(outlives_result<Calling, J, A>(std::is_lvalue_reference_v<Returned>) && ... && true);
    }(std::index_sequence_for<A...>{});
  }
}

/// The parameters of F called with A...; of a generic lambda those that `auto` and `auto const&` stand for.
template <class F, class... A>
constexpr auto told_parameters() {
  if constexpr (!std::is_void_v<typename parameters_of<F>::type>) {
    return typename parameters_of<F>::type{};
  } else if constexpr (requires {
                         detail::member_parameters(&F::template operator()<typename input_of<A>::type...>);
                       }) {
    return decltype(detail::member_parameters(&F::template operator()<typename input_of<A>::type...>)) {};
  } else {
    return parameter_list<>{};
  }
}

template <class Result, class Returned, class... P>
constexpr bool refers_to_parameter(parameter_list<P...>) {
  return ((std::is_same_v<std::remove_cv_t<P>, Result> ||
           (bit_reference<Returned> && !std::is_reference_v<P> && !holds_nothing<P>())) ||
          ... || false);
}

/// Whether what F returns is an expression of its own parameters, taken by value: those end before it is evaluated.
template <class F, class Result, class Returned, class... A>
constexpr bool returns_own_parameters() {
  if constexpr (std::is_same_v<Result, Returned> || !std::is_class_v<Returned>) {
    return false;
  } else {
    return refers_to_parameter<Result, Returned>(told_parameters<F, A...>());
  }
}

/// Whether a task may return what F returns, called with A...; where it may not, the compiler says why. `Borrows`: its
/// author has said `.borrows = true`.
template <bool Borrows, class F, class Call, class... A>
constexpr bool check_result() {
  constexpr bool dangles =
      !Borrows && may_dangle<F, typename Call::calling, typename Call::result, typename Call::returned, A...>();
  static_assert(!dangles,
                "dally: a task's result must not refer to what the task was given, as a view, an iterator, a reference "
                "or an expression does: that ends when its last consumer has run. Return a value that owns its data, "
                "such as std::string or std::vector; or give the task std::ref(v) or recorded values; where what it "
                "refers to lives longer, say delayed(f, {.borrows = true}); of a type of your own, "
                "dally::owned_result tells what it is kept as");
  constexpr bool own_parameters =
      returns_own_parameters<F, typename Call::result, std::decay_t<typename Call::returned>, A...>();
  static_assert(!own_parameters,
                "dally: the function returns an expression of parameters that it takes by value, and these end when it "
                "returns: take them by const&, or return the value of the expression");
  return !dangles && !own_parameters;
}

}  // namespace dally::detail
