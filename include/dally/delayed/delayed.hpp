#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "dally/core/module.hpp"
#include "dally/core/symbol.hpp"
#include "dally/core/token.hpp"
#include "dally/delayed/argument.hpp"
#include "dally/delayed/call_wire.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/graph/node.hpp"
#include "dally/serialize/codec.hpp"

namespace dally {

template <class F, bool HasOptions = false>
class delayed;

namespace detail {

/// The same function at the same place, its calls pure unless its options say that they are not.
template <class F, bool HasOptions>
delayed<F, true> made_pure(delayed<F, HasOptions> const& f);

template <class T>
inline constexpr bool is_delayed = false;
template <class F, bool HasOptions>
inline constexpr bool is_delayed<delayed<F, HasOptions>> = true;

template <class F>
[[gnu::cold]] std::string type_label(node const& self) {
  if constexpr (is_lambda_name(type_name<F>())) {
    return joined({"lambda at ", self.place_text()});
  } else {
    return declared_name(type_name<F>());
  }
}

/// The declared name of the callable at the start of a node's payload; "" for a function that has no symbol.
template <class F>
[[gnu::cold]] std::string callable_label(node const& self) {
  if constexpr (requires { F::task_label; }) {
    return std::string{std::string_view{F::task_label}};
  } else if constexpr (requires { typename F::stands_for; }) {
    return type_label<typename F::stands_for>(self);
  } else if constexpr (requires { typename F::precedes; }) {
    return callable_label<typename F::precedes>(self);  // its first member
  } else if constexpr (std::is_function_v<std::remove_pointer_t<F>>) {
    return function_name(reinterpret_cast<void const*>(*static_cast<F const*>(self.payload())));
  } else if constexpr (std::is_member_function_pointer_v<F>) {
    // An ordinary member function's pointer begins with its address (Itanium C++ ABI, 2.3); a virtual one's does not.
    std::uintptr_t address = 0;
    std::memcpy(&address, self.payload(), sizeof address);
    return (address & 1) != 0 ? std::string{} : function_name(reinterpret_cast<void const*>(address));
  } else {
    return type_label<F>(self);
  }
}

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
  static constexpr bool takes_void = (std::is_same_v<A, lazy<void>> || ... || false);
};

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
    static_assert(calling::callable || calling::takes_reference || calling::takes_recorded || calling::takes_other_span,
                  "dally: the function cannot be called with these arguments");
    static_assert(!calling::callable || calling::const_callable || std::is_copy_constructible_v<F>,
                  "dally: a callable whose call operator is not const works on a copy of its own in each call, so it "
                  "must be copyable; make its operator() const");
    return calling::callable && (calling::const_callable || std::is_copy_constructible_v<F>);
  } else {
    return false;
  }
}

/// What a node of a call keeps: the callable first, then what its arguments store.
template <class F, class... A>
struct recorded_call {
  using calling = call_plan<F, A...>;
  using indices = std::index_sequence_for<A...>;

  [[no_unique_address]] F function;
  [[no_unique_address]] parts<indices, typename argument<A>::stored...> kept;

  static constexpr bool fixed = (argument<A>::fixed && ... && true);
  static constexpr bool writes_through = (is_mutable_reference<A> || ... || false);

  using returned = decltype(calling::try_call(indices{}));
  using result = std::decay_t<returned>;

  // Returns a value even where the function returns a reference: that may be into an argument, or into the copy, which
  // end here.
  template <std::size_t... I>
  result run(inputs const& in, std::index_sequence<I...>) const {
    std::array<std::size_t, sizeof...(A) + 1> first{};
    ((first[I + 1] = first[I] + argument<A>::taken(part_at<I>(kept))), ...);
    if constexpr (std::is_member_pointer_v<F>) {
      return detail::invoke(function, argument<A>::template get<calling::chosen[I]>(part_at<I>(kept), in, first[I])...);
    } else if constexpr (calling::const_callable) {
      return function(argument<A>::template get<calling::chosen[I]>(part_at<I>(kept), in, first[I])...);
    } else {
      F copy(function);
      return copy(argument<A>::template get<calling::chosen[I]>(part_at<I>(kept), in, first[I])...);
    }
  }

