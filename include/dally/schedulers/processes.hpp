#pragma once

#include <string>
#include <utility>

#include "dally/core/count.hpp"
#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/pool/available_workers.hpp"
#include "dally/pool/thread_pool.hpp"
#include "dally/schedulers/by_name.hpp"
#include "dally/schedulers/coordinator.hpp"
#include "dally/schedulers/process_options.hpp"
#include "dally/schedulers/worker_crew.hpp"

namespace dally {

/// Runs a graph in worker processes, forked anew for each run: a task that crashes, leaks, calls `exit`, or is no good
/// beside other threads, harms nobody else.
///
/// Workers inherit the graph with its callables and arguments. Results cross back and forth as bytes: their types need
/// a `dally::codec`, which most have without anybody writing one. What else a task writes is lost with its process. A
/// worker that dies is replaced and its task runs again, `crash_retries` times, so it may have begun more than once; an
/// exception is final, but for `task_options::retries`.
///
/// Threads  workers are forked from the calling thread, which does nothing but wait for them, and run the tasks that
///          must run `here` and those that return or take lazies; while it runs one, a thread beside it does the
///          waiting. A compute inside a task of a worker runs in that worker
/// Shape    every node once, after its dependencies, but for retries; the order depends on timing
/// Errors   not_serializable before anything runs; killed_worker, task_timeout, remote_error; config_error for
///          options that make no sense; resource_error if the system refuses even one worker: it makes do with fewer
/// Cost     a fork a worker, about 0.2 ms, and 17 ms for each GiB of the program's memory; some 10 us a task
class processes {
 public:
  processes() = default;
  explicit processes(count workers) : processes{process_options{.workers = check(workers)}} {}
  explicit processes(process_options options) : options_{std::move(options)} { check_process_options(options_); }

  [[nodiscard]] unsigned workers() const {
    return options_.workers.number() != 0 ? unsigned{options_.workers} : available_workers();
  }
  [[nodiscard]] process_options const& options() const noexcept { return options_; }
  /// Not inside a task of a worker: what is computed there runs there.
  [[nodiscard]] bool honours_task_limits() const noexcept { return !detail::in_worker; }

  DALLY_FUNCTION_APART void run(execution& job) const {
    if (detail::in_worker || job.size() == 0) return job.sweep(0, job.size());
    detail::worker_crew crew{job.plan(), options_, workers()};
    detail::coordinator{job, options_, crew}.run();
  }

 private:
  static count check(count workers) {
    if (!workers.between(1, thread_pool::most_workers)) {
      refuse<config_error>({"processes{", std::to_string(workers.number()), "}: between 1 and ",
                            decimal(thread_pool::most_workers), " workers are allowed; processes{} uses all cores"});
    }
    return workers;
  }

  process_options options_;
};

static_assert(scheduler<processes>);

namespace detail {
inline named_scheduler const processes_by_name{
    "processes", [](unsigned workers) -> any_scheduler { return workers == 0 ? processes{} : processes{workers}; }};
}  // namespace detail

}  // namespace dally
