#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

#include "dally/core/block_cache.hpp"
#include "dally/core/slot.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// The results of one run that end at their last use: who still needs each, and whether it is there. What is done with
/// them is reached through their types, result_rules, so that a program without such results does not compile it.
///
/// Threads  each operation from several threads at once, for different nodes
struct tracked_results {
  plan const& graph;
  std::byte* values = nullptr;                 ///< where the run's slots begin
  std::atomic<std::uint32_t>* uses = nullptr;  ///< by node: consumers that have not finished; null: nothing is tracked
  bool* alive = nullptr;                       ///< by node: a tracked result is in its slot
  scratch_array<std::byte> memory{};

  [[nodiscard]] std::byte* slot(node_id n) const noexcept { return values + graph.places()[n]; }
  /// A result that is there.
  [[nodiscard]] void* value(node_id n) const noexcept {
    std::byte* const at = slot(n);
    return graph.task(n).type().result->boxed ? *reinterpret_cast<void**>(at) : at;
  }
  /// Destroys a result that is there.
  void end(node_id n) const noexcept {
    value_type const& type = *graph.task(n).type().result;
    void* const ended = value(n);
    alive[n] = false;
    type.destroy(ended);
    if (type.boxed) free_box(type, ended);
  }
};

inline void track_results(tracked_results& of) {
  std::uint32_t const size = of.graph.size();
  of.memory.reset(size * (sizeof *of.uses + sizeof *of.alive));
  of.uses = reinterpret_cast<std::atomic<std::uint32_t>*>(of.memory.data());
  of.alive = reinterpret_cast<bool*>(of.uses + size);
  for (node_id n = 0; n < size; ++n) {
    ::new (&of.uses[n]) std::atomic<std::uint32_t>{of.graph.uses()[n]};
    of.alive[n] = false;
  }
}

inline void keep_result(tracked_results& of, node_id n, void* to, bool there) noexcept {
  of.alive[n] = there;
  if (to == of.slot(n)) return;
  *reinterpret_cast<void**>(of.slot(n)) = to;
  if (!there) free_box(*of.graph.task(n).type().result, to);
}

inline void end_inputs(tracked_results& of, node_id n) noexcept {
  for (std::uint32_t const edge : of.graph.edges(n)) {
    if ((edge & constant_edge) != 0 || !of.graph.task(edge).type().result->tracked) continue;
    // Release our reads to, and acquire the others' for, whoever destroys or takes the value.
    if (of.uses[edge].fetch_sub(1, std::memory_order_acq_rel) == 1 && of.alive[edge]) of.end(edge);
  }
}

inline void end_results(tracked_results& of) noexcept {
  for (node_id n = 0; n < of.graph.size(); ++n) {
    if (of.alive[n]) of.end(n);
  }
}

}  // namespace dally
