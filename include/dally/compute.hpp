#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <stop_token>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "dally/config.hpp"
#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/delayed/argument.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/own_lazies.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/execution/continuation.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/observer.hpp"
#include "dally/execution/retries.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/graph/node_marks.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// How to run a graph. An aggregate: name the fields.
struct compute_options {
  any_scheduler scheduler{};           ///< none: the scope's, else the environment's, else threads{}
  std::vector<observer*> observers{};  ///< told what happens; they must outlive the run
  std::stop_token stop{};              ///< a stop request cancels the run
};

/// The task whose exception ended a run.
struct failed_task {
  std::string name;
  dally::key key;
  std::source_location place;
};

namespace detail {

/// What last_failure() tells on this thread. On the heap: most failures are never asked for.
struct noted_failure {
  DALLY_EXPORT static constinit inline thread_local failed_task* last = nullptr;
  /// Whether the process has had a library that calls last_failure(): else failures are not noted.
  DALLY_EXPORT static constinit inline std::atomic<bool> asked{false};
  [[gnu::cold]] DALLY_FUNCTION ~noted_failure() { delete std::exchange(last, nullptr); }
  /// Notes the task, or that it was none.
  static void note(node const* task) {
    if (asked.load(std::memory_order_relaxed)) keep(task);
  }
  DALLY_EXPORT [[gnu::cold, gnu::noinline]] static void keep(node const* task) {
    static thread_local noted_failure forgotten_at_thread_exit;
    static_cast<void>(forgotten_at_thread_exit);
    delete std::exchange(last, nullptr);
    if (task != nullptr) last = new failed_task{task->label(), task->key(), task->place()};
  }
};

/// Set before main where last_failure is compiled, and only there: that is why both are templates.
template <class = void>
inline bool const failures_are_noted = (noted_failure::asked.store(true, std::memory_order_relaxed), true);

}  // namespace detail

/// The task whose exception was the last to leave a `compute`, `persist` or prepared run on this thread; none if that
/// was no task's. Of a failure in a nested run, the task of the outermost. Known from when the program or library that
/// calls this is loaded.
template <class = void>
std::optional<failed_task> last_failure() {
  if (!detail::failures_are_noted<>) return std::nullopt;
  failed_task const* const last = detail::noted_failure::last;
  return last != nullptr ? std::optional{*last} : std::nullopt;
}

namespace detail {

template <class A>
inline constexpr bool is_options = std::is_same_v<std::remove_cvref_t<A>, compute_options>;

template <class... A>
concept values_first = sizeof...(A) == 0 || [] {
  if constexpr (sizeof...(A) == 0) {
    return true;
  } else {
    return []<class First, class... Rest>(std::tuple<First, Rest...>*) {
      return !is_options<First> && !scheduler<First>;
    }(static_cast<std::tuple<A...>*>(nullptr));
  }
}();

/// Runs one job, and the graphs that its tasks return, on copies of a scheduler, which run may change.
inline void run_on(execution& job, any_scheduler const& chosen) {
  job.run_inner_on(&chosen);
  chosen.run_copy(job);
}

/// Runs one job to its end, on the default scheduler if `chosen` is null or empty. Errors: see execution::finish; of
/// them last_failure() tells, and `noted` is true.
DALLY_FUNCTION void run_to_end(execution& job, any_scheduler const* chosen, bool& noted) {
  try {
    if (chosen != nullptr && *chosen) {
      run_on(job, *chosen);
    } else {
      run_on(job, default_scheduler());
    }
    job.finish();
  } catch (...) {
    noted_failure::note(job.failed());
    noted = true;
    throw;
  }
}

/// The nodes of all lazies in some arguments, in order.
template <class... Args>
scratch_list<node const*> nodes_in(Args const&... args) {
  scratch_list<node const*> nodes;
  [[maybe_unused]] auto const visit = [&](auto const& x) { nodes.push_back(detail::node_of(x)); };
  (each_lazy{visit}(args), ...);
  return nodes;
}

/// Hands out the values of a finished job, in the order of its plan's outputs.
struct output_values {
  execution& job;
  std::size_t next = 0;
  template <class T>
  stored_t<T> operator()(lazy<T> const&) {
    return job.take_output<stored_t<T>>(next++);
  }
};

/// Gives arguments back with the values of a finished job, whose plan was made of them, for lazies.
template <class... Args>
auto values_of(execution& job, Args const&... args) {
  output_values values{job};
  plain_value const value{values};
  if constexpr (sizeof...(Args) == 1 && (std::is_same_v<Args, lazy<void>> && ...)) {
    return;
  } else if constexpr (sizeof...(Args) == 1) {
    return value(args...);
  } else {
    return std::tuple<plain_t<Args>...>{value(args)...};  // braces order the calls
  }
}

/// A run as `how` says: a scheduler, which may be null or empty, or compute_options.
using scheduler_or_null = any_scheduler const*;
inline execution begin_run(plan const& of, scheduler_or_null) { return execution{of}; }
inline execution begin_run(plan const& of, compute_options const& options) {
  return execution{of, options.observers, options.stop};
}
inline scheduler_or_null scheduler_in(scheduler_or_null scheduler) { return scheduler; }
inline scheduler_or_null scheduler_in(compute_options const& options) { return &options.scheduler; }

/// A run of a plan, as `how` says, to its end. What its making throws besides a task's exception is no task's:
/// last_failure() is none.
struct finished_run {
  execution job;