  static constexpr wire_type const* wire() { return call_wire_of<recorded_call, F, A...>(); }

  [[nodiscard]] static recorded_call const& of(node const& self) noexcept {
    if constexpr (fixed) {
      // Known at compile time where the payload begins.
      constexpr std::size_t dependencies = (std::size_t{0} + ... + fixed_count_of<argument<A>>());
      constexpr std::size_t end = sizeof(node) + dependencies * sizeof(dependency);
      constexpr std::size_t offset =
          (end + alignof(recorded_call) - 1) / alignof(recorded_call) * alignof(recorded_call);
      return *reinterpret_cast<recorded_call const*>(reinterpret_cast<std::byte const*>(&self) + offset);
    } else {
      return *static_cast<recorded_call const*>(self.payload());
    }
  }

  static node const* invoke(node const& self, inputs const& in, void* at) {
    recorded_call const& call = of(self);
    if constexpr (std::is_void_v<returned>) {
      call.run(in, indices{});
      ::new (at) std::monostate{};
    } else {
      ::new (at) result(call.run(in, indices{}));
    }
    return nullptr;
  }

 private:
  template <class Argument>
  static constexpr std::size_t fixed_count_of() {
    if constexpr (Argument::fixed) {
      return Argument::fixed_count;
    } else {
      return 0;
    }
  }
};

template <class Call, class F>
inline constexpr node_type call_node{&value_type_of<stored_t<typename Call::result>>,
                                     &Call::invoke,
                                     std::is_trivially_destructible_v<Call> ? nullptr : &destroy_value<Call>,
                                     &callable_label<F>,
                                     alignof(Call),
                                     Call::writes_through,
                                     std::is_empty_v<Call> ? 0 : sizeof(Call),
                                     rules_for<stored_t<typename Call::result>>(),
                                     wire_type_of<stored_t<typename Call::result>>,
                                     Call::wire()};

/// Refuses a handle that is moved into two arguments: the second would find it empty.
template <class First, class... Rest>
void refuse_moved_twice([[maybe_unused]] First& first, Rest&... rest) {
  if constexpr (is_lazy<First> && (std::is_same_v<First, Rest> || ...)) {  // not const: moved
    bool const twice =
        ((static_cast<void const*>(&first) == static_cast<void const*>(&rest) && std::is_same_v<First, Rest>) || ...);
    if (twice) refuse<graph_error>({"one lazy was moved into two arguments of a call: copy it instead"});
  }
  if constexpr (sizeof...(Rest) > 1) detail::refuse_moved_twice(rest...);
}
inline void refuse_moved_twice() {}

template <class F, class... A, std::size_t... I, class... Args>
node const* record_call(std::source_location place, auto extras, auto&& function, std::index_sequence<I...>,
                        Args&... args) {
  using call = recorded_call<F, A...>;
  std::size_t const count = (std::size_t{0} + ... + argument<A>::count(args));
  detail::refuse_moved_twice(args...);
  constexpr bool certain =
      (noexcept(argument<A>::template link<call::calling::chosen[I]>(
           args, std::declval<typename argument<A>::stored&>(), std::declval<dependency_writer&>())) &&
       ... && true);
  call* kept = nullptr;
  return node::record(
      call_node<call, F>, place, extras, count,
      [&](void* at) {
        kept = ::new (at) call{std::forward<decltype(function)>(function), {{argument<A>::store(args)}...}};
      },
      [&](dependency* row) noexcept(certain) {
        [[maybe_unused]] dependency_writer writer{row, row + count};
        if constexpr (certain) {
          (argument<A>::template link<call::calling::chosen[I]>(args, part_at<I>(kept->kept), writer), ...);
        } else {
          written_dependencies guard{row, writer};
          (argument<A>::template link<call::calling::chosen[I]>(args, part_at<I>(kept->kept), writer), ...);
          if (writer.next != writer.end) refuse_other_lazies();
          guard.row = writer.next;
        }
        return writer.highest;
      });
}

