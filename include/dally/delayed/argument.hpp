#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/token.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/refs.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/serialize/codec.hpp"

namespace dally::detail {

/// How a function gets an argument: to read, as `T const&`; as a value of its own, moved there if this is the last use
/// of an intermediate result, else copied; or its elements alone, to read where they lie; or those of a container of
/// lazies, as refs<T>.
enum class passing : unsigned char { read, own, view, refs };

struct not_passed {};

/// Elements that a function reads through a span.
template <class E>
struct viewed_elements {
  element_range where;

  template <class View>
    requires std::is_constructible_v<View, E const*, std::size_t>
  operator View() const noexcept {  // NOLINT: a parameter is made of it
    return View(static_cast<E const*>(where.first), where.count);
  }
};

template <class T>
struct element_of {
  using type = not_passed;
};
template <class T>
  requires requires { typename T::value_type; }
struct element_of<T> {
  using type = typename T::value_type;
};

/// Whether a parameter of type P is a `std::span<E const>`, and a T a vector of such elements that travels as their
/// bytes: then the elements of a result in another process's memory need not be copied.
template <class P, class T>
constexpr bool is_view_of() {
  if constexpr (requires { P::extent; } && requires { typename T::allocator_type; }) {
    using element = typename element_of<T>::type;
    if constexpr (requires { typename P::element_type; } && std::is_trivially_copyable_v<P>) {
      if constexpr (std::is_same_v<typename P::element_type, element const> && P::extent == ~std::size_t{0} &&
                    std::is_convertible_v<T const&, P> && std::is_constructible_v<P, element const*, std::size_t>) {
        return std::is_same_v<codec_t<T>, sequence_codec<T>> && is_tight<element>::value &&
               alignof(element) <= archive_reader::element_alignment;
      }
    }
  }
  return false;
}

template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;

template <class T>
inline constexpr bool is_mutable_reference = false;
template <class T>
inline constexpr bool is_mutable_reference<std::reference_wrapper<T>> = !std::is_const_v<T>;

/// Writes the dependencies of a node one after the other; `by_value` marks those that the function takes.
struct dependency_writer {
  dependency* next;
  dependency* end;
  std::uint64_t highest = 0;  // number of what was written

  void write(dependency d) noexcept {
    if (std::uint64_t const number = d.from()->number(); number > highest) highest = number;
    *next++ = d;
  }

  template <class T>
  void share(lazy<T> const& x, bool by_value, bool by_view = false) noexcept {
    node const* const from = detail::node_of(x);
    from->retain();
    write({from, by_value, by_view});
  }
  template <class T>
  void move(lazy<T>& x, bool by_value, bool by_view = false) noexcept {
    write({detail::take_node(x), by_value, by_view});
  }
};

/// Releases what was written, unless `row` is moved past it.
struct written_dependencies {
  dependency* row;
  dependency_writer const& writer;
  ~written_dependencies() {
    for (; row != writer.next; ++row) row->from()->release();
  }
};

struct nothing {};

/// How an argument of (decayed) type A is recorded and handed to the function.
///
/// stored             what the node keeps besides dependencies
/// count(arg)         how many dependencies it makes, known before anything is recorded; throws for empty handles
/// store(arg)         what to keep
/// link(arg, kept, w) writes the dependencies; fails only where a user's traversal does
/// taken(kept)        how many dependencies it made
/// get<P>(kept, in, k) what the function gets; k is its first dependency
template <class A>
struct argument {
  using stored = A;
  static constexpr bool fixed = true;
  static constexpr std::size_t fixed_count = 0;
  // What cannot be copied cannot be passed as a value: it belongs to the graph, for every run.
  template <passing P>
  using passed = std::conditional_t<P == passing::read, A const&, std::conditional_t<copyable_v<A>, A, not_passed>>;

  template <class Arg>
  static constexpr std::size_t count(Arg const&) noexcept {
    return 0;
  }
  template <class Arg>
  static Arg&& store(Arg& arg) noexcept {
    return static_cast<Arg&&>(arg);
  }
  template <passing, class Arg>
  static void link(Arg&, stored const&, dependency_writer&) noexcept {}
  static constexpr std::size_t taken(stored const&) noexcept { return 0; }
  template <passing P>
  static passed<P> get(stored const& kept, inputs const&, std::size_t) {
    return kept;
  }
};

template <class T>
struct argument<std::reference_wrapper<T>> : argument<T*> {
  template <passing>
  using passed = T&;
  using stored = T*;

