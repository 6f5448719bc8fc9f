#pragma once

#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "dally/delayed/lazy.hpp"

namespace dally {

/// Where the lazies inside a `T` are. Specialise it for a type of your own:
///
///     template <> struct dally::traversal<scene> {
///       using plain = plain_scene;                                     // the same without lazies
///       static plain rebuild(scene const& s, auto&& value_of) { return {value_of(s.camera), value_of(s.meshes)}; }
///       static void each(scene const& s, auto&& visit) { visit(s.camera); visit(s.meshes); }
///     };
///
/// `value_of(v)` gives the plain value of a lazy or of a container of lazies; `visit(v)` takes either. Known already:
/// what has the shape of a vector, deque, list, array, optional, pair, tuple, map or unordered_map (mapped values), and
/// variant, nested to any depth. Containers without lazies are not touched.
///
/// A task that wants the handles themselves gets them in a literal, `delayed(f)(lazy{handles})`, or through
/// `std::ref(handles)`: neither is looked into.
///
/// Errors  what each() throws leaves the recording call, and nothing is recorded; what rebuild() throws is the failure
///         of the task that was to get the value
template <class T>
struct traversal {};

namespace detail {

template <class T>
inline constexpr bool holds_lazy = is_lazy<T> || requires { typename traversal<T>::plain; };

template <class T>
struct plain_of {
  using type = T;
};
template <class T>
struct plain_of<lazy<T>> {
  using type = stored_t<T>;
};
template <class T>
  requires requires { typename traversal<T>::plain; }
struct plain_of<T> {
  using type = typename traversal<T>::plain;
};

/// The type a function receives for a recorded `T`.
template <class T>
using plain_t = typename plain_of<T>::type;

/// Turns `resolve`, which gives the value of a lazy, into one that gives the plain value of anything.
template <class Resolve>
struct plain_value {
  Resolve& resolve;
  template <class V>
  plain_t<V> operator()(V const& v) const {
    if constexpr (is_lazy<V>) {
      return resolve(v);
    } else if constexpr (holds_lazy<V>) {
      static_assert(
          requires { traversal<V>::rebuild(v, *this); },
          "dally: a type with lazies inside must say how it is rebuilt: traversal<T> needs "
          "`static plain rebuild(T const&, auto&& value_of)`");
      return traversal<V>::rebuild(v, *this);
    } else {
      return v;
    }
  }
};

/// Calls `visit` with every lazy in a value, in the order in which its parts stand.
template <class Visit>
struct each_lazy {
  Visit& visit;
  template <class V>
  void operator()(V const& v) const {
    if constexpr (is_lazy<V>) {
      visit(v);
    } else if constexpr (holds_lazy<V>) {
      static_assert(
          requires { traversal<V>::each(v, *this); },
          "dally: a type with lazies inside must say where they are: traversal<T> needs "
          "`static void each(T const&, auto&& visit)`");
      traversal<V>::each(v, *this);
    }
  }
};

template <class Visit>
each_lazy(Visit&) -> each_lazy<Visit>;
template <class Resolve>
plain_value(Resolve&) -> plain_value<Resolve>;

/// The allocator of a container, made to allocate another type; whatever is no allocator stays.
template <class A, class From, class To>
struct rebound {
  using type = A;
};
template <class A, class From, class To>
  requires std::is_same_v<typename A::value_type, From>
struct rebound<A, From, To> {
  using type = typename std::allocator_traits<A>::template rebind_alloc<To>;
};

template <class C>
concept sequence_shape = requires(C& c, typename C::value_type& v) {
  c.push_back(std::move(v));
  c.begin() != c.end();
  c.size();
};

template <class C>
concept map_shape = requires(C& c, typename C::key_type const& k, typename C::mapped_type& m) {
  c.emplace(k, std::move(m));
  c.begin() != c.end();
};

template <class C>
concept optional_shape = requires(C const& c) {
  c.has_value();
  *c;
  typename C::value_type;
};

}  // namespace detail

template <template <class...> class C, class E, class... Rest>
  requires(detail::holds_lazy<E> && detail::sequence_shape<C<E, Rest...>>)
struct traversal<C<E, Rest...>> {
  using plain = C<detail::plain_t<E>, typename detail::rebound<Rest, E, detail::plain_t<E>>::type...>;
  static plain rebuild(C<E, Rest...> const& c, auto&& value_of) {
    plain values;
    if constexpr (requires { values.reserve(c.size()); }) values.reserve(c.size());
    for (E const& e : c) values.push_back(value_of(e));
    return values;
  }
  static void each(C<E, Rest...> const& c, auto&& visit) {
    for (E const& e : c) visit(e);
  }
};

template <template <class, std::size_t> class C, class E, std::size_t N>
  requires(detail::holds_lazy<E> && detail::tuple_like<C<E, N>>)
struct traversal<C<E, N>> {
  using plain = C<detail::plain_t<E>, N>;
  static plain rebuild(C<E, N> const& c, auto&& value_of) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return plain{{value_of(c[I])...}};  // braces order the calls
    }(std::make_index_sequence<N>{});
  }
  static void each(C<E, N> const& c, auto&& visit) {
    for (E const& e : c) visit(e);
  }
};