template <class T>
[[noreturn, gnu::cold]] void refuse_token(char const* what) {
  refuse<config_error>({"a pure call needs a token of ", what, ", and there is none for the type ",
                        declared_name(type_name<T>()),
                        "; define dally::token token_of(T const&) in its namespace, or say {.pure = false}"});
}

/// Who a function is. `fn<f>`: the build it belongs to and its place there, the same in every process. Else, in this
/// process only, the address of a function, or the type of a callable with whatever token its state has.
template <class F, class... A>
[[gnu::cold]] void add_function_token(token_hash& hash, F const& function) {
  if constexpr (requires { F::is_function_constant; }) {
    hash.add_number('n');
    hash.add_text(F::task_label);
    hash.add(place_in_build(&type_anchor<F>));
  } else if constexpr (std::is_function_v<std::remove_pointer_t<F>>) {
    hash.add_number('p');
    hash.add_number(reinterpret_cast<std::uintptr_t>(function));
  } else {
    hash.add_number('q');
    hash.add_number(reinterpret_cast<std::uintptr_t>(&type_anchor<parameter_list<F, A...>>));
    if constexpr (requires { typename F::stands_for; }) {
      add_function_token<typename F::stands_for, A...>(hash, *function.function);
    } else if constexpr (requires { typename F::precedes; }) {
      add_function_token<decltype(F::function), A...>(hash, function.function);
    } else if constexpr (std::is_member_pointer_v<F>) {
      hash.add_bytes(&function, sizeof function);
    } else if constexpr (tokenizable<F>) {
      add_token(hash, function);
    } else if constexpr (!std::is_empty_v<F>) {
      refuse_token<F>("its callable, which has state");
    }
  }
}

/// What equal pure calls share. Errors: config_error naming a type without token.
template <class F, class... A>
[[gnu::cold]] token token_of_call(F const& function, A const&... args) {
  token_hash hash;
  add_function_token<F, A...>(hash, function);
  [[maybe_unused]] auto const add = [&]<class T>(T const& arg) {
    if constexpr (tokenizable<T>) {
      add_token(hash, arg);
    } else {
      refuse_token<T>("each argument");
    }
  };
  (add(args), ...);
  return hash.digest();
}

/// Records a call of `function` (an F, copied or moved) with arguments that may hold lazies.
template <class F, class Extras, class Function, class... Args>
auto record(std::source_location place, Extras extras, Function&& function, Args&&... args) {
  if constexpr (check_call<F, std::decay_t<Args>...>()) {
    using result = typename recorded_call<F, std::decay_t<Args>...>::result;
    // Calls without options pay neither for tokens nor for an object that would hold them.
    [[maybe_unused]] std::conditional_t<std::is_null_pointer_v<Extras>, std::nullptr_t, node_extras> pure{};
    if constexpr (!std::is_null_pointer_v<Extras>) {
      if (extras->options.pure) {
        pure = {extras->options, token_of_call<F, std::decay_t<Args>...>(function, args...), &merge_pure_calls,
                extras->retries};
        extras = &pure;
      }
    }
    return make_lazy<result>(record_call<F, std::decay_t<Args>...>(
        place, extras, std::forward<Function>(function), std::index_sequence_for<Args...>{},
        // An lvalue is shared: seen as const; a const rvalue too. An array becomes a pointer, of its own constness.
        static_cast<
            std::conditional_t<std::is_lvalue_reference_v<Args> && !std::is_array_v<std::remove_reference_t<Args>>,
                               std::remove_reference_t<Args> const, std::remove_reference_t<Args>>&>(args)...));
  }
}

