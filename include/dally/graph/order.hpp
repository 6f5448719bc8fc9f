#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "dally/graph/node.hpp"
#include "dally/graph/node_marks.hpp"

namespace dally {

/// The nodes that `outputs` need, each after its dependencies: of each node all that its first dependency needs, then
/// all that its second needs, and so on. A branch is finished before the next is begun, so few results wait.
///
/// Shape   as many nodes as `marks` then holds; `marks` must be clear before
/// Errors  std::bad_alloc
/// Cost    O(nodes + edges), an explicit stack as deep as the graph
/// Source  Dask's order is depth first as well, with refinements (dask/order.py)
inline std::vector<node const*> depth_first_order(node const* const* outputs, std::size_t output_count,
                                                  node_marks& marks) {
  struct frame {
    node const* visited;
    std::size_t next;
  };
  std::vector<node const*> order;
  std::vector<frame> stack;
  for (std::size_t i = 0; i < output_count; ++i) {
    if (!outputs[i]->is_value() && marks.mark(outputs[i])) stack.push_back({outputs[i], 0});
    while (!stack.empty()) {
      frame& top = stack.back();
      dependency_list const dependencies = top.visited->dependencies();
      if (top.next == dependencies.size()) {
        order.push_back(top.visited);
        stack.pop_back();
        continue;
      }
      node const* const next = dependencies[top.next++].from();
      if (!next->is_value() && marks.mark(next)) stack.push_back({next, 0});
    }
  }
  return order;
}

/// Sorts nodes as they were recorded; among nodes that several threads recorded independently, by thread.
inline void sort_as_recorded(std::vector<node const*>& nodes) {
  std::sort(nodes.begin(), nodes.end(), [](node const* a, node const* b) {
    if (a->number() != b->number()) return a->number() < b->number();
    return node_block::of(a).arena() < node_block::of(b).arena();
  });
}

}  // namespace dally
