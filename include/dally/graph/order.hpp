#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "dally/core/block_cache.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/node_marks.hpp"

namespace dally {

/// The nodes that `outputs` need, each after its dependencies: a branch is finished before the next is begun, so few
/// results wait. Of a node's branches the highest comes first, before anything else waits: a running total before what
/// is added to it. Of equal ones the first argument's.
///
/// Shape   as many nodes as `marks` then holds; `marks` must be clear before
/// Errors  std::bad_alloc, resource_error
/// Cost    O(nodes + edges), twice where branches differ in height; an explicit stack as deep as the graph. Nodes of
///         more than 16 dependencies keep the order of their arguments
/// Source  after R. Sethi, J. D. Ullman, The generation of optimal code for arithmetic expressions, JACM 17(4), 1970,
///         with heights for their labels; Dask's order likewise begins with the longest branch (dask/order.py)
class depth_first_order {
 public:
  [[gnu::cold, gnu::noinline]] depth_first_order(node const* const* outputs, std::size_t output_count,
                                                 node_marks& marks)
      : marks_{marks} {
    walk(outputs, output_count);
    if (!find_heights()) return;
    seen_ = scratch_array<bool>{nodes.size()};
    for (std::size_t i = 0; i < nodes.size(); ++i) seen_[i] = false;
    nodes.clear();
    walk(outputs, output_count);
  }

  scratch_list<node const*> nodes;

 private:
  static constexpr std::size_t most_compared = 16;

  struct frame {
    node const* visited;
    std::size_t next;
  };

  void walk(node const* const* outputs, std::size_t output_count) {
    scratch_list<frame> stack;
    for (std::size_t i = 0; i < output_count; ++i) {
      node const* entered = outputs[i];
      for (;;) {
        if (entered != nullptr && !entered->is_value() && enter(entered)) stack.push_back({entered, 0});
        if (stack.empty()) break;
        entered = next_of(stack.back());
        if (entered == nullptr) {
          nodes.push_back(stack.back().visited);
          stack.pop_back();
        }
      }
    }
  }

  // The first time by marks; the second, when these give every node its number, by that.
  bool enter(node const* n) {
    if (seen_.data() == nullptr) return marks_.mark(n);
    return !std::exchange(seen_[marks_.rank(n)], true);
  }

  node const* next_of(frame& top) const {
    dependency_list const dependencies = top.visited->dependencies();
    if (seen_.data() == nullptr || dependencies.size() > most_compared) {
      return top.next < dependencies.size() ? dependencies[top.next++].from() : nullptr;
    }
    node const* highest = nullptr;
    for (dependency const d : dependencies) {
      if (d.from()->is_value() || seen_[marks_.rank(d.from())]) continue;
      if (highest == nullptr || heights_[marks_.rank(d.from())] > heights_[marks_.rank(highest)]) highest = d.from();
    }
    return highest;
  }

  // True if some node's branches differ in height. Each node stands after its dependencies: one pass does.
  bool find_heights() {
    marks_.number_all([](node const*) {});
    heights_ = scratch_array<std::uint32_t>{nodes.size()};
    bool differ = false;
    for (node const* const n : nodes) {
      std::uint32_t height = 0;
      std::uint32_t least = ~std::uint32_t{0};
      for (dependency const d : n->dependencies()) {
        std::uint32_t const above = d.from()->is_value() ? 0 : heights_[marks_.rank(d.from())] + 1;
        if (above > height) height = above;
        if (above < least && above != 0) least = above;
      }
      differ |= least < height && n->dependencies().size() <= most_compared;
      heights_[marks_.rank(n)] = height;
    }
    return differ;
  }

  node_marks& marks_;
  scratch_array<std::uint32_t> heights_;
  scratch_array<bool> seen_;
};

/// Sorts nodes as they were recorded; among nodes of one number, which several threads recorded independently of each
/// other, by thread.
///
/// Cost    linear: a radix sort of 16 bits a pass, on the numbers' range only
/// Errors  std::bad_alloc, resource_error
[[gnu::cold]] inline void sort_as_recorded(scratch_list<node const*>& nodes) {
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
  scratch_list<node const*> sorted;
  sorted.resize(nodes.size());
  scratch_array<std::size_t> const first{buckets + 1};
  auto const pass = [&](auto const& digit_of) {
    for (std::size_t b = 0; b <= buckets; ++b) first[b] = 0;
    for (node const* const n : nodes) ++first[digit_of(n) + 1];
    for (std::size_t b = 1; b <= buckets; ++b) first[b] += first[b - 1];
    for (node const* const n : nodes) sorted[first[digit_of(n)]++] = n;
    std::swap(nodes, sorted);
  };
  pass([](node const* n) { return node_block::of(n).arena() & (buckets - 1); });
  for (unsigned shift = 0; shift < 64 && ((highest - lowest) >> shift) != 0; shift += bits) {
    pass([&](node const* n) { return ((n->number() - lowest) >> shift) & (buckets - 1); });
  }
}

}  // namespace dally