  template <class How>
  [[gnu::noinline]] finished_run(plan const& of, How const& how, bool noted = false) try
      : job{detail::begin_run(of, how)} {
    run_to_end(job, detail::scheduler_in(how), noted);
  } catch (...) {
    if (!noted) noted_failure::note(nullptr);
  }
};

/// The same, with a plan of its own: of these nodes, of which null stands for an empty handle.
struct planned_run {
  plan of;
  execution job;

  template <class How>
  [[gnu::noinline]] planned_run(node const* const* outputs, std::size_t count, How const& how, bool noted = false) try
      : of{outputs, counted(outputs, count)}, job{detail::begin_run(of, how)} {
    run_to_end(job, detail::scheduler_in(how), noted);
  } catch (...) {
    if (!noted) noted_failure::note(nullptr);
  }

 private:
  static std::size_t counted(node const* const* outputs, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (outputs[i] == nullptr) throw_empty_handle();
    }
    return count;
  }
};

/// A copy of a scheduler. What copying it throws is no task's: last_failure() is none.
template <scheduler S>
any_scheduler owned(S const& original) {
  if constexpr (std::is_trivially_copyable_v<S>) {
    return original;
  } else {
    try {
      return original;
    } catch (...) {
      noted_failure::note(nullptr);
      throw;
    }
  }
}

/// What `result` returns; what it throws is no task's.
template <class Result>
auto noting_failure(Result&& result) {
  try {
    return result();
  } catch (...) {
    noted_failure::note(nullptr);
    throw;
  }
}

template <class How, class... Args>
auto run_plan(plan const& of, How const& how, Args const&... args) {
  finished_run run{of, how};
  return detail::noting_failure([&] { return detail::values_of(run.job, args...); });
}

/// Plans and runs all lazies in some arguments, as `how` says.
template <class How, class... Args>
planned_run run_of(How const& how, Args const&... args) {
  if constexpr ((is_lazy<Args> && ... && true)) {
    node const* const outputs[] = {(detail::is_empty(args) ? nullptr : detail::node_of(args))..., nullptr};
    return {outputs, sizeof...(Args), how};
  } else {
    scratch_list<node const*> const outputs = detail::noting_failure([&] { return detail::nodes_in(args...); });
    return {outputs.data(), outputs.size(), how};
  }
}

template <class How, class... Args>
auto compute_values(How const& how, Args const&... args) {
  planned_run run = detail::run_of(how, args...);
  return detail::noting_failure([&] { return detail::values_of(run.job, args...); });
}