/// A callable that can only be moved, shared by the calls that are recorded of it.
template <class F>
struct shared_callable {
  using stands_for = F;
  std::shared_ptr<F const> function;

  template <class... Args>
    requires callable_with<F const&, Args...>
  decltype(auto) operator()(Args&&... args) const {
    return detail::invoke(*function, std::forward<Args>(args)...);
  }
};

/// Calls the value of its first argument with the others: what a recorded call of a lazy callable does.
struct call_value {
  static constexpr std::string_view task_label = "call";

  template <class F, class... Args>
    requires callable_with<F const&, Args...>
  decltype(auto) operator()(F const& function, Args&&... args) const {
    return detail::invoke(function, std::forward<Args>(args)...);
  }
  template <class F, class... Args>
    requires(!callable_with<F const&, Args...> && callable_with<F&, Args...>)
  auto operator()(F const& function, Args&&... args) const {
    F copy(function);
    return detail::invoke(copy, std::forward<Args>(args)...);
  }
};

/// Calls F without the value, which is void's, of the task it waits for.
template <class F>
struct call_afterwards {
  using precedes = F;
  [[no_unique_address]] F function;

  template <class... Args>
    requires callable_with<F const&, Args...>
  decltype(auto) operator()(std::monostate const&, Args&&... args) const {
    return detail::invoke(function, std::forward<Args>(args)...);
  }
  template <class... Args>
    requires(!callable_with<F const&, Args...> && callable_with<F&, Args...>)
  decltype(auto) operator()(std::monostate const&, Args&&... args) {
    return detail::invoke(function, std::forward<Args>(args)...);
  }
};

/// What the node of a call of F keeps as its callable.
template <class F>
using kept_callable = std::conditional_t<std::is_copy_constructible_v<F>, F, shared_callable<F>>;

template <class F>
kept_callable<F> keep_callable(F&& function) {
  if constexpr (std::is_copy_constructible_v<F>) {
    return std::move(function);
  } else {
    return {std::make_shared<F const>(std::move(function))};
  }
}

}  // namespace detail

/// A function whose calls are recorded: `delayed(f)(args...)` is a lazy of what `f(args...)` returns, and runs nothing.
///
/// Arguments  decay-copied as by std::thread; lazies among them, and inside containers, become edges. A parameter
///            `T const&` reads the result where it lies; `T` or `T&&` gets it moved in at its last use, else copied
/// Callable   called as const where it can be; else each call works on a copy of its own
/// Errors     what copying the arguments throws; resource_error; then nothing is recorded
/// Cost       O(1) a call and O(1) an edge; one node of 32 bytes, 8 a dependency, and what is kept
template <class F, bool HasOptions>
class [[nodiscard]] delayed {
  static_assert(
      std::is_class_v<F> || std::is_union_v<F> || std::is_member_pointer_v<F> ||
          (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>),
      "dally: delayed wraps a callable, and this is none; a statement that begins with `delayed(f)(x)` declares "
      "a variable f: write `auto y = delayed(f)(x);`");

 public:
  delayed(F function, std::source_location place = std::source_location::current())
    requires(!HasOptions)
      : function_{detail::keep_callable<F>(std::move(function))}, place_{place} {}
  delayed(F function, task_options options, std::source_location place = std::source_location::current())
    requires HasOptions
      : function_{detail::keep_callable<F>(std::move(function))},
        place_{place},
        extras_{.options = std::move(options), .retries = &retries_of_tasks} {}

  /// Records a call.
  template <class... Args>
  [[nodiscard]] auto operator()(Args&&... args) const& {
    return record(function_, std::forward<Args>(args)...);
  }
  template <class... Args>
  [[nodiscard]] auto operator()(Args&&... args) && {
    return record(std::move(function_), std::forward<Args>(args)...);
  }

