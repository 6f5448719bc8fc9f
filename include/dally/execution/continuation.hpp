#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/slot.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// A graph of a few nodes planned, and run inside another run, in memory on the stack: what most tasks return that
/// return a graph. Where it holds, `plan` and `execution` are what their own constructors make of it, but for the
/// arrays.
class small_inner_graph {
 public:
  explicit small_inner_graph(node const* output) : plan_{1} {
    fits_ = find(output);
    if (fits_) write(output);
  }
  small_inner_graph(small_inner_graph const&) = delete;
  small_inner_graph& operator=(small_inner_graph const&) = delete;
  ~small_inner_graph() { plan_.tasks_.take_back(); }

  /// Whether it is small, and nothing in it needs more than the plain rules. If not, there is no plan.
  [[nodiscard]] bool fits() const noexcept { return fits_; }

  /// A run of it inside `outer`.
  class run : public execution {
   public:
    run(small_inner_graph& of, execution const& outer) noexcept : execution{of.plan_, outer, nullptr} {
      values_.lend(of.values_, value_bytes);
      tracked_.values = of.values_;
      if (of.plan_.tracking_ == nullptr) return;
      tracked_.uses = of.uses_left_;
      tracked_.alive = of.alive_;
      for (node_id n = 0; n < of.plan_.size_; ++n) {
        of.uses_left_[n].store(of.uses_[n], std::memory_order_relaxed);
        of.alive_[n] = false;
      }
    }
    run(run const&) = delete;
    run& operator=(run const&) = delete;
    ~run() { values_.take_back(); }
  };

 private:
  // Small: a recursion of tasks has one of these a level on the stack.
  static constexpr std::uint32_t most_nodes = 6;
  static constexpr std::uint32_t most_edges = 10;
  static constexpr std::size_t value_bytes = most_nodes * 16;

  [[nodiscard]] node_id id_of(node const* n) const noexcept {
    node_id id = 0;
    while (id < plan_.size_ && tasks_[id] != n) ++id;
    return id;
  }

  // Depth first, an input as soon as it is needed; as recorded if no result owns memory.
  [[nodiscard]] bool find(node const* output) noexcept {
    struct frame {
      node const* of;
      std::size_t next;
    } stack[most_nodes]{{output, 0}};
    std::uint32_t depth = 1;
    std::uint32_t edges = 0;
    bool owning = false;
    while (depth != 0) {
      frame& top = stack[depth - 1];
      dependency_list const dependencies = top.of->dependencies();
      if (top.next == 0) {
        node_type const& type = top.of->type();
        edges += static_cast<std::uint32_t>(dependencies.size() < most_edges ? dependencies.size() : most_edges + 1);
        if (edges > most_edges || top.of->is_special() || type.result->slot_alignment > 16) return false;
        if (type.rules != nullptr) {
          if (type.rules->arrange != nullptr) return false;
          if (type.result->tracked) plan_.tracking_ = type.rules;
          owning |= type.result->owning;
        }
      }
      node const* wanted = nullptr;
      while (wanted == nullptr && top.next < dependencies.size()) {
        dependency const d = dependencies[top.next++];
        if (d.is_value()) {
          result_rules const* const rules = d.from()->type().rules;
          if (rules != nullptr && rules->arrange != nullptr) return false;
        } else if (id_of(d.from()) == plan_.size_) {
          wanted = d.from();
        }
      }
      if (wanted != nullptr) {
        if (depth + plan_.size_ == most_nodes) return false;
        stack[depth++] = {wanted, 0};
      } else {
        tasks_[plan_.size_++] = top.of;
        --depth;
      }
    }
    if (owning) return true;
    for (node_id n = 1; n < plan_.size_; ++n) {
      node const* const moved = tasks_[n];
      node_id to = n;
      for (; to != 0 && tasks_[to - 1]->number() > moved->number(); --to) tasks_[to] = tasks_[to - 1];
      tasks_[to] = moved;
    }
    return true;
  }