/// The lazies of some arguments that are to be persisted: the tasks among them, each once, and which lazy names which.
struct persisted_nodes {
  static constexpr std::uint32_t already_there = ~std::uint32_t{0};

  scratch_list<node const*> tasks;
  scratch_list<std::uint32_t> indices;  // of each lazy among the tasks, in each_lazy's order

  DALLY_FUNCTION_APART explicit persisted_nodes(scratch_list<node const*> const& nodes) {
    node_marks& marks = node_marks::mine();
    struct cleared {
      node_marks& marks;
      ~cleared() { marks.clear(); }
    } const cleared_at_exit{marks};
    std::size_t count = 0;
    for (node const* const n : nodes) count += !n->is_value() && marks.mark_apart(n) ? 1U : 0U;
    tasks.resize_for_overwrite(count);
    marks.rank_all(tasks.data());
    for (node const* const n : nodes) indices.push_back(n->is_value() ? already_there : marks.rank_apart(n));
  }
};

/// Puts lazies whose values are there in the place of those that have been computed, in each_lazy's order.
class persisting {
 public:
  persisting(persisted_nodes const& nodes, execution& job) : nodes_{nodes}, job_{job}, kept_(nodes.tasks.size()) {}

  template <class T>
  void operator()(lazy<T>& x) {
    if (next_ == nodes_.indices.size()) refuse_other_lazies();
    std::uint32_t const i = nodes_.indices[next_++];
    if (i == persisted_nodes::already_there) return;
    if (!kept_[i]) {
      node const* const from = nodes_.tasks[i];
      node_extras const named{.options = {.name = from->label()}};
      kept_[i] = node_ref{record_value<stored_t<T>>(
          from->place(), &named, [&](void* at) { ::new (at) stored_t<T>(job_.take_output<stored_t<T>>(i)); })};
    }
    kept_[i]->retain();
    x = make_lazy<T>(kept_[i].get());
  }

 private:
  persisted_nodes const& nodes_;
  execution& job_;
  std::vector<node_ref> kept_;
  std::size_t next_ = 0;
};

/// Runs all lazies in some arguments in one run, and returns the arguments with lazies whose values are there.
template <class How, class... Args>
std::tuple<Args...> persist_values(How const& how, Args const&... args) {
  persisted_nodes const nodes = detail::noting_failure([&] { return persisted_nodes{detail::nodes_in(args...)}; });
  planned_run run{nodes.tasks.data(), nodes.tasks.size(), how};
  return detail::noting_failure([&] {
    std::tuple<Args...> kept{args...};
    persisting persist{nodes, run.job};
    std::apply([&](auto&... own) { (detail::each_own_lazy(own, persist), ...); }, kept);
    return kept;
  });
}

/// Of one container that container; of lazies, and of several arguments, a tuple.
template <class... Args>
auto persisted_result(std::tuple<Args...>&& kept) {
  if constexpr (sizeof...(Args) == 1 && !(is_lazy<Args> && ...)) {
    return std::get<0>(std::move(kept));
  } else {
    return std::move(kept);
  }
}

}  // namespace detail

