#pragma once

#include <cstddef>
#include <iterator>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "dally/core/fields.hpp"
#include "dally/core/refusal.hpp"
#include "dally/core/slot.hpp"
#include "dally/delayed/argument.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/traversal.hpp"

/// What the compiler says of a call that cannot be recorded. Each is called where that is known, and its arguments tell
/// which argument of the call is meant, counted from 1, and what types have met.
namespace dally::refused {

template <int parameters, int arguments>
DALLY_REFUSES(
    "the function takes more parameters than it is given arguments; default arguments are not known of a function that "
    "is passed: give them all, or wrap the call in a lambda, [](int x) { return f(x); }")
constexpr void too_few_arguments() {}

template <int parameters, int arguments>
DALLY_REFUSES(
    "the function takes fewer parameters than it is given arguments: leave some out, or wrap the call in a lambda")
constexpr void too_many_arguments() {}

template <class member>
DALLY_REFUSES("a member is used on an object, which is the first argument: delayed(&S::member)(object, arguments...)")
constexpr void no_object() {}

template <int argument, class given, class parameter>
DALLY_REFUSES(
    "this argument does not convert to the type of the function's parameter: pass what does, or convert it in a lambda")
constexpr void argument_does_not_convert() {}

template <int argument, class given, class parameter>
DALLY_REFUSES(
    "an array that is passed becomes a pointer, as std::thread's do, and the function takes a reference to an array: "
    "take and pass a std::array, or pass std::cref(the array)")
constexpr void array_becomes_pointer() {}

template <int argument, class given, class parameter>
DALLY_REFUSES("NULL and 0 are numbers once they are recorded, and the function takes a pointer: pass nullptr")
constexpr void number_for_pointer() {}

template <int argument, class given, class parameter>
DALLY_REFUSES(
    "a parameter T const& reads a result where it lies, and this result becomes the parameter's type only if it is "
    "moved: take the parameter by value, or take a const reference to what is given, in a lambda")
constexpr void moved_for_const_reference() {}

template <int argument, class given>
DALLY_REFUSES(
    "there are lazies in this argument, and it is not looked into: specialise dally::traversal for a struct of your "
    "own; of containers, vector, array, deque, list, map, unordered_map, optional, pair, tuple and variant are looked "
    "into. A function that wants the handles themselves gets them as dally::lazy{value}")
constexpr void hidden_lazies() {}

template <class callable, class... given>
DALLY_REFUSES(
    "the callable or operator cannot be called with values of these types: results are passed as T const&, and as T&& "
    "where that does not compile")
constexpr void arguments_do_not_fit() {}

template <class returned>
DALLY_REFUSES(
    "a task's result is kept as a value, and what this function returns a reference to cannot be copied: return void, "
    "or a pointer")
constexpr void reference_to_what_cannot_be_copied() {}

}  // namespace dally::refused

