#pragma once

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/schedulers/coordinator.hpp"
#include "dally/schedulers/process_options.hpp"
#include "dally/schedulers/processes.hpp"
#include "dally/schedulers/worker_crew.hpp"

namespace dally {

/// Worker processes that stay from one compute to the next: for programs that have much memory or many threads, where
/// `processes` would fork slowly or beside locks that others hold, and for many computes in a row. Make it in the first
/// line of main:
///
///     int main() {
///       dally::process_pool const pool{4};
///       ...
///       z.compute(pool);
///     }
///
/// Workers are forked when they are needed, from a copy of the program as it was when the pool was made. So they know
/// its functions and constants, but nothing that came later: a callable travels as an address, a lambda without
/// captures or `fn<f>` as nothing, and all arguments as results do, by their `dally::codec`. What a task captures must
/// be an argument instead; global variables have the values that they had. Else as `processes`.
///
/// Threads  any may compute on it, one after the other: runs take turns. A compute inside a task that runs `here`, or
/// in
///          another thread while such a task takes long, forks workers of its own, as `processes` does. Copies are the
///          same pool, which ends with the last of them; moving copies
/// Errors   resource_error from the constructor; config_error as processes. From a run those of `processes`;
///          not_serializable also for callables and arguments; resource_error in a child of fork, which has no part in
///          its parent's pool
/// Cost     0.2 ms to make in a small program; a worker takes 0.4 ms once, however large the program is; some 10 us a
///          task, and its arguments' bytes
class process_pool {
 public:
  process_pool() : process_pool{process_options{}} {}
  explicit process_pool(count workers) : process_pool{processes{workers}.options()} {}
  explicit process_pool(process_options options) : shared_{std::make_shared<shared>(std::move(options))} {}

  process_pool(process_pool const&) = default;
  process_pool& operator=(process_pool const&) = default;
  ~process_pool() = default;

  [[nodiscard]] unsigned workers() const noexcept { return shared_->workers; }
  [[nodiscard]] process_options const& options() const noexcept { return shared_->options; }
  /// Not inside a task of a worker: what is computed there runs there.
  [[nodiscard]] bool honours_task_limits() const noexcept { return !detail::in_worker; }

  DALLY_FUNCTION_APART void run(execution& job) const {
    if (detail::in_worker || job.size() == 0) return job.sweep(0, job.size());
    if (shared_->owner != ::getpid()) {
      throw resource_error{"a process_pool was used in a child of fork: its workers are the parent's; make another", 0};
    }
    turn const mine{*shared_, job};
    if (mine.nested()) return processes{shared_->options}.run(job);
    if (mine.given_up()) return job.sweep(0, job.size());  // stopped: only says so
    shared_->crew.begin_run();
    settled const after{shared_->crew};
    detail::coordinator{job, shared_->options, shared_->crew}.run();
  }

 private:
  struct shared {
    explicit shared(process_options given)
        : options{std::move(given)}, workers{processes{options}.workers()}, crew{options, workers} {}

    process_options const options;
    unsigned const workers;
    pid_t const owner = ::getpid();
    detail::worker_crew crew;
    std::mutex mutex;
    std::condition_variable free;
    unsigned depth = 0;      // of runs inside each other; 0: it is nobody's turn
    std::thread::id holder;  // whose turn it is
  };

  // One run's turn. A run inside another, of the same thread, shares that one's turn if it was lent the workers.
  class turn {
   public:
    turn(shared& of, execution const& job) : of_{of} {
      std::unique_lock lock{of.mutex};
      if (of.depth != 0 && of.holder == std::this_thread::get_id()) {
        nested_ = !std::exchange(of.crew.lent(), false);
        if (!nested_) ++of.depth;
        return;
      }
      for (int waits = 0; of.depth != 0 && !given_up_ && !nested_;) {
        of.free.wait_for(lock, std::chrono::milliseconds{20});
        given_up_ = of.depth != 0 && job.stopped();
        // The task that runs there may wait for this run.
        waits = of.depth != 0 && of.crew.runs_here().load(std::memory_order_relaxed) ? waits + 1 : 0;
        nested_ = waits == 10;
      }
      if (given_up_ || nested_) return;
      of.holder = std::this_thread::get_id();
      of.depth = 1;
    }
    turn(turn const&) = delete;
    turn& operator=(turn const&) = delete;
    ~turn() {
      if (nested_ || given_up_) return;
      std::lock_guard const lock{of_.mutex};
      if (--of_.depth == 0) {
        of_.free.notify_one();
      } else {
        of_.crew.lent() = true;  // as it was
      }
    }
    /// Whether the workers are busy with a run that this one is, or may be, inside of.
    [[nodiscard]] bool nested() const noexcept { return nested_; }
    /// Whether it was stopped before its turn came.
    [[nodiscard]] bool given_up() const noexcept { return given_up_; }

   private:
    shared& of_;
    bool nested_ = false;
    bool given_up_ = false;
  };

  struct settled {
    detail::worker_crew& crew;
    ~settled() { crew.end_run(); }
  };

  std::shared_ptr<shared> shared_;
};

static_assert(scheduler<process_pool>);

}  // namespace dally
