#pragma once

#include <cstddef>
#include <string>

#include "dally/delayed/argument.hpp"
#include "dally/delayed/call_wire.hpp"
#include "dally/delayed/lazy.hpp"
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

template <class T>
inline constexpr node_type flatten_node{
    &value_type_of<stored_t<T>>, &flattened<T>::invoke,     nullptr,         &flattened<T>::label, 1, false, 0,
    rules_for<stored_t<T>>(),    wire_type_of<stored_t<T>>, &bits_call_wire, &continue_run};

}  // namespace detail

/// The lazy of the value of a lazy that a task returns: graphs that grow while they run. The graph that the task
/// recorded runs on the same scheduler as a run of its own when the task has returned it.
///
/// Errors  those of the inner graph's tasks, as they are; last_failure() names the inner task
/// Cost    a plan each. A loop of a million, each returning the next, takes constant stack and memory: the run of one
///         ends before that of the next begins
template <class T>
[[nodiscard]] lazy<T> flatten(lazy<lazy<T>> const& x) {
  node const* const from = detail::node_of(x);
  return detail::make_lazy<T>(node::record(
      detail::flatten_node<T>, from->place(), nullptr, 1, [](void*) noexcept {},
      [&](dependency* row) noexcept {
        detail::dependency_writer writer{row, row + 1};
        writer.share(x, false);
        return writer.highest;
      }));
}

}  // namespace dally
