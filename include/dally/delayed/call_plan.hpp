#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "dally/delayed/argument.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/changing_member.hpp"
#include "dally/delayed/lazy.hpp"

namespace dally::detail {

/// How F gets each of the arguments A...: read off its parameters; where they do not tell, found out by trying.
template <class F, class... A>
struct call_plan {
  static constexpr std::size_t size = sizeof...(A);
  using parameters = typename parameters_of<F>::type;
  using modes = std::array<passing, size == 0 ? 1 : size>;

  template <std::size_t I, class Argument>
  static constexpr bool known = !std::is_same_v<typename parameter_at<I, parameters>::type, unknown_parameter>;

  template <class Parameter, class Argument>
  static constexpr passing known_mode() {
    if constexpr (is_lazy<Argument> && !std::is_lvalue_reference_v<Parameter> &&
                  is_view_of<std::remove_cvref_t<Parameter>, plain_t<Argument>>()) {
      return passing::view;
    } else if constexpr (reads_where_they_lie<std::remove_cvref_t<Parameter>, Argument>()) {
      return passing::refs;
    } else if constexpr (std::is_rvalue_reference_v<Parameter>) {
      return passing::own;
    } else if constexpr (std::is_reference_v<Parameter> || !is_lazy<Argument>) {
      return passing::read;  // a recorded argument belongs to the graph: a by-value parameter gets a copy
    } else {
      using value = plain_t<Argument>;
      return std::is_same_v<std::remove_cv_t<Parameter>, value> || !std::is_convertible_v<value const&, Parameter>
                 ? passing::own
                 : passing::read;
    }
  }

  template <std::size_t... I>
  static constexpr modes with_unknown(std::size_t mask, std::index_sequence<I...>) {
    modes all{};
    std::size_t bit = 1;
    [[maybe_unused]] auto const choose = [&]<std::size_t J, class Argument>() {
      if constexpr (known<J, Argument>) {
        all[J] = known_mode<typename parameter_at<J, parameters>::type, Argument>();
      } else {
        all[J] = (mask & bit) != 0 ? passing::own : passing::read;
        bit <<= 1;
      }
    };
    (choose.template operator()<I, A>(), ...);
    return all;
  }

  template <std::size_t... I>
  static constexpr std::size_t count_unknown(std::index_sequence<I...>) {
    return (std::size_t{known<I, A> ? 0U : 1U} + ... + 0);
  }

  static constexpr auto indices = std::index_sequence_for<A...>{};
  static constexpr std::size_t unknown = count_unknown(indices);

  template <std::size_t Mask, class Callable>
  static constexpr bool works_with() {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      [[maybe_unused]] constexpr modes tried = with_unknown(Mask, std::index_sequence<I...>{});
      return callable_with<Callable, typename argument<A>::template passed<tried[I]>...>;
    }(indices);
  }

  static constexpr std::size_t none = ~std::size_t{0};

  /// The first choice of `T const&` and `T&&` for the untold parameters that compiles; `T const&` first.
  template <class Callable, std::size_t Mask = 0>
  static constexpr std::size_t first_working() {
    if constexpr (works_with<Mask, Callable>()) {
      return Mask;
    } else if constexpr (unknown <= 6 && Mask + 1 < (std::size_t{1} << unknown)) {
      return first_working<Callable, Mask + 1>();
    } else {
      return none;
    }
  }

  static constexpr std::size_t as_const = first_working<F const&>();
  static constexpr bool const_callable = as_const != none;
  static constexpr std::size_t as_copy = [] {
    if constexpr (const_callable) {
      return none;
    } else {
      return first_working<F&>();
    }
  }();
  static constexpr bool callable = const_callable || as_copy != none;
  static constexpr modes chosen = with_unknown(const_callable ? as_const : callable ? as_copy : 0, indices);

  template <std::size_t... I>
  static auto try_call(std::index_sequence<I...>)
      -> decltype(detail::invoke(std::declval<std::conditional_t<const_callable, F const&, F&>>(),
                                 std::declval<typename argument<A>::template passed<chosen[I]>>()...));

