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

namespace dally {

namespace detail {

struct collected {
  static constexpr std::string_view task_label = "collect";
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
  std::begin(r) != std::end(r);
  requires is_lazy<std::remove_cvref_t<decltype(*std::begin(r))>>;
};

/// Where a collection was made: the place of its first lazy, the caller's if there is none.
template <class Handles>
std::source_location place_of_first(Handles const& handles, std::source_location otherwise) {
  return handles.empty() ? otherwise : detail::node_of(handles.front())->place();
}

}  // namespace detail

/// One lazy of all values: of a range of lazies a `lazy<std::vector<T>>` (of lazy<void>s a lazy<void>), of a tuple,
/// pair or any other traversable container the same container of values.
///
/// Cost  one node; each value is moved in at its last use, else copied
template <class Container>
[[nodiscard]] auto collect(Container&& lazies, std::source_location place = std::source_location::current()) {
  using plain = std::remove_cvref_t<Container>;
  if constexpr (detail::lazy_range<plain>) {
    using handle = std::remove_cvref_t<decltype(*std::begin(lazies))>;
    using value = typename handle::value_type;
    if constexpr (std::is_void_v<value>) {
      // Depends on the argument, so that only a collection of voids costs its compilation.
      using waited = std::conditional_t<std::is_void_v<value>, std::monostate, value>;
      std::vector<lazy<waited>> handles;
      for (handle const& x : lazies) {
        node const* const n = detail::node_of(x);
        n->retain();
        handles.push_back(detail::make_lazy<waited>(n));
      }
      return detail::record<detail::all_done>(place, nullptr, detail::all_done{}, std::move(handles));
    } else {
      std::vector<lazy<value>> handles(std::begin(lazies), std::end(lazies));
      return detail::record<detail::collected>(place, nullptr, detail::collected{}, std::move(handles));
    }
  } else {
    static_assert(detail::holds_lazy<plain>, "dally: collect takes a range or a tuple of lazies");
    return detail::record<detail::collected>(place, nullptr, detail::collected{}, std::forward<Container>(lazies));
  }
}

/// Reduces a range of lazies with `op(T, T)` as a balanced binary tree: element 2k with 2k + 1, then those results in
/// pairs, and so on; a last odd one moves up unchanged. The shape depends on the length alone.
///
/// Errors  graph_error for an empty range
/// Cost    length - 1 tasks, depth ceil(log2(length))
template <class Range, class Op>
  requires detail::lazy_range<std::remove_cvref_t<Range>>
[[nodiscard]] auto tree_reduce(Range const& range, Op op,
                               std::source_location place = std::source_location::current()) {
  using handle = std::remove_cvref_t<decltype(*std::begin(range))>;
  std::vector<handle> level(std::begin(range), std::end(range));
  if (level.empty()) {
    throw graph_error{"tree_reduce of an empty range has no value: give an initial value as third argument"};
  }
  delayed<Op> const combine{std::move(op), place};
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

/// The same, beginning with `initial`: op(initial, the tree's result), and `initial` itself for an empty range.
template <class Range, class Op, class Initial>
  requires(detail::lazy_range<std::remove_cvref_t<Range>> && !std::is_same_v<Initial, std::source_location>)
[[nodiscard]] auto tree_reduce(Range const& range, Op op, Initial&& initial,
                               std::source_location place = std::source_location::current()) {
  using handle = std::remove_cvref_t<decltype(*std::begin(range))>;
  handle first{std::forward<Initial>(initial)};
  if (std::begin(range) == std::end(range)) return first;
  delayed<Op> const combine{op, place};
  return handle{combine(std::move(first), tree_reduce(range, std::move(op), place))};
}

namespace detail {

/// One call of `call` for each element of the ranges.
template <class Call, class Range, class... Ranges>
auto map_calls(Call const& call, Range const& range, Ranges const&... ranges) {
  std::vector<decltype(call(*std::begin(range), *std::begin(ranges)...))> calls;
  if constexpr (requires { range.size(); }) calls.reserve(range.size());
  [&](auto at, auto... other) {
    for (; at != std::end(range) && ((other != std::end(ranges)) && ... && true);
         ++at, (static_cast<void>(++other), ...)) {
      calls.push_back(call(*at, *other...));
    }
  }(std::begin(range), std::begin(ranges)...);
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

/// One recorded call of `f` for each element of the ranges, taken side by side up to the end of the shortest; elements
/// may be lazy. Shape: a vector of lazies.
///
/// Place  where map is called, or where `f` was wrapped if it is a delayed function. A plain function over more than
///        three ranges cannot tell its caller: wrap it
template <class Fn, class Range>
[[nodiscard]] auto map(Fn&& f, Range const& range, std::source_location place = std::source_location::current()) {
  return detail::map_calls(detail::as_delayed(std::forward<Fn>(f), place), range);
}
template <class Fn, class Range1, class Range2>
  requires(!std::is_same_v<Range2, std::source_location>)
[[nodiscard]] auto map(Fn&& f, Range1 const& range1, Range2 const& range2,
                       std::source_location place = std::source_location::current()) {
  return detail::map_calls(detail::as_delayed(std::forward<Fn>(f), place), range1, range2);
}
template <class Fn, class Range1, class Range2, class Range3>
  requires(!std::is_same_v<Range3, std::source_location>)
[[nodiscard]] auto map(Fn&& f, Range1 const& range1, Range2 const& range2, Range3 const& range3,
                       std::source_location place = std::source_location::current()) {
  return detail::map_calls(detail::as_delayed(std::forward<Fn>(f), place), range1, range2, range3);
}
template <class Fn, class Range1, class Range2, class Range3, class Range4, class... Ranges>
  requires(!std::is_same_v<Range4, std::source_location>)
[[nodiscard]] auto map(Fn&& f, Range1 const& range1, Range2 const& range2, Range3 const& range3, Range4 const& range4,
                       Ranges const&... ranges) {
  return detail::map_calls(detail::as_delayed(std::forward<Fn>(f), std::source_location::current()), range1, range2,
                           range3, range4, ranges...);
}

}  // namespace dally
