#pragma once

#include <cstddef>
#include <iterator>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/delayed/delayed.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/overloaded_name.hpp"

namespace dally {

// Where a range begins and ends: by its member, or by a function that its type brings.
namespace range_access {

using std::begin;
using std::end;
template <class Range>
constexpr auto first_of(Range& range) -> decltype(begin(range)) {
  return begin(range);
}
template <class Range>
constexpr auto end_of(Range& range) -> decltype(end(range)) {
  return end(range);
}

}  // namespace range_access

namespace detail {

using range_access::end_of;
using range_access::first_of;

struct collected {
  static constexpr std::string_view task_label = "collect";
  static constexpr bool hands_on = true;
  template <class Values>
  std::decay_t<Values> operator()(Values&& values) const {
    return std::forward<Values>(values);
  }
};

/// Ends when all that it takes is there.
struct all_done {
  static constexpr std::string_view task_label = "collect";
  void operator()(std::vector<std::monostate> const&) const {}
};

template <class Range>
concept lazy_range = requires(Range& r) {
  first_of(r) != end_of(r);
  requires is_lazy<std::remove_cvref_t<decltype(*first_of(r))>>;
};

/// The lazies of a range, which is read once.
template <class Range>
auto handles_in(Range& range) {
  using handle = std::remove_cvref_t<decltype(*detail::first_of(range))>;
  std::vector<handle> handles;
  if constexpr (requires { range.size(); }) handles.reserve(static_cast<std::size_t>(range.size()));
  auto at = detail::first_of(range);
  for (auto const end = detail::end_of(range); at != end; ++at) handles.push_back(*at);
  return handles;
}

/// Where a collection was made: the place of its first lazy, the caller's if there is none.
template <class Handles>
std::source_location place_of_first(Handles const& handles, std::source_location otherwise) {
  return handles.empty() ? otherwise : detail::node_of(handles.front())->place();
}

}  // namespace detail

namespace verbs {

/// One lazy of all values: of a range of lazies a `lazy<std::vector<T>>` (of lazy<void>s a lazy<void>), of a tuple,
/// pair or any other traversable container the same container of values.
///
/// Cost  one node; each value is moved in at its last use, else copied
template <class Container>
[[nodiscard]] auto collect(Container&& lazies, std::source_location place = std::source_location::current()) {
  using plain = std::remove_cvref_t<Container>;
  if constexpr (detail::lazy_range<std::remove_reference_t<Container>>) {
    using handle = std::remove_cvref_t<decltype(*detail::first_of(lazies))>;
    using value = typename handle::value_type;
    if constexpr (std::is_void_v<value>) {
      // Depends on the argument, so that only a collection of voids costs its compilation.
      using waited = std::conditional_t<std::is_void_v<value>, std::monostate, value>;
      std::vector<lazy<waited>> handles;
      for (handle const& x : detail::handles_in(lazies)) {
        node const* const n = detail::node_of(x);
        n->retain();
        handles.push_back(detail::make_lazy<waited>(n));
      }
      return detail::record<detail::all_done>(place, nullptr, detail::all_done{}, std::move(handles));
    } else {
      return detail::record<detail::collected>(place, nullptr, detail::collected{}, detail::handles_in(lazies));
    }
  } else {
    static_assert(detail::holds_lazy<plain>, "dally: collect takes a range or a tuple of lazies");
    return detail::record<detail::collected>(place, nullptr, detail::collected{}, std::forward<Container>(lazies));
  }
}

}  // namespace verbs

namespace detail {

/// The result of a balanced tree of calls of `combine`; `level` are its leaves, of which there is at least one.
template <class Handle, class Op>
Handle reduced(std::vector<Handle> level, delayed<Op> const& combine) {
  while (level.size() > 1) {
    std::size_t out = 0;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) {
      level[out++] = combine(std::move(level[i]), std::move(level[i + 1]));
    }
    if (level.size() % 2 != 0) level[out++] = std::move(level.back());
    level.resize(out);
  }
  return std::move(level.front());
}

}  // namespace detail

namespace verbs {

/// Reduces a range of lazies with `op(T, T)` as a balanced binary tree: element 2k with 2k + 1, then those results in
/// pairs, and so on; a last odd one moves up unchanged. The shape depends on the length alone. The range is read once.
///
/// Errors  graph_error for an empty range
/// Cost    length - 1 tasks, depth ceil(log2(length))
template <class Range, class Op>
  requires detail::lazy_range<std::remove_reference_t<Range>>
[[nodiscard]] auto tree_reduce(Range&& range, Op op, std::source_location place = std::source_location::current()) {
  auto leaves = detail::handles_in(range);
  if (leaves.empty()) {
    throw graph_error{"tree_reduce of an empty range has no value: give an initial value as third argument"};
  }
  return detail::reduced(std::move(leaves), delayed<Op>{std::move(op), place});
}

/// The same, beginning with `initial`: op(initial, the tree's result), and `initial` itself for an empty range.
template <class Range, class Op, class Initial>
  requires(detail::lazy_range<std::remove_reference_t<Range>> && !std::is_same_v<Initial, std::source_location>)
[[nodiscard]] auto tree_reduce(Range&& range, Op op, Initial&& initial,
                               std::source_location place = std::source_location::current()) {
  auto leaves = detail::handles_in(range);
  using handle = typename decltype(leaves)::value_type;
  handle first{std::forward<Initial>(initial)};
  if (leaves.empty()) return first;
  delayed<Op> const combine{std::move(op), place};
  return handle{combine(std::move(first), detail::reduced(std::move(leaves), combine))};
}

template <class Range, class Op = detail::overloaded_name, class... More>
detail::refused_name<Op> tree_reduce(Range const& range, Op op, More&&... more) = delete;
}  // namespace verbs

