#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/execution/execution.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// Calls a task until it returns or has thrown once more often than it has `retries`. Its inputs are counted as if
/// somebody else needed them as well, so that it gets copies, and the next attempt finds them whole.
[[gnu::cold]] DALLY_FUNCTION bool call_until_done(execution& job, node_id n, unsigned& attempt) noexcept {
  node const& task = job.plan_.task(n);
  unsigned const retries = task.extras() != nullptr ? task.extras()->options.retries : 0;
  if (retries == 0) return job.call(n);
  auto const each_input = [&](auto const& visit) {
    if (job.tracked_.uses == nullptr) return;
    for (std::uint32_t const edge : job.plan_.edges(n)) {
      if ((edge & constant_edge) == 0) visit(job.tracked_.uses[edge]);
    }
  };
  each_input([](std::atomic<std::uint32_t>& uses) { uses.fetch_add(1, std::memory_order_relaxed); });
  bool done = false;
  for (attempt = 1; !done && attempt <= retries && !job.stopped(); ++attempt) {
    value_type const& type = *task.type().result;
    std::byte* const at = job.tracked_.slot(n);
    void* to = at;
    try {
      if (type.boxed) to = allocate_box(type);
      inputs const in{job.plan_.edges(n).begin(), job.plan_.places(), job.values_.data(), job.plan_.constants(),
                      job.tracked_.uses};
      node const* const next = task.type().invoke(task, in, to);
      bool const there = next == nullptr || task.type().resume(job, n, next, to);
      if (type.tracked) job.plan_.tracking()->keep(job.tracked_, n, to, there);
      done = true;
    } catch (...) {
      if (to != at) free_box(type, to);
    }
  }
  if (done) {
    --attempt;
  } else {
    done = job.call(n);
  }
  // Our own use is still counted: this ends nobody's life, and release orders what we have read.
  each_input([](std::atomic<std::uint32_t>& uses) { uses.fetch_sub(1, std::memory_order_release); });
  return done;
}

[[gnu::cold]] DALLY_FUNCTION void repeat_failed_tasks(execution& job) {
  job.repeat_ = &call_until_done;
  job.watch(nullptr);
}

/// A task that takes a result which cannot be copied has nothing left for another attempt.
[[gnu::cold]] DALLY_FUNCTION void refuse_unrepeatable(plan const& graph) {
  for (node_id n = 0; n < graph.size(); ++n) {
    node const& task = graph.task(n);
    if (task.extras() == nullptr || task.extras()->options.retries == 0) continue;
    for (dependency const d : task.dependencies()) {
      if (!d.by_value() || d.from()->type().result->copy != nullptr) continue;
      refuse<graph_error>({"task \"", task.label(), "\" (", task.place_text(),
                           ") has retries and takes by value what cannot be copied, the result of \"",
                           d.from()->label(),
                           "\": nothing would be left for another attempt. Take it by const reference"});
    }
  }
}

}  // namespace dally