  // What is said of a call that does not compile.
  template <std::size_t... I>
  static constexpr bool wants_reference(std::index_sequence<I...>) {
    [[maybe_unused]] auto const refused = []<std::size_t J, class Argument>() {
      using parameter = typename parameter_at<J, parameters>::type;
      return std::is_lvalue_reference_v<parameter> && !std::is_const_v<std::remove_reference_t<parameter>> &&
             !is_reference_wrapper<Argument>;
    };
    return (refused.template operator()<I, A>() || ... || false);
  }
  template <std::size_t... I>
  static constexpr bool moves_recorded(std::index_sequence<I...>) {
    [[maybe_unused]] auto const refused = []<std::size_t J, class Argument>() {
      using parameter = typename parameter_at<J, parameters>::type;
      return !holds_lazy<Argument> && !copyable_v<Argument> && !std::is_lvalue_reference_v<parameter> &&
             known<J, Argument>;
    };
    return (refused.template operator()<I, A>() || ... || false);
  }
  // A span that does not fit what a task returns.
  template <std::size_t... I>
  static constexpr bool wants_other_span(std::index_sequence<I...>) {
    [[maybe_unused]] auto const refused = []<std::size_t J, class Argument>() {
      using parameter = std::remove_cvref_t<typename parameter_at<J, parameters>::type>;
      if constexpr (is_lazy<Argument> && requires { parameter::extent; }) {
        return requires { typename parameter::element_type; } && requires { typename plain_t<Argument>::value_type; } &&
               !std::is_convertible_v<plain_t<Argument> const&, parameter>;
      } else {
        return false;
      }
    };
    return (refused.template operator()<I, A>() || ... || false);
  }
  static constexpr bool takes_other_span = wants_other_span(indices);
  static constexpr bool takes_reference = wants_reference(indices);
  static constexpr bool takes_recorded = moves_recorded(indices);
  // A member function that can only change a copy of its object, which ends with the call.
  static constexpr bool changes_nothing = [] {
    if constexpr (sizeof...(A) != 0 && changing_member<F>) {
      return changes_copy<typename changing_object<F>::type, A...>;
    } else {
      return false;
    }
  }();
  static constexpr bool takes_void = (std::is_same_v<A, lazy<void>> || ... || false);
};

/// Whether F can be called with arguments A..., which may hold lazies; where it cannot, the compiler says why.
template <class F, class... A>
inline constexpr bool check_call() {
  using calling = call_plan<F, A...>;
  static_assert(!calling::takes_void,
                "dally: a lazy<void> has no value and is no argument; to run after it, use .after(it) or it.then(f)");
  if constexpr (!calling::takes_void) {
    static_assert(!calling::takes_reference,
                  "dally: a task's function cannot take an argument by non-const reference (T&): results are shared; "
                  "take T const& or T, or pass std::ref(v)");
    static_assert(!calling::takes_recorded || calling::takes_reference,
                  "dally: a recorded argument belongs to the graph and is never moved, so one that cannot be copied "
                  "cannot be passed by value; take T const&, let a task make it, or hold it in a std::shared_ptr");
    static_assert(!calling::takes_other_span,
                  "dally: the elements of a result are read through a std::span<T const> of their own type, without a "
                  "fixed extent: results are shared");
    static_assert(!calling::changes_nothing,
                  "dally: this member function changes its object and returns nothing, so in a task it would change a "
                  "copy that ends with the call: results are shared. Return the changed object instead, as "
                  "delayed([](T x) { x.change(); return x; }) does, or use std::ref(v) or a pointer");
    static_assert(calling::callable || calling::takes_reference || calling::takes_recorded || calling::takes_other_span,
                  "dally: the function cannot be called with these arguments");
    static_assert(!calling::callable || calling::const_callable || std::is_copy_constructible_v<F>,
                  "dally: a callable whose call operator is not const works on a copy of its own in each call, so it "
                  "must be copyable; make its operator() const");
    return !calling::changes_nothing && calling::callable &&
           (calling::const_callable || std::is_copy_constructible_v<F>);
  } else {
    return false;
  }
}

}  // namespace dally::detail
