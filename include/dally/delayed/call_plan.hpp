#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "dally/core/slot.hpp"
#include "dally/delayed/argument.hpp"
#include "dally/delayed/call_refusals.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/changing_member.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/traversal.hpp"

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

  /// The untold parameters that get a result which cannot be copied.
  template <std::size_t... I>
  static constexpr std::size_t uncopied(std::index_sequence<I...>) {
    std::size_t mask = 0;
    std::size_t bit = 1;
    [[maybe_unused]] auto const look = [&]<std::size_t J, class Argument>() {
      if constexpr (!known<J, Argument>) {
        if constexpr (holds_lazy<Argument>) {
          if (!copyable_v<plain_t<Argument>>) mask |= bit;
        }
        bit <<= 1;
      }
    };
    (look.template operator()<I, A>(), ...);
    return mask;
  }

  static constexpr std::size_t most_tried = 6;  // untold parameters whose choices are all tried: 64

  /// Of a mask that works, the same with as many of the parameters `left` as can be passed as `T const&`.
  template <class Callable, std::size_t Mask, std::size_t Left>
  static constexpr std::size_t reduced() {
    if constexpr (Left == 0) {
      return Mask;
    } else {
      constexpr std::size_t bit = Left & (~Left + 1);
      if constexpr (works_with<(Mask & ~bit), Callable>()) {
        return reduced<Callable, (Mask & ~bit), (Left & ~bit)>();
      } else {
        return reduced<Callable, Mask, (Left & ~bit)>();
      }
    }
  }

  /// The first choice of `T const&` and `T&&` for the untold parameters that compiles; `T const&` first. Of many
  /// parameters only those are tried as `T&&` whose results cannot be copied.
  template <class Callable, std::size_t Mask = 0>
  static constexpr std::size_t first_working() {
    if constexpr (works_with<Mask, Callable>()) {
      return Mask;
    } else if constexpr (unknown > most_tried) {
      constexpr std::size_t moved = uncopied(indices);
      if constexpr (works_with<moved, Callable>()) {
        return reduced<Callable, moved, moved>();
      } else {
        return none;
      }
    } else if constexpr (Mask + 1 < (std::size_t{1} << unknown)) {
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
  // What would hand the function handles of which it says nothing: a task would record with them while it runs.
  template <std::size_t... I>
  static constexpr std::size_t first_hidden(std::index_sequence<I...>) {
    std::size_t found = 0;
    [[maybe_unused]] auto const look = [&]<std::size_t J, class Argument>() {
      if constexpr (!known<J, Argument> && std::is_class_v<Argument>) {
        if (found == 0 && hides_lazies<Argument>()) found = J + 1;
      }
    };
    (look.template operator()<I, A>(), ...);
    return found;
  }
  static constexpr std::size_t hidden = first_hidden(indices);
};

template <class... A>
inline constexpr bool takes_void = (std::is_same_v<A, lazy<void>> || ... || false);

/// Whether F can be called with arguments A..., which may hold lazies; where it cannot, the compiler says why.
template <class F, class... A>
inline constexpr bool check_call() {
  if constexpr (takes_void<A...>) {
    static_assert(!takes_void<A...>,
                  "dally: a lazy<void> has no value and is no argument; to run after it, use .after(it) or it.then(f)");
    return false;
  } else {
    using calling = call_plan<F, A...>;
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
    static_assert(!calling::callable || calling::const_callable || std::is_copy_constructible_v<F>,
                  "dally: a callable whose call operator is not const works on a copy of its own in each call, so it "
                  "must be copyable; make its operator() const");
    if constexpr (calling::takes_reference || calling::takes_recorded || calling::takes_other_span ||
                  calling::changes_nothing) {
      return false;
    } else if constexpr (!calling::callable) {
      explain_call<calling, typename calling::parameters, unnamed_arguments<F>(), F, A...>();
      return false;
    } else if constexpr (calling::hidden != 0) {
      refused::hidden_lazies<static_cast<int>(calling::hidden),
                             typename parameter_at<calling::hidden - 1, parameter_list<A...>>::type>();
      return false;
    } else if constexpr (!calling::const_callable && !std::is_copy_constructible_v<F>) {
      return false;
    } else if constexpr (!is_kept<decltype(calling::try_call(calling::indices))>()) {
      refused::reference_to_what_cannot_be_copied<decltype(calling::try_call(calling::indices))>();
      return false;
    } else {
      return true;
    }
  }
}

}  // namespace dally::detail