  [[nodiscard]] std::source_location place() const noexcept { return place_; }

 private:
  template <class>
  friend class lazy;
  template <class Fn, bool Options>
  friend delayed<Fn, true> detail::made_pure(delayed<Fn, Options> const& f);
  using kept = detail::kept_callable<F>;

  delayed(kept const& function, task_options options, std::source_location place, std::nullptr_t /*already kept*/)
    requires HasOptions
      : function_{function}, place_{place}, extras_{.options = std::move(options), .retries = &retries_of_tasks} {}

  template <class Function, class... Args>
  auto record(Function&& function, Args&&... args) const {
    if constexpr (detail::is_lazy<F>) {
      return detail::record<detail::call_value>(place_, extras(), detail::call_value{},
                                                std::forward<Function>(function), std::forward<Args>(args)...);
    } else if constexpr (std::is_copy_constructible_v<F> || detail::check_call<F, std::decay_t<Args>...>()) {
      return detail::record<kept>(place_, extras(), std::forward<Function>(function), std::forward<Args>(args)...);
    }
  }

  /// Records a call that waits for a task without a value.
  template <class... Args>
  auto record_after(lazy<std::monostate>&& first, Args&&... args) const {
    if constexpr (detail::is_lazy<F>) {
      using afterwards = detail::call_afterwards<detail::call_value>;
      return detail::record<afterwards>(place_, extras(), afterwards{}, std::move(first), function_,
                                        std::forward<Args>(args)...);
    } else {
      using afterwards = detail::call_afterwards<kept>;
      return detail::record<afterwards>(place_, extras(), afterwards{function_}, std::move(first),
                                        std::forward<Args>(args)...);
    }
  }

  struct no_extras {};

  // What record is given: null, of a type of its own, for a function without options.
  [[nodiscard]] auto extras() const noexcept {
    if constexpr (HasOptions) {
      return static_cast<node_extras const*>(&extras_);
    } else {
      return nullptr;
    }
  }

  [[no_unique_address]] kept function_;
  std::source_location place_;
  [[no_unique_address]] std::conditional_t<HasOptions, node_extras, no_extras> extras_;
};

namespace detail {

template <class F, bool HasOptions>
delayed<F, true> made_pure(delayed<F, HasOptions> const& f) {
  task_options options;
  if constexpr (HasOptions) options = f.extras_.options;
  options.pure = options.pure.or_else(true);
  return delayed<F, true>(f.function_, std::move(options), f.place_, nullptr);
}

}  // namespace detail

template <class F>
delayed(F, std::source_location = {}) -> delayed<F>;
template <class F>
delayed(F, task_options, std::source_location = {}) -> delayed<F, true>;

template <class T>
template <class Fn, class... Args>
auto lazy<T>::then(Fn&& f, Args&&... args) const {
  using callable = std::decay_t<Fn>;
  if constexpr (std::is_void_v<T>) {
    node const* const first = detail::node_of(*this);
    first->retain();
    auto waited = detail::make_lazy<std::monostate>(first);
    if constexpr (detail::is_delayed<callable>) {
      return f.record_after(std::move(waited), std::forward<Args>(args)...);
    } else {
      return delayed<callable>{std::forward<Fn>(f), first->place()}.record_after(std::move(waited),
                                                                                 std::forward<Args>(args)...);
    }
  } else if constexpr (detail::is_delayed<callable>) {
    return std::forward<Fn>(f)(*this, std::forward<Args>(args)...);
  } else {
    return delayed<callable>{std::forward<Fn>(f), detail::node_of(*this)->place()}(*this, std::forward<Args>(args)...);
  }
}

template <class T>
template <class Method, class... Args>
auto lazy<T>::call(Method method, Args&&... args) const {
  return delayed<Method>{method, detail::node_of(*this)->place()}(*this, std::forward<Args>(args)...);
}

}  // namespace dally
