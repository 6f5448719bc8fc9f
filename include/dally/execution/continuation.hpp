#pragma once

#include <utility>

#include "dally/core/error.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// How a run goes on with the graph that a task has returned: as a run of its own on a copy of the same scheduler. A
/// loop of tasks that each return the next neither nests nor keeps what is done: the run of one ends before the next
/// begins.
[[gnu::cold, gnu::noinline]] inline bool continue_run(execution& job, node_id n, node const* next, void* result) {
  node_ref current{next};
  if (job.outer_ != nullptr && job.plan_.outputs()[0] == n && job.plan_.size() == n + 1) {
    job.continuation_ = current.detach();  // the last node of an inner run: the outer run takes over
    return false;
  }
  value_type const& type = *job.plan_.task(n).type().result;
  while (!current->is_value()) {
    node const* const output = current.get();
    plan const inner_plan{&output, 1};
    execution inner{inner_plan, job};
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
    if (inner.continuation_ == nullptr) {
      type.move(inner.tracked_.value(inner_plan.outputs()[0]), result);
      return true;
    }
    current = node_ref{std::exchange(inner.continuation_, nullptr)};
  }
  if (type.copy == nullptr)
    refuse<graph_error>({"a flattened task returned a move-only literal: it belongs to the graph"});
  type.copy(current->payload(), result);
  return true;
}

}  // namespace dally