namespace dally::detail {

template <class T, class... Inside>
constexpr bool hides_lazies();

/// Whether a part of something is a lazy, has lazies that would be found, or hides some; `Inside` what it is a part of.
template <class Part, class... Inside>
constexpr bool is_or_hides_lazies() {
  using part = std::remove_cvref_t<Part>;
  if constexpr (is_lazy<part> || holds_lazy<part>) {
    return true;
  } else {
    return hides_lazies<part, Inside...>();
  }
}

template <class T>
concept range_of_values = requires(T const& t) {
  typename T::value_type;
  std::begin(t) != std::end(t);
};

/// Whether there are lazies in a T that nobody looks for: in a view, behind a pointer, in a struct without a traversal.
template <class T, class... Inside>
constexpr bool hides_lazies() {
  if constexpr (is_lazy<T> || holds_lazy<T> || (std::is_same_v<T, Inside> || ...)) {
    return false;
  } else if constexpr (std::is_pointer_v<T>) {
    return is_lazy<std::remove_cv_t<std::remove_pointer_t<T>>> ||
           holds_lazy<std::remove_cv_t<std::remove_pointer_t<T>>>;
  } else if constexpr (!std::is_class_v<T>) {
    return false;
  } else if constexpr (range_of_values<T>) {
    return is_or_hides_lazies<typename T::value_type, T, Inside...>();
  } else if constexpr (tuple_like<T>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (is_or_hides_lazies<std::tuple_element_t<I, T>, T, Inside...>() || ... || false);
    }(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (std::is_empty_v<T> || !std::is_aggregate_v<T>) {
    return false;
  } else if constexpr (plain_aggregate<T>) {
    return []<class... Field>(type_list<Field...>) {
      return (is_or_hides_lazies<Field, T, Inside...>() || ... || false);
    }(fields_t<T>{});
  } else {
    return false;
  }
}

/// Says of an argument of type A, the I-th, why it is not passed as P. True if nothing is wrong.
template <std::size_t I, class Passed, class P, class A>
constexpr bool explain_argument() {
  using given = plain_t<A>;
  constexpr int position = static_cast<int>(I);
  if constexpr (std::is_same_v<P, unknown_parameter> || std::is_convertible_v<Passed, P>) {
    return true;
  } else if constexpr (hides_lazies<A>()) {
    refused::hidden_lazies<position, A>();
  } else if constexpr (std::is_array_v<std::remove_reference_t<P>>) {
    refused::array_becomes_pointer<position, given, P>();
  } else if constexpr (std::is_pointer_v<std::remove_cvref_t<P>> && std::is_integral_v<given>) {
    refused::number_for_pointer<position, given, P>();
  } else if constexpr (holds_lazy<A> && std::is_lvalue_reference_v<P> && std::is_convertible_v<given, P>) {
    refused::moved_for_const_reference<position, given, P>();
  } else {
    refused::argument_does_not_convert<position, given, P>();
  }
  return false;
}

/// Says why a call does not compile. `Unnamed` are the first arguments, which the user does not count.
template <class Plan, class Parameters, std::size_t Unnamed, class F, class... A>
constexpr void explain_call() {
  if constexpr (std::is_void_v<Parameters>) {
    if constexpr ((hides_lazies<A>() || ... || false)) {
      []<std::size_t... I>(std::index_sequence<I...>) {
        [[maybe_unused]] auto const look = []<std::size_t J, class Argument>() {
          if constexpr (hides_lazies<Argument>()) refused::hidden_lazies<static_cast<int>(J + 1), Argument>();
        };
        (look.template operator()<I, A>(), ...);
      }(std::index_sequence_for<A...>{});
    } else {
      refused::arguments_do_not_fit<F, plain_t<A>...>();
    }
  } else {
    constexpr int parameters = static_cast<int>(Parameters::size - Unnamed);
    constexpr int arguments = static_cast<int>(sizeof...(A)) - static_cast<int>(Unnamed);
    if constexpr (arguments < 0) {
      refused::no_object<F>();
    } else if constexpr (parameters > arguments) {
      refused::too_few_arguments<parameters, arguments>();
    } else if constexpr (parameters < arguments) {
      refused::too_many_arguments<parameters, arguments>();
    } else {
      constexpr bool each_fits = []<std::size_t... I>(std::index_sequence<I...>) {
        return (explain_argument<I + 1 - Unnamed, typename argument<A>::template passed<Plan::chosen[I]>,
                                 typename parameter_at<I, Parameters>::type, A>() &&
                ... && true);
      }(std::index_sequence_for<A...>{});
      if constexpr (each_fits) refused::arguments_do_not_fit<F, plain_t<A>...>();
    }
  }
}

/// How many arguments of a recorded call of F the user does not count: a member's object, what a call waits for.
template <class F>
constexpr std::size_t unnamed_arguments() {
  if constexpr (requires { typename F::precedes; }) {
    return 1 + unnamed_arguments<typename F::precedes>();
  } else {
    return std::is_member_pointer_v<F> ? 1 : 0;
  }
}

/// Whether what a task returns as R can be kept.
template <class R>
constexpr bool is_kept() {
  using value = std::decay_t<R>;
  if constexpr (!std::is_reference_v<R>) {
    return true;
  } else if constexpr (std::is_rvalue_reference_v<R>) {
    return std::is_constructible_v<value, R>;
  } else {
    return std::is_constructible_v<value, R> && copyable_v<value>;
  }
}

}  // namespace dally::detail
