#pragma once

#include "dally/execution/scheduler.hpp"

namespace dally {

/// Runs a graph on the calling thread in exactly the plan's order: for debugging, for tests, as the measure of the
/// others, and where threads are not wanted. No thread is started.
///
/// Cost  one indirect call a task, no counters
class synchronous {
 public:
  void run(execution& job) const { job.sweep(0, job.size()); }
};

static_assert(scheduler<synchronous>);

}  // namespace dally