template <template <class...> class C, class K, class M, class... Rest>
  requires(detail::holds_lazy<M> && detail::map_shape<C<K, M, Rest...>>)
struct traversal<C<K, M, Rest...>> {
  using plain =
      C<K, detail::plain_t<M>,
        typename detail::rebound<Rest, std::pair<K const, M>, std::pair<K const, detail::plain_t<M>>>::type...>;
  static plain rebuild(C<K, M, Rest...> const& c, auto&& value_of) {
    plain values = [&] {
      if constexpr (requires { plain(c.key_comp()); }) {
        return plain(c.key_comp());
      } else {
        return plain(c.bucket_count(), c.hash_function(), c.key_eq());
      }
    }();
    for (auto const& [k, m] : c) values.emplace(k, value_of(m));
    return values;
  }
  static void each(C<K, M, Rest...> const& c, auto&& visit) {
    for (auto const& entry : c) visit(entry.second);
  }
};

template <template <class...> class C, class E>
  requires(detail::holds_lazy<E> && detail::optional_shape<C<E>>)
struct traversal<C<E>> {
  using plain = C<detail::plain_t<E>>;
  static plain rebuild(C<E> const& c, auto&& value_of) {
    if (!c.has_value()) return plain{};
    return plain{value_of(*c)};
  }
  static void each(C<E> const& c, auto&& visit) {
    if (c.has_value()) visit(*c);
  }
};

template <template <class...> class C, class... Es>
  requires((detail::holds_lazy<Es> || ...) && detail::tuple_like<C<Es...>>)
struct traversal<C<Es...>> {
  using plain = C<detail::plain_t<Es>...>;
  static plain rebuild(C<Es...> const& c, auto&& value_of) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      using std::get;
      return plain{value_of(get<I>(c))...};  // braces order the calls
    }(std::index_sequence_for<Es...>{});
  }
  static void each(C<Es...> const& c, auto&& visit) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      using std::get;
      (visit(get<I>(c)), ...);
    }(std::index_sequence_for<Es...>{});
  }
};

template <class... Es>
  requires(detail::holds_lazy<Es> || ...)
struct traversal<std::variant<Es...>> {
  using plain = std::variant<detail::plain_t<Es>...>;
  template <std::size_t I = 0>
  static plain rebuild(std::variant<Es...> const& v, auto&& value_of) {
    if constexpr (I + 1 < sizeof...(Es)) {
      if (v.index() != I) return rebuild<I + 1>(v, value_of);
    }
    return plain(std::in_place_index<I>, value_of(std::get<I>(v)));  // by index: two alternatives may become one type
  }
  template <std::size_t I = 0>
  static void each(std::variant<Es...> const& v, auto&& visit) {
    if (v.index() == I) visit(std::get<I>(v));
    if constexpr (I + 1 < sizeof...(Es)) each<I + 1>(v, visit);
  }
};

}  // namespace dally
