#pragma once

#include <utility>

#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/schedulers/by_name.hpp"

namespace dally {

/// Makes a scheduler the default of this thread while it lives; the innermost counts. An argument of `compute` beats
/// it, it beats the environment.
///
/// Threads  of the thread that made it; destroy it there, the last made first
class scoped_scheduler {
 public:
  explicit scoped_scheduler(any_scheduler scheduler) : scheduler_{std::move(scheduler)}, outer_{innermost_} {
    innermost_ = this;
  }
  scoped_scheduler(scoped_scheduler const&) = delete;
  scoped_scheduler& operator=(scoped_scheduler const&) = delete;
  ~scoped_scheduler() { innermost_ = outer_; }

  /// The scheduler of the innermost scope of this thread, or null.
  [[nodiscard]] static any_scheduler const* current() noexcept {
    scoped_scheduler const* scope = innermost_;
    while (scope != nullptr && !scope->scheduler_) scope = scope->outer_;
    return scope != nullptr ? &scope->scheduler_ : nullptr;
  }

 private:
  DALLY_EXPORT static constinit inline thread_local scoped_scheduler const* innermost_ = nullptr;

  any_scheduler scheduler_;
  scoped_scheduler const* outer_;
};

/// What runs a compute that was given no scheduler: the scope's, else the environment's, else `threads{}`.
[[gnu::cold]] DALLY_FUNCTION_WITHIN any_scheduler default_scheduler() {
  if (any_scheduler const* const scoped = scoped_scheduler::current()) return *scoped;
  return scheduler_of_environment();
}

}  // namespace dally
