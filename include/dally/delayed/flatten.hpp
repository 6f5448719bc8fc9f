#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "dally/delayed/argument.hpp"
#include "dally/delayed/call_wire.hpp"
#include "dally/delayed/collect.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/graph/node.hpp"
#include "dally/serialize/codec.hpp"

namespace dally {

namespace detail {

template <class T>
struct flattened {
  static node const* invoke(node const&, inputs const& in, void*) {
    node const* const inner = detail::node_of(in.get<lazy<T>>(0));
    inner->retain();
    return inner;  // its value becomes ours
  }
  static std::string label(node const&) { return "flatten"; }
};

/// Of a container of lazies: what collects them is the graph that goes on.
template <class Container>
struct flattened_container {
  static node const* invoke(node const&, inputs const& in, void*) {
    auto all = dally::collect(in.get<Container>(0));
    return detail::take_node(all);
  }
  static std::string label(node const&) { return "flatten"; }
};

template <class T, class Flattened>
inline constexpr node_type flatten_node{
    &value_type_of<stored_t<T>>, &Flattened::invoke,        nullptr,         &Flattened::label, 1, false, 0,
    rules_for<stored_t<T>>(),    wire_type_of<stored_t<T>>, &bits_call_wire, &continue_run};

template <class T, class Flattened, class From>
lazy<T> record_flattened(lazy<From> const& x) {
  return detail::make_lazy<T>(node::record(
      detail::flatten_node<T, Flattened>, detail::node_of(x)->place(), nullptr, 1, [](void*) noexcept {},
      [&](dependency* row) noexcept {
        detail::dependency_writer writer{row, row + 1};
        writer.share(x, false);
        return writer.highest;
      }));
}

}  // namespace detail

namespace verbs {

/// The lazy of the value of a lazy that a task returns: graphs that grow while they run. The graph that the task
/// recorded runs on the same scheduler as a run of its own when the task has returned it.
///
/// Errors  those of the inner graph's tasks, as they are; last_failure() names the inner task
/// Cost    a plan each. A loop of a million, each returning the next, takes constant stack and memory: the run of one
///         ends before that of the next begins
template <class T>
[[nodiscard]] lazy<T> flatten(lazy<lazy<T>> const& x) {
  return detail::record_flattened<T, detail::flattened<T>>(x);
}

/// The same of a container of lazies that a task returns: of a `lazy<std::vector<lazy<T>>>` a `lazy<std::vector<T>>`,
/// of any other that is looked into (see traversal) a lazy of the container of values.
///
/// Cost  one more task, which collects the values: each is moved there, unless something else takes it
template <class Container>
  requires(detail::holds_lazy<Container> && !detail::is_lazy<Container>)
[[nodiscard]] auto flatten(lazy<Container> const& x) {
  using collected = typename decltype(dally::collect(std::declval<Container const&>()))::value_type;
  return detail::record_flattened<collected, detail::flattened_container<Container>>(x);
}

}  // namespace verbs

}  // namespace dally
