#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dally/core/block_cache.hpp"
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
[[gnu::cold]] inline std::vector<node const*> depth_first_order(node const* const* outputs, std::size_t output_count,
                                                                node_marks& marks) {
  struct frame {
    node const* visited;
    std::size_t next;
  };
  std::vector<node const*> order;
  std::vector<frame> stack;
  for (std::size_t i = 0; i < output_count; ++i) {
    node const* entered = outputs[i];
    for (;;) {
      if (entered != nullptr && !entered->is_value() && marks.mark(entered)) stack.push_back({entered, 0});
      if (stack.empty()) break;
      frame& top = stack.back();
      dependency_list const dependencies = top.visited->dependencies();
      entered = top.next < dependencies.size() ? dependencies[top.next++].from() : nullptr;
      if (entered == nullptr) {
        order.push_back(top.visited);
        stack.pop_back();
      }
    }
  }
  return order;
}

/// Sorts nodes as they were recorded; among nodes of one number, which several threads recorded independently of each
/// other, by thread.
///
/// Cost    linear: a radix sort of 16 bits a pass, on the numbers' range only
/// Errors  std::bad_alloc, resource_error
[[gnu::cold]] inline void sort_as_recorded(std::vector<node const*>& nodes) {
  if (nodes.size() < 64) {  // the passes below cost as much as 100,000 nodes
    for (std::size_t i = 1; i < nodes.size(); ++i) {
      for (std::size_t k = i; k > 0; --k) {
        node const* const a = nodes[k - 1];
        node const* const b = nodes[k];
        if (a->number() < b->number()) break;
        if (a->number() == b->number() && node_block::of(a).arena() < node_block::of(b).arena()) break;
        nodes[k - 1] = b;
        nodes[k] = a;
      }
    }
    return;
  }
  std::uint64_t lowest = ~std::uint64_t{0};
  std::uint64_t highest = 0;
  for (node const* const n : nodes) {
    lowest = n->number() < lowest ? n->number() : lowest;
    highest = n->number() > highest ? n->number() : highest;
  }
  constexpr unsigned bits = 16;
  constexpr std::size_t buckets = std::size_t{1} << bits;
  std::vector<node const*> sorted(nodes.size());
  std::vector<std::size_t> first(buckets + 1);
  auto const pass = [&](auto const& digit_of) {
    for (std::size_t& f : first) f = 0;
    for (node const* const n : nodes) ++first[digit_of(n) + 1];
    for (std::size_t b = 1; b <= buckets; ++b) first[b] += first[b - 1];
    for (node const* const n : nodes) sorted[first[digit_of(n)]++] = n;
    nodes.swap(sorted);
  };
  pass([](node const* n) { return node_block::of(n).arena() & (buckets - 1); });
  for (unsigned shift = 0; shift < 64 && ((highest - lowest) >> shift) != 0; shift += bits) {
    pass([&](node const* n) { return ((n->number() - lowest) >> shift) & (buckets - 1); });
  }
}

}  // namespace dally
