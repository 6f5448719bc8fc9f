#pragma once

#include <dally/dally.hpp>

#include <set>
#include <vector>

namespace dally::tests {

/// The node that a handle names.
template <typename T>
node const* recorded_node(lazy<T> const& x) {
  return dally::detail::node_of(x);
}

/// The nodes that some handles of one type name.
template <typename T>
std::vector<node const*> recorded_nodes(std::vector<lazy<T>> const& handles) {
  std::vector<node const*> nodes;
  for (auto const& x : handles) nodes.push_back(recorded_node(x));
  return nodes;
}

/// A plan's dull twin: every task that `outputs` need, found by walking the dependencies.
inline std::set<node const*> tasks_needed(std::vector<node const*> outputs) {
  std::set<node const*> found;
  while (!outputs.empty()) {
    node const* const n = outputs.back();
    outputs.pop_back();
    if (n->is_value() || !found.insert(n).second) continue;
    for (dependency const d : n->dependencies()) outputs.push_back(d.from());
  }
  return found;
}

}  // namespace dally::tests
