#pragma once

#include "dally/core/count.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/pool/available_workers.hpp"
#include "dally/pool/thread_pool.hpp"
#include "dally/schedulers/crew_run.hpp"

namespace dally {

/// Runs a graph on a pool of threads that steal work from each other; the caller is one of the workers. The default.
///
/// `threads{}` uses every core this process may use, `threads{n}` n workers; more than cores is fine, for tasks that
/// sleep or wait. All threads{n} of a process share one pool of that size; threads{pool} uses one's own.
///
/// Threads  a compute inside a task runs nodes of the inner run only, on the waiting worker and on idle ones
/// Shape    every node once, after its dependencies; the order depends on timing
/// Errors   config_error for 0 workers or more than 4,096. Threads that the system refuses are done without: in the
///          end the caller works alone
/// Cost     short tasks are run by the caller in the plan's order, for a store and a load each, or by the caller and
///          one pool thread in turns; from when they prove longer than a quarter of a microsecond (2 to 6 us where
///          there are two workers), a join counter an edge, and a wake-up only when somebody is idle
/// Source   R. D. Blumofe, C. E. Leiserson, Scheduling multithreaded computations by work stealing, JACM 46(5), 1999
class threads {
 public:
  threads() = default;
  explicit threads(count workers) : workers_{workers} {
    if (!workers.between(1, thread_pool::most_workers)) {
      refuse(&throw_saying<config_error>,
             "threads{%lld}: between 1 and %u workers are allowed; threads{} uses all cores", workers.number(),
             thread_pool::most_workers);
    }
  }
  explicit threads(thread_pool& pool) noexcept : workers_{pool.size()}, pool_{&pool.shared()} {}

  [[nodiscard]] unsigned workers() const { return workers_ != 0 ? workers_ : available_workers(); }

  [[gnu::cold]] DALLY_FUNCTION void run(execution& job) const {
    // Where each node waits for the one before it, or one worker does it all, the plan's order is the only one needed.
    unsigned const count = job.plan().is_chain() ? 1 : workers();
    pool_threads* const pool = count == 1 || pool_ != nullptr ? pool_ : shared_pool(count);
    owner const keep{pool_};
    if (count == 1 || pool == nullptr) return job.sweep(0, job.size());
    crew_run{job, *pool}.run();
  }

 private:
  // A task of the run may destroy the pool.
  struct owner {
    pool_threads* const of;
    explicit owner(pool_threads* pool) noexcept : of{pool} {
      if (of != nullptr) of->retain();
    }
    owner(owner const&) = delete;
    owner& operator=(owner const&) = delete;
    ~owner() {
      if (of != nullptr) of->release();
    }
  };

  unsigned workers_ = 0;
  pool_threads* pool_ = nullptr;  // of a thread_pool that is there when a run begins
};

static_assert(scheduler<threads>);

}  // namespace dally