  template <class Arg>
  static stored store(Arg& arg) noexcept {
    return std::addressof(static_cast<T&>(arg));
  }
  template <passing>
  static T& get(stored const& kept, inputs const&, std::size_t) noexcept {
    return *kept;
  }
};

template <class T>
struct argument<lazy<T>> {
  using stored = nothing;
  static constexpr bool fixed = true;
  static constexpr std::size_t fixed_count = 1;
  template <passing P>
  using passed = std::conditional_t<P == passing::view, viewed_elements<typename element_of<T>::type>,
                                    std::conditional_t<P == passing::own, T, T const&>>;

  static std::size_t count(lazy<T> const& arg) {
    static_cast<void>(detail::node_of(arg));
    return 1;
  }
  template <class Arg>
  static nothing store(Arg&) noexcept {
    return {};
  }
  template <passing P, class Arg>
  static void link(Arg& arg, stored const&, dependency_writer& writer) noexcept {
    constexpr bool by_value = P == passing::own && tracked_v<T>;
    if constexpr (std::is_const_v<Arg>) {
      writer.share(arg, by_value, P == passing::view);
    } else {
      writer.move(arg, by_value, P == passing::view);
    }
  }
  static constexpr std::size_t taken(stored const&) noexcept { return 1; }
  template <passing P>
  static passed<P> get(stored const&, inputs const& in, std::size_t k) {
    if constexpr (P == passing::own) {
      return in.take<T>(k);
    } else if constexpr (P == passing::view) {
      return {in.elements<T>(k)};
    } else {
      return in.get<T>(k);
    }
  }
};

/// A sequence of nothing but lazies needs no copy of itself: its handles become the node's dependencies.
template <class A>
concept lazy_sequence = sequence_shape<A> && is_lazy<typename A::value_type>;

/// What all the lazies in a container are lazies of, if there is nothing else in it; else void.
template <class A>
constexpr auto only_lazies() {
  if constexpr (is_lazy<A>) {
    return std::type_identity<plain_t<A>>{};
  } else if constexpr (!holds_lazy<A> || is_variant<A>) {
    return std::type_identity<void>{};
  } else if constexpr (requires { typename A::mapped_type; }) {
    return only_lazies<typename A::mapped_type>();
  } else if constexpr (requires { typename A::value_type; }) {
    return only_lazies<typename A::value_type>();
  } else if constexpr (tuple_like<A>) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      using first = typename decltype(only_lazies<std::tuple_element_t<0, A>>())::type;
      constexpr bool alike =
          (std::is_same_v<typename decltype(only_lazies<std::tuple_element_t<I, A>>())::type, first> && ...);
      return std::type_identity<std::conditional_t<alike, first, void>>{};
    }(std::make_index_sequence<std::tuple_size_v<A>>{});
  } else {
    return std::type_identity<void>{};
  }
}

template <class A>
using only_lazies_t = typename decltype(detail::only_lazies<A>())::type;

/// Whether a parameter of type P is the refs<T> that an argument of type A, a container of lazies, can be read as.
template <class P, class A>
constexpr bool reads_where_they_lie() {
  if constexpr (is_refs<P> && holds_lazy<A> && !is_lazy<A>) {
    return std::is_same_v<only_lazies_t<A>, typename P::value_type>;
  } else {
    return false;
  }
}

/// What a function gets for a container A of lazies.
template <class A, passing P>
struct passed_container {
  using type = plain_t<A>;
};
template <class A>
struct passed_container<A, passing::refs> {
  using type = result_references<only_lazies_t<A>>;
};

template <class A>
  requires(holds_lazy<A> && !is_lazy<A> && lazy_sequence<A>)
struct argument<A> {
  using value = plain_t<typename A::value_type>;
  using stored = std::size_t;
  static constexpr bool fixed = false;
  template <passing P>
  using passed = typename passed_container<A, P>::type;

