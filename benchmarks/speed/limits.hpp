#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "speed/phases.hpp"
#include "speed/shapes.hpp"
#include "speed/team.hpp"
#include "speed/work.hpp"

namespace speed {

// Hand-written limits: what is left when a library's generality is gone. Their memory is kept from graph to graph.

/// A mock-up of the least that a typed recorder can do: nodes of just the needed size, one behind the other, swept in
/// order by one call through a function pointer each. No types, no values' ends, no counts. One thread.
///
/// Counted  each node counts its handle and its takers, and destroying is what counting takes at least: the handles are
///          given back as they stand, then each node, the last first, gives back what it takes
template <class Work = no_work, bool Counted = false>
phases run_arena(shape const& s, unsigned) {
  struct node {
    void (*invoke)(node*);
    value result;
    std::uint32_t count;
    std::uint32_t uses;  // without counting, padding
    value constant;
    [[nodiscard]] node** inputs() { return reinterpret_cast<node**>(this + 1); }
  };
  static constexpr auto invoke = [](node* n) {
    value sum = n->constant;
    for (std::uint32_t i = 0; i < n->count; ++i) sum += n->inputs()[i]->result;
    n->result = Work::after(sum, n->count);
  };
  phases took;
  stopwatch watch;
  constexpr std::size_t block_bytes = std::size_t{2} << 20;
  static std::vector<std::unique_ptr<std::byte[]>> blocks;
  std::size_t block = 0;
  std::byte* at = nullptr;
  std::byte* end = nullptr;
  std::vector<node*> nodes;
  nodes.reserve(s.size());
  for (std::size_t i = 0; i < s.size(); ++i) {
    std::size_t const bytes = sizeof(node) + s.count(i) * sizeof(node*);
    if (static_cast<std::size_t>(end - at) < bytes) {
      std::size_t const wanted = bytes > block_bytes ? bytes : block_bytes;
      if (block == blocks.size()) blocks.push_back(std::make_unique_for_overwrite<std::byte[]>(wanted));
      at = blocks[block++].get();
      end = at + wanted;
    }
    node* const n = ::new (at) node{invoke, 0, s.count(i), 1, s.constant[i]};
    for (std::uint32_t k = 0; k < n->count; ++k) {
      n->inputs()[k] = nodes[s.inputs_of(i)[k]];
      if constexpr (Counted) ++n->inputs()[k]->uses;
    }
    nodes.push_back(n);
    at += bytes;
  }
  took.record = watch.lap();
  auto const sweep = [&] {
    for (node* const n : nodes) n->invoke(n);
  };
  sweep();
  took.run = watch.lap();
  sweep();
  took.rerun = watch.lap();
  took.result = nodes.back()->result;
  if constexpr (Counted) {
    std::size_t alive = nodes.size();
    auto const give_back = [&](node* n) {
      if (--n->uses == 0) --alive;
    };
    for (node* const n : nodes) give_back(n);
    for (std::size_t i = nodes.size(); i-- != 0 && nodes[i]->uses == 0;) {
      for (std::uint32_t k = 0; k < nodes[i]->count; ++k) give_back(nodes[i]->inputs()[k]);
    }
    if (alive != 0) took.result = 0;  // what is wrong is told
  }
  nodes = {};
  took.destroy = watch.lap();
  return took;
}

/// Threads that claim chunks of the recorded order, and publish one mark a chunk.
template <class Work = no_work>
phases run_chunks(shape const& original, unsigned threads) {
  static shape s;
  static std::vector<value> values;
  static std::vector<std::atomic<std::uint32_t>> done;
  static std::uint32_t epoch = 0;  // the mark of the run; never one of an earlier run
  team& workers = team::of(threads);
  phases took;
  stopwatch watch;
  s.clear();
  for (std::size_t i = 0; i < original.size(); ++i) s.add(original.constant[i], original.row(i));
  took.record = watch.lap();
  std::size_t const chunk = original.chunk;
  std::size_t const chunks = (s.size() + chunk - 1) / chunk;
  values.resize(s.size());
  if (done.size() < chunks) done = std::vector<std::atomic<std::uint32_t>>(chunks);
  took.plan = watch.lap();
  run_twice(took, watch, [&] {
    ++epoch;
    std::atomic<std::size_t> next_chunk{0};
    workers.run([&, now = epoch](unsigned) {
      for (std::size_t c = 0; (c = next_chunk.fetch_add(1, std::memory_order_relaxed)) < chunks;) {
        std::size_t const last = (c + 1) * chunk < s.size() ? (c + 1) * chunk : s.size();
        for (std::size_t i = c * chunk; i < last; ++i) {
          value total = s.constant[i];
          for (std::uint32_t const input : s.row(i)) {
            // Acquires the values of another thread's chunk.
            while (input < c * chunk && done[input / chunk].load(std::memory_order_acquire) != now) {
              std::this_thread::yield();
            }
            total += values[input];
          }
          values[i] = Work::after(total, s.count(i));
        }
        done[c].store(now, std::memory_order_release);  // to the loads above
      }
    });
    return values.back();
  });
  return took;
}

}  // namespace speed