  void write(node const* output) noexcept {
    plan_.tasks_.lend(tasks_, plan_.size_);
    plan_.constants_ = constants_;
    plan_.first_edge_ = first_edge_;
    plan_.slots_ = slots_;
    plan_.output_edges_ = edges_;
    plan_.edges_ = edges_ + 1;
    plan_.write_rows([&](node const* n) { return id_of(n); });
    edges_[0] = id_of(output);
    if (plan_.tracking_ != nullptr) {
      plan_.uses_ = uses_;
      plan_.tracking_->count(plan_);
    }
    fits_ = plan_.slot_bytes_ <= value_bytes && is_ordered();
    if (!fits_) return;
    output_ = output;
    plan_.kept_ = &output_;  // not counted: who runs the graph holds it
  }

  // Not where two copies of dally have numbered the nodes: then the order of their numbers is none.
  [[nodiscard]] bool is_ordered() const noexcept {
    for (node_id n = 0; n < plan_.size_; ++n) {
      for (std::uint32_t const edge : plan_.edges(n)) {
        if ((edge & constant_edge) == 0 && edge >= n) return false;
      }
    }
    return true;
  }

  dally::plan plan_;
  bool fits_ = false;
  bool alive_[most_nodes];
  node const* output_;
  node const* tasks_[most_nodes];
  void const* constants_[most_edges];
  std::uint32_t first_edge_[most_nodes + 1];
  std::uint32_t slots_[most_nodes];
  std::uint32_t uses_[most_nodes];
  std::uint32_t edges_[1 + most_edges];  // the output's first
  std::atomic<std::uint32_t> uses_left_[most_nodes];
  alignas(16) std::byte values_[value_bytes];
};

/// Runs `inner` inside `job`, for a result of `type`. True if that is there; false if there is none, or if `next` is
/// the graph that goes on with it.
DALLY_FUNCTION_APART bool run_inner(execution& job, execution& inner, value_type const& type, void* result,
                                    node_ref& next) {
  if (job.scheduler_ != nullptr) {
    static_cast<any_scheduler const*>(job.scheduler_)->run_copy(inner);
  } else {
    inner.sweep(0, inner.size());
  }
  try {
    inner.finish();
  } catch (cancelled const&) {
    if (!job.stopped()) throw;
    job.skipped_.store(true, std::memory_order_relaxed);
    return false;
  } catch (...) {
    if (inner.failed() == nullptr) throw;
    job.fail(*inner.failed());
    return false;
  }
  if (inner.continuation_ != nullptr) {
    next = node_ref{std::exchange(inner.continuation_, nullptr)};
    return false;
  }
  type.move(inner.tracked_.value(inner.plan_.outputs()[0]), result);
  return true;
}

/// The same of the graph of `output`. False if it is not small; nothing has been run then.
DALLY_FUNCTION_APART bool run_small_graph(execution& job, node const* output, value_type const& type, void* result,
                                          node_ref& next, bool& there) {
  small_inner_graph graph{output};
  if (!graph.fits()) return false;
  small_inner_graph::run inner{graph, job};
  there = run_inner(job, inner, type, result, next);
  return true;
}

/// The same of any graph.
DALLY_FUNCTION_APART bool run_any_graph(execution& job, node const* output, value_type const& type, void* result,
                                        node_ref& next) {
  plan const inner_plan{&output, 1};
  execution inner{inner_plan, job};
  return run_inner(job, inner, type, result, next);
}

/// How a run goes on with the graph that a task has returned: as a run of its own on a copy of the same scheduler. A
/// loop of tasks that each return the next neither nests nor keeps what is done: the run of one ends before the next
/// begins.
DALLY_FUNCTION_APART bool continue_run(execution& job, node_id n, node const* next, void* result) {
  node_ref current{next};
  if (job.outer_ != nullptr && job.plan_.outputs()[0] == n && job.plan_.size() == n + 1) {
    job.continuation_ = current.detach();  // the last node of an inner run: the outer run takes over
    return false;
  }
  value_type const& type = *job.plan_.task(n).type().result;
  while (!current->is_value()) {
    node_ref after;
    bool there = false;
    if (!run_small_graph(job, current.get(), type, result, after, there)) {
      there = run_any_graph(job, current.get(), type, result, after);
    }
    if (there) return true;
    if (!after) return false;
    current = std::move(after);
  }
  if (type.copy == nullptr)
    refuse<graph_error>({"a flattened task returned a move-only literal: it belongs to the graph"});
  type.copy(current->payload(), result);
  return true;
}

}  // namespace dally