namespace detail {

/// How `map` reads a range that it is given as a Range&&: as const where that can be; the elements of a container that
/// is given up are moved.
template <class Range>
struct mapped_range {
  using range = std::remove_reference_t<Range>;
  static constexpr bool as_const = requires(range const& r) { first_of(r) != end_of(r); };
  static constexpr bool moves = !std::is_lvalue_reference_v<Range> && !std::is_const_v<range> &&
                                !std::ranges::enable_view<range> &&
                                requires(range& r) { requires std::is_lvalue_reference_v<decltype(*first_of(r))>; };
  using read = std::conditional_t<as_const && !moves, range const, range>;

  read& of;
  auto begin() const { return first_of(of); }
  auto end() const { return end_of(of); }
  template <class At>
  static decltype(auto) element(At& at) {
    if constexpr (moves) {
      return std::move(*at);
    } else {
      return *at;
    }
  }
  using element_type =
      decltype(element(std::declval<std::add_lvalue_reference_t<decltype(first_of(std::declval<read&>()))>>()));
};

/// One call of `call` for each element of the ranges.
template <class Call, class Range, class... Ranges>
auto map_calls(Call const& call, mapped_range<Range> range, mapped_range<Ranges>... ranges) {
  using element = typename mapped_range<Range>::element_type;
  std::vector<decltype(call(std::declval<element>(), std::declval<typename mapped_range<Ranges>::element_type>()...))>
      calls;
  if constexpr (requires { range.of.size(); }) calls.reserve(static_cast<std::size_t>(range.of.size()));
  [&](auto at, auto... other) {
    for (; at != range.end() && ((other != ranges.end()) && ... && true); ++at, (static_cast<void>(++other), ...)) {
      calls.push_back(call(mapped_range<Range>::element(at), mapped_range<Ranges>::element(other)...));
    }
  }(range.begin(), ranges.begin()...);
  return calls;
}

/// `f` as a delayed function: itself, or wrapped at `place`.
template <class Fn>
decltype(auto) as_delayed(Fn&& f, std::source_location place) {
  if constexpr (is_delayed<std::decay_t<Fn>>) {
    return std::forward<Fn>(f);
  } else {
    return delayed<std::decay_t<Fn>>{std::forward<Fn>(f), place};
  }
}

}  // namespace detail

namespace verbs {

/// One recorded call of `f` for each element of the ranges, taken side by side up to the end of the shortest; elements
/// may be lazy. Each range is read once: views, and what can be read but once, will do. Shape: a vector of lazies.
///
/// Elements  recorded as the arguments of a call are; those of a container that is given up, `map(f, std::move(v))`,
/// are
///           moved there
/// Place     where map is called, or where `f` was wrapped if it is a delayed function. A plain function over more than
///           three ranges cannot tell its caller: wrap it
template <class Fn, class Range>
[[nodiscard]] auto map(Fn&& f, Range&& range, std::source_location place = std::source_location::current()) {
  return detail::map_calls(detail::as_delayed(std::forward<Fn>(f), place), detail::mapped_range<Range>{range});
}
template <class Fn, class Range1, class Range2>
  requires(!std::is_same_v<std::remove_cvref_t<Range2>, std::source_location>)
[[nodiscard]] auto map(Fn&& f, Range1&& range1, Range2&& range2,
                       std::source_location place = std::source_location::current()) {
  return detail::map_calls(detail::as_delayed(std::forward<Fn>(f), place), detail::mapped_range<Range1>{range1},
                           detail::mapped_range<Range2>{range2});
}
template <class Fn, class Range1, class Range2, class Range3>
  requires(!std::is_same_v<std::remove_cvref_t<Range3>, std::source_location>)
[[nodiscard]] auto map(Fn&& f, Range1&& range1, Range2&& range2, Range3&& range3,
                       std::source_location place = std::source_location::current()) {
  return detail::map_calls(detail::as_delayed(std::forward<Fn>(f), place), detail::mapped_range<Range1>{range1},
                           detail::mapped_range<Range2>{range2}, detail::mapped_range<Range3>{range3});
}
template <class Fn, class Range1, class Range2, class Range3, class Range4, class... Ranges>
  requires(!std::is_same_v<std::remove_cvref_t<Range4>, std::source_location>)
[[nodiscard]] auto map(Fn&& f, Range1&& range1, Range2&& range2, Range3&& range3, Range4&& range4, Ranges&&... ranges) {
  return detail::map_calls(detail::as_delayed(std::forward<Fn>(f), std::source_location::current()),
                           detail::mapped_range<Range1>{range1}, detail::mapped_range<Range2>{range2},
                           detail::mapped_range<Range3>{range3}, detail::mapped_range<Range4>{range4},
                           detail::mapped_range<Ranges>{ranges}...);
}

template <class Fn = detail::overloaded_name, class... Ranges>
detail::refused_name<Fn> map(Fn f, Ranges const&... ranges) = delete;
}  // namespace verbs

}  // namespace dally
