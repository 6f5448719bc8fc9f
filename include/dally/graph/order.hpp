#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "dally/core/block_cache.hpp"
#include "dally/core/function.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/node_marks.hpp"

namespace dally {

namespace detail {

class depth_first_walk {
 public:
  depth_first_walk(node const* const* outputs, std::size_t output_count, node_marks& marks,
                   scratch_list<node const*>& nodes)
      : marks_{marks}, nodes_{nodes} {
    walk(outputs, output_count);
    marks.rank_all();
    if (find_heights()) walk(outputs, output_count);
  }

 private:
  static constexpr std::size_t most_compared = 16;
  // What stands in height_of_ of a node that the second walk has entered.
  static constexpr std::uint32_t entered = ~std::uint32_t{0};

  struct frame {
    node const* visited;
    std::size_t next;
  };

  DALLY_FUNCTION_APART void walk(node const* const* outputs, std::size_t output_count) {
    nodes_.clear();
    scratch_list<frame> stack;
    for (std::size_t i = 0; i < output_count; ++i) {
      node const* next = outputs[i]->is_value() ? nullptr : outputs[i];
      for (;;) {
        if (next != nullptr && enter(next)) stack.push_back({next, 0});
        if (stack.empty()) break;
        next = next_of(stack.back());
        if (next != nullptr) continue;
        nodes_.push_back(stack.back().visited);
        stack.pop_back();
      }
    }
  }

  // The first time by marks; the second, when these give every node its number, by that.
  bool enter(node const* n) {
    if (heights_.data() == nullptr) return marks_.mark(n);
    return std::exchange(heights_[marks_.rank(n)], entered) != entered;
  }

  DALLY_FUNCTION_APART node const* next_of(frame& top) const {
    dependency_list const dependencies = top.visited->dependencies();
    bool const compare = heights_.data() != nullptr && dependencies.size() <= most_compared;
    node const* highest = nullptr;
    std::uint32_t height = 0;
    for (; top.next < dependencies.size(); ++top.next) {
      dependency const d = dependencies[top.next];
      if (d.is_value()) continue;
      if (!compare) {
        ++top.next;
        return d.from();
      }
      std::uint32_t const its = heights_[marks_.rank(d.from())];
      if (its == entered || (highest != nullptr && its <= height)) continue;
      highest = d.from();
      height = its;
    }
    if (compare) top.next = 0;  // look at all again: what is entered meanwhile is out of the comparison
    return highest;
  }

  // True if some node's branches differ in height. Each node stands after its dependencies: one pass does.
  bool find_heights() {
    heights_ = scratch_array<std::uint32_t>{nodes_.size()};
    bool differ = false;
    for (node const* const n : nodes_) {
      std::uint32_t height = 0;
      std::uint32_t least = entered;
      for (dependency const d : n->dependencies()) {
        if (d.is_value()) continue;
        std::uint32_t const above = heights_[marks_.rank(d.from())] + 1;
        if (above > height) height = above;
        if (above < least) least = above;
      }
      differ |= least < height && n->dependencies().size() <= most_compared;
      heights_[marks_.rank(n)] = height;
    }
    return differ;
  }

  node_marks& marks_;
  scratch_list<node const*>& nodes_;
  scratch_array<std::uint32_t> heights_;
};

}  // namespace detail

/// Finds the nodes that some outputs need, each after its dependencies: a branch is finished before the next is begun,
/// so few results wait. Of a node's branches the highest comes first, before anything else waits: a running total
/// before what is added to it. Of equal ones the first argument's.
///
/// Shape   as many nodes as `marks` then holds, ranked; `marks` must be clear before
/// Errors  std::bad_alloc, resource_error
/// Cost    O(nodes + edges), twice where branches differ in height; an explicit stack as deep as the graph. Nodes of
///         more than 16 dependencies keep the order of their arguments
/// Source  after R. Sethi, J. D. Ullman, The generation of optimal code for arithmetic expressions, JACM 17(4), 1970,
///         with heights for their labels; Dask's order likewise begins with the longest branch (dask/order.py)
[[gnu::cold]] DALLY_FUNCTION_APART void depth_first_order(node const* const* outputs, std::size_t output_count,
                                                          node_marks& marks, scratch_list<node const*>& nodes) {
  detail::depth_first_walk{outputs, output_count, marks, nodes};
}

/// Finds the nodes that some outputs need, as they were recorded; among nodes of one number, which several threads
/// recorded independently of each other, by thread.
///
/// Shape   as many nodes as `marks` then holds, ranked; `marks` must be clear before
/// Errors  std::bad_alloc, resource_error
/// Cost    linear: a radix sort of 8 bits a pass, on the numbers' range only
[[gnu::cold]] DALLY_FUNCTION_WITHIN void recorded_order(node const* const* outputs, std::size_t output_count,
                                                        node_marks& marks, scratch_list<node const*>& nodes) {
  nodes.clear();
  for (std::size_t i = 0; i < output_count; ++i) {
    if (!outputs[i]->is_value() && marks.mark_apart(outputs[i])) nodes.push_back(outputs[i]);
  }
  std::uint64_t lowest = ~std::uint64_t{0};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    node const* const n = nodes[i];
    if (n->number() < lowest) lowest = n->number();
    for (dependency const d : n->dependencies()) {
      if (!d.is_value() && marks.mark_apart(d.from())) nodes.push_back(d.from());
    }
  }
  marks.rank_all();
  auto const key = [&](node const* n) {
    return (n->number() - lowest) << 16 | (node_block::of(n).origin().arena & 0xffffU);
  };
  std::uint64_t used = 0;
  for (node const* const n : nodes) used |= key(n);
  scratch_list<node const*> sorted;
  sorted.resize(nodes.size());
  for (unsigned shift = 0; shift < 64; shift += 8) {
    if ((used >> shift & 255) == 0) continue;  // all alike
    std::uint32_t first[257]{};
    for (node const* const n : nodes) ++first[(key(n) >> shift & 255) + 1];
    for (unsigned b = 1; b < 257; ++b) first[b] += first[b - 1];
    for (node const* const n : nodes) sorted[first[key(n) >> shift & 255]++] = n;
    std::swap(nodes, sorted);
  }
}

}  // namespace dally