  static std::size_t count(A const& arg) {
    for (auto const& x : arg) static_cast<void>(detail::node_of(x));
    return arg.size();
  }
  template <class Arg>
  static std::size_t store(Arg& arg) noexcept {
    return arg.size();
  }
  template <passing P, class Arg>
  static void link(Arg& arg, stored const&, dependency_writer& writer) noexcept {
    constexpr bool by_value = P != passing::refs && tracked_v<value>;
    for (auto& x : arg) {
      if constexpr (std::is_const_v<Arg>) {
        writer.share(x, by_value);
      } else {
        writer.move(x, by_value);
      }
    }
  }
  static std::size_t taken(stored const& kept) noexcept { return kept; }
  template <passing P>
  static passed<P> get(stored const& kept, inputs const& in, std::size_t k) {
    inputs const from = in;  // of our own: the compiler knows that no element is written there, and keeps it at hand
    if constexpr (P == passing::refs) {
      passed<P> values(kept);
      for (std::size_t i = 0; i < kept; ++i) values.add(from.get<value>(k + i));
      return values;
    } else {
      plain_t<A> values;
      if constexpr (requires { values.reserve(kept); }) values.reserve(kept);
      for (std::size_t i = 0; i < kept; ++i) values.push_back(from.take<value>(k + i));
      return values;
    }
  }
};

/// A value with lazies inside, and how many.
template <class A>
struct kept_whole {
  A value;
  std::size_t lazies = 0;
};

[[noreturn, gnu::cold]] DALLY_FUNCTION void refuse_other_lazies() {
  throw graph_error{
      "a traversal does not visit the same lazies each time: each() must visit those that rebuild() asks for, in that "
      "order"};
}

[[noreturn, gnu::cold]] DALLY_FUNCTION void refuse_recording_traversal() {
  throw graph_error{
      "a traversal records tasks: each() must visit lazies that the value holds, not ones that are made meanwhile"};
}

/// Any other value with lazies inside is kept as it is, and rebuilt at each run.
template <class A>
  requires(holds_lazy<A> && !is_lazy<A> && !lazy_sequence<A>)
struct argument<A> {
  using stored = kept_whole<A>;
  static constexpr bool fixed = false;
  template <passing P>
  using passed = typename passed_container<A, P>::type;

  static std::size_t count(A const& arg) {
    std::size_t lazies = 0;
    auto const visit = [&](auto const& x) {
      static_cast<void>(detail::node_of(x));
      ++lazies;
    };
    each_lazy{visit}(arg);
    return lazies;
  }
  template <class Arg>
  static stored store(Arg& arg) {
    return {static_cast<Arg&&>(arg)};
  }
  template <passing P, class Arg>
  static void link(Arg&, stored& kept, dependency_writer& writer) {
    dependency const* const first = writer.next;
    auto const visit = [&]<class T>(lazy<T> const& x) {
      if (writer.next == writer.end) refuse_other_lazies();
      writer.share(x, P != passing::refs && tracked_v<stored_t<T>>);
    };
    std::uint64_t const before = node_arena::mine().last_number();
    each_lazy{visit}(kept.value);
    // What a node takes stands before it, and its own place has been taken.
    if (node_arena::mine().last_number() != before) refuse_recording_traversal();
    kept.lazies = static_cast<std::size_t>(writer.next - first);
  }
  static std::size_t taken(stored const& kept) noexcept { return kept.lazies; }
  template <passing P>
  static passed<P> get(stored const& kept, inputs const& in, std::size_t k) {
    if constexpr (P == passing::refs) {
      passed<P> values(kept.lazies);
      for (std::size_t i = 0; i < kept.lazies; ++i) values.add(in.get<only_lazies_t<A>>(k + i));
      return values;
    } else {
      std::size_t next = k;
      auto const resolve = [&]<class T>(lazy<T> const&) -> stored_t<T> {
        if (next == k + kept.lazies) refuse_other_lazies();
        return in.take<stored_t<T>>(next++);
      };
      return plain_value{resolve}(kept.value);
    }
  }
};

/// The parts of a payload, without std::tuple: empty parts take no room.
template <std::size_t I, class T>
struct part {
  [[no_unique_address]] T value;
};

template <class Indices, class... T>
struct parts;
template <std::size_t... I, class... T>
struct parts<std::index_sequence<I...>, T...> : part<I, T>... {};

template <std::size_t I, class T>
T const& part_at(part<I, T> const& p) noexcept {
  return p.value;
}
template <std::size_t I, class T>
T& part_at(part<I, T>& p) noexcept {
  return p.value;
}

}  // namespace dally::detail
