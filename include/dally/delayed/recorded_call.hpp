#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "dally/core/error.hpp"
#include "dally/core/module.hpp"
#include "dally/core/owned_result.hpp"
#include "dally/core/symbol.hpp"
#include "dally/core/token.hpp"
#include "dally/core/unique_number.hpp"
#include "dally/delayed/argument.hpp"
#include "dally/delayed/call_plan.hpp"
#include "dally/delayed/call_wire.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/kept_result.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/graph/node.hpp"
#include "dally/serialize/codec.hpp"

namespace dally::detail {

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

/// A callable as a call uses it: as const where it can be, else a copy of its own.
template <class F, bool Const>
struct own_callable {
  F const& function;
  explicit own_callable(F const& kept) : function{kept} {}
};
template <class F>
struct own_callable<F, false> {
  F copy;
  F& function{copy};
  explicit own_callable(F const& kept) : copy(kept) {}
};

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
  using result = kept_result_t<std::decay_t<returned>, A...>;

  // As in detail::invoke: a literal that fits converts without a warning where it stands, so it does here.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wdouble-promotion"

  // Returns a value even where the function returns a reference: that may be into an argument, or into the copy, which
  // end here.
  template <std::size_t... I>
  result run(inputs const& in, std::index_sequence<I...>) const {
    std::array<std::size_t, sizeof...(A) + 1> first{};
    ((first[I + 1] = first[I] + argument<A>::taken(part_at<I>(kept))), ...);
    if constexpr (!std::is_same_v<result, std::decay_t<returned>>) {
      // In one expression: what it is converted from refers to the arguments, and to the callable.
      return detail::owned<result>(
          detail::invoke(own_callable<F, calling::const_callable>(function).function,
                         argument<A>::template get<calling::chosen[I]>(part_at<I>(kept), in, first[I])...));
    } else if constexpr (std::is_member_pointer_v<F>) {
      return detail::invoke(function, argument<A>::template get<calling::chosen[I]>(part_at<I>(kept), in, first[I])...);
    } else if constexpr (calling::const_callable) {
      return function(argument<A>::template get<calling::chosen[I]>(part_at<I>(kept), in, first[I])...);
    } else {
      F copy(function);
      return copy(argument<A>::template get<calling::chosen[I]>(part_at<I>(kept), in, first[I])...);
    }
  }

#pragma GCC diagnostic pop

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
      [&](void* at) noexcept(std::is_trivially_copyable_v<call>) {
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

/// Tells the types of this library from those of one that lay at the same addresses before it was loaded.
inline std::uint64_t const loaded_types = unique_number(&loaded_types);

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
    hash.add_number(loaded_types);
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

/// Whether a call of F with A... can be recorded; where it cannot, the compiler says why.
template <bool Borrows, class F, class... A>
constexpr bool check_recording() {
  if constexpr (check_call<F, A...>()) {
    return check_result<Borrows, F, recorded_call<F, A...>, A...>();
  } else {
    return false;
  }
}

/// Records a call of `function` (an F, copied or moved) with arguments that may hold lazies. `Borrows`: what it returns
/// may refer to them.
template <class F, bool Borrows = false, class Extras, class Function, class... Args>
auto record(std::source_location place, Extras extras, Function&& function, Args&&... args) {
  if constexpr (check_recording<Borrows, F, std::decay_t<Args>...>()) {
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

}  // namespace dally::detail
