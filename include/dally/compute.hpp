#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "dally/config.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/observer.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// How to run a graph. An aggregate: name the fields.
struct compute_options {
  any_scheduler scheduler{};           ///< none: the scope's, else the environment's, else threads{}
  std::vector<observer*> observers{};  ///< told what happens; they must outlive the run
  std::stop_token stop{};              ///< a stop request cancels the run
};

namespace detail {

inline std::optional<failed_task>& failure_of_this_thread() {
  static thread_local std::optional<failed_task> last;
  return last;
}

}  // namespace detail

/// The task whose exception was the last to leave a `compute`, `persist` or prepared run on this thread; none if that
/// was no task's. Of a failure in a nested run, the task of the outermost.
inline std::optional<failed_task> last_failure() { return detail::failure_of_this_thread(); }

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

/// Runs one job to its end. Errors: see execution::finish; last_failure() is set.
inline void run_to_end(execution& job, any_scheduler const& chosen) {
  try {
    any_scheduler scheduler = chosen ? chosen : default_scheduler();
    scheduler.run(job);
    job.finish();
  } catch (...) {
    failure_of_this_thread() = job.failure();
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

/// The plan of all lazies in some arguments. What is thrown here is no task's: last_failure() is none.
template <class... Args>
plan plan_for(Args const&... args) {
  try {
    scratch_list<node const*> const outputs = nodes_in(args...);
    return plan{outputs.data(), outputs.size()};
  } catch (...) {
    failure_of_this_thread().reset();
    throw;
  }
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

/// Runs a plan made of these arguments and gives them back with values for lazies.
template <class... Args>
auto run_plan(plan const& of, compute_options const& options, Args const&... args) {
  execution job{of, &options.observers, options.stop};
  run_to_end(job, options.scheduler);
  output_values values{job};
  plain_value const value{values};
  if constexpr (sizeof...(Args) == 1) {
    return value(args...);
  } else {
    return std::tuple<plain_t<Args>...>{value(args)...};  // braces order the calls
  }
}

template <class... Args>
auto compute_values(compute_options const& options, Args const&... args) {
  plan const of = plan_for(args...);
  if constexpr (sizeof...(Args) == 1 && (std::is_same_v<Args, lazy<void>> && ...)) {
    static_cast<void>(run_plan(of, options, args...));
  } else {
    return run_plan(of, options, args...);
  }
}

/// A lazy whose value is there: the i-th output's of a finished job.
template <class T>
lazy<T> keep_output(lazy<T> const& x, execution& job, std::size_t i) {
  node const* const from = detail::node_of(x);
  if (from->is_value()) return x;
  node_extras const named{.options = {.name = from->label()}};
  return make_lazy<T>(record_value<stored_t<T>>(
      from->place(), &named, [&](void* at) { ::new (at) stored_t<T>(job.take_output<stored_t<T>>(i)); }));
}

template <class... T>
auto persist_values(compute_options const& options, lazy<T> const&... lazies) {
  plan const of = plan_for(lazies...);
  execution job{of, &options.observers, options.stop};
  run_to_end(job, options.scheduler);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<lazy<T>...>{keep_output(lazies, job, I)...};
  }(std::index_sequence_for<T...>{});
}

template <class S>
compute_options with_scheduler(S const& scheduler) {
  compute_options options;
  options.scheduler = any_scheduler{scheduler};
  return options;
}

}  // namespace detail

/// Runs what the arguments need, nodes they share once, and returns a tuple of their values, of one argument the value
/// itself. Containers of lazies come back as containers of values, plain values unchanged.
///
/// Errors  a task's own exception; graph_error, config_error, cancelled, resource_error; then nothing is left behind
template <class... Args>
  requires detail::values_first<Args...>
auto compute(Args const&... args) {
  return detail::compute_values(compute_options{}, args...);
}
template <class... Args>
auto compute(compute_options const& options, Args const&... args) {
  return detail::compute_values(options, args...);
}
template <scheduler S, class... Args>
auto compute(S const& scheduler, Args const&... args) {
  return detail::compute_values(detail::with_scheduler(scheduler), args...);
}

/// Runs now; a tuple of lazies whose values are already there and are not computed again.
template <class... T>
[[nodiscard]] auto persist(lazy<T> const&... lazies) {
  return detail::persist_values(compute_options{}, lazies...);
}
template <class... T>
[[nodiscard]] auto persist(compute_options const& options, lazy<T> const&... lazies) {
  return detail::persist_values(options, lazies...);
}
template <scheduler S, class... T>
[[nodiscard]] auto persist(S const& scheduler, lazy<T> const&... lazies) {
  return detail::persist_values(detail::with_scheduler(scheduler), lazies...);
}

/// A graph planned once, to be run many times: `auto again = prepare(x, y); again(); again(threads{2});`
///
/// Threads  may be called from several threads at once; each call is a run of its own
template <class... Args>
class prepared {
 public:
  explicit prepared(Args const&... args) : arguments_{args...} {
    scratch_list<node const*> const outputs = detail::nodes_in(args...);
    plan_ = std::make_shared<plan const>(outputs.data(), outputs.size());
  }

  /// The values, as compute(args...) returns them.
  auto operator()() const { return (*this)(compute_options{}); }
  auto operator()(compute_options const& options) const {
    return std::apply(
        [&](Args const&... args) {
          if constexpr (sizeof...(Args) == 1 && (std::is_same_v<Args, lazy<void>> && ...)) {
            static_cast<void>(detail::run_plan(*plan_, options, args...));
          } else {
            return detail::run_plan(*plan_, options, args...);
          }
        },
        arguments_);
  }
  template <scheduler S>
  auto operator()(S const& scheduler) const {
    return (*this)(detail::with_scheduler(scheduler));
  }

  [[nodiscard]] plan const& planned() const noexcept { return *plan_; }

 private:
  std::tuple<Args...> arguments_;
  std::shared_ptr<plan const> plan_;
};

/// Plans what the arguments need.
template <class... Args>
[[nodiscard]] prepared<std::decay_t<Args>...> prepare(Args&&... args) {
  return prepared<std::decay_t<Args>...>{args...};
}

template <class T>
T lazy<T>::compute() const {
  return detail::compute_values(compute_options{}, *this);
}
template <class T>
T lazy<T>::compute(compute_options const& options) const {
  return detail::compute_values(options, *this);
}
template <class T>
template <class Scheduler>
T lazy<T>::compute(Scheduler const& chosen) const {
  static_assert(scheduler<Scheduler>, "dally: x.compute(s) takes a scheduler, such as threads{4}, or compute_options");
  return detail::compute_values(detail::with_scheduler(chosen), *this);
}
template <class T>
lazy<T> lazy<T>::persist() const {
  return std::get<0>(detail::persist_values(compute_options{}, *this));
}
template <class T>
lazy<T> lazy<T>::persist(compute_options const& options) const {
  return std::get<0>(detail::persist_values(options, *this));
}
template <class T>
template <class Scheduler>
lazy<T> lazy<T>::persist(Scheduler const& chosen) const {
  static_assert(scheduler<Scheduler>, "dally: x.persist(s) takes a scheduler, such as threads{4}, or compute_options");
  return std::get<0>(detail::persist_values(detail::with_scheduler(chosen), *this));
}

}  // namespace dally