namespace verbs {

/// Runs what the arguments need, nodes they share once, and returns a tuple of their values, of one argument the value
/// itself. Containers of lazies come back as containers of values, plain values unchanged.
///
/// Errors  a task's own exception; graph_error, config_error, cancelled, resource_error; then nothing is left behind
template <class... Args>
  requires detail::values_first<Args...>
auto compute(Args const&... args) {
  return detail::compute_values(detail::scheduler_or_null{}, args...);
}
/// The same, as the options say: `compute({.scheduler = threads{4}}, x, y)`.
template <class... Args>
auto compute(compute_options const& options, Args const&... args) {
  return detail::compute_values(options, args...);
}
/// The same, on this scheduler: `compute(threads{4}, x, y)`.
template <scheduler S, class... Args>
auto compute(S const& scheduler, Args const&... args) {
  any_scheduler const own = detail::owned(scheduler);
  return detail::compute_values(&own, args...);
}

/// Runs now, all lazies in the arguments in one run; a tuple of lazies whose values are already there and are not
/// computed again. Of one container of lazies the same container of such lazies: `blocks = persist(blocks)`. Containers
/// among several arguments likewise, plain values unchanged.
///
/// Cost  no value is copied; two lazies of one node become two of one value
template <class... Args>
  requires detail::values_first<Args...>
[[nodiscard]] auto persist(Args const&... args) {
  return detail::persisted_result(detail::persist_values(detail::scheduler_or_null{}, args...));
}
/// The same, as the options say.
template <class... Args>
[[nodiscard]] auto persist(compute_options const& options, Args const&... args) {
  return detail::persisted_result(detail::persist_values(options, args...));
}
/// The same, on this scheduler.
template <scheduler S, class... Args>
[[nodiscard]] auto persist(S const& scheduler, Args const&... args) {
  any_scheduler const own = detail::owned(scheduler);
  return detail::persisted_result(detail::persist_values(&own, args...));
}

}  // namespace verbs

/// A graph planned once, to be run many times: `auto again = prepare(x, y); again(); again(threads{2});`
///
/// Threads  may be called from several threads at once; each call is a run of its own
template <class... Args>
class prepared {
 public:
  explicit prepared(Args const&... args) : arguments_{args...} {
    try {
      scratch_list<node const*> const outputs = detail::nodes_in(args...);
      plan_ = std::make_shared<plan const>(outputs.data(), outputs.size());
    } catch (...) {
      detail::noted_failure::note(nullptr);
      throw;
    }
  }

  /// The values, as compute(args...) returns them.
  auto operator()() const { return run(detail::scheduler_or_null{}); }
  auto operator()(compute_options const& options) const { return run(options); }
  template <scheduler S>
  auto operator()(S const& scheduler) const {
    any_scheduler const own = detail::owned(scheduler);
    return run(&own);
  }

  [[nodiscard]] plan const& planned() const noexcept { return *plan_; }

 private:
  template <class How>
  auto run(How const& how) const {
    return std::apply([&](Args const&... args) { return detail::run_plan(*plan_, how, args...); }, arguments_);
  }

  std::tuple<Args...> arguments_;
  std::shared_ptr<plan const> plan_;
};

namespace verbs {

/// Plans what the arguments need.
template <class... Args>
[[nodiscard]] prepared<std::decay_t<Args>...> prepare(Args&&... args) {
  return prepared<std::decay_t<Args>...>{args...};
}

}  // namespace verbs

template <class T>
T lazy<T>::compute() const {
  return detail::compute_values(detail::scheduler_or_null{}, *this);
}
template <class T>
T lazy<T>::compute(compute_options const& options) const {
  return detail::compute_values(options, *this);
}
template <class T>
template <class Scheduler>
T lazy<T>::compute(Scheduler const& chosen) const {
  static_assert(scheduler<Scheduler>, "dally: x.compute(s) takes a scheduler, such as threads{4}, or compute_options");
  any_scheduler const own = detail::owned(chosen);
  return detail::compute_values(&own, *this);
}
template <class T>
lazy<T> lazy<T>::persist() const {
  return std::get<0>(detail::persist_values(detail::scheduler_or_null{}, *this));
}
template <class T>
lazy<T> lazy<T>::persist(compute_options const& options) const {
  return std::get<0>(detail::persist_values(options, *this));
}
template <class T>
template <class Scheduler>
lazy<T> lazy<T>::persist(Scheduler const& chosen) const {
  static_assert(scheduler<Scheduler>, "dally: x.persist(s) takes a scheduler, such as threads{4}, or compute_options");
  any_scheduler const own = detail::owned(chosen);
  return std::get<0>(detail::persist_values(&own, *this));
}

}  // namespace dally
