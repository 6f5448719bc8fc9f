#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include "dally/core/key.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// How a task, or a run, ended. `failed`: called, and without a result: it has thrown, or was ended with its process.
/// `skipped`: not called, because the run had been stopped before its turn.
enum class outcome : std::uint8_t { done, failed, skipped };

/// What is known of a task when it has ended.
///
/// Units  times of the steady clock; result_bytes is the size of the result itself, not of what it owns
struct task_record {
  node_id node = 0;
  unsigned worker = 0;
  std::chrono::steady_clock::time_point start{};
  std::chrono::steady_clock::time_point end{};
  dally::outcome outcome = outcome::done;
  unsigned attempt = 1;
  std::size_t result_bytes = 0;
};

/// What an observer may ask about the run that it watches. Valid from run_started to run_finished.
///
/// Cost  name, kind and key make strings, and may read the program's symbol table: not for every event
class run {
 public:
  explicit run(dally::plan const& of) noexcept : plan_{&of} {}

  /// How many tasks will run: ids are 0 .. size() - 1, in the plan's order.
  [[nodiscard]] std::size_t size() const noexcept { return plan_->size(); }
  [[nodiscard]] std::string name(node_id n) const { return plan_->task(n).label(); }
  /// The group of like tasks that `n` belongs to: tasks of one label are of one kind.
  [[nodiscard]] std::string kind(node_id n) const { return name(n); }
  [[nodiscard]] dally::key key(node_id n) const { return plan_->task(n).key(); }
  [[nodiscard]] std::source_location place(node_id n) const { return plan_->task(n).place(); }
  /// The tasks whose results `n` takes, in the order of its arguments; one that is taken twice stands twice.
  [[nodiscard]] std::vector<node_id> dependencies(node_id n) const {
    std::vector<node_id> tasks;
    for (std::uint32_t const edge : plan_->edges(n)) {
      if ((edge & constant_edge) == 0) tasks.push_back(edge);
    }
    return tasks;
  }
  [[nodiscard]] dally::plan const& plan() const noexcept { return *plan_; }

 private:
  dally::plan const* plan_;
};

/// Told what happens in a run. Derive, override what is wanted, and pass its address in compute_options::observers.
///
/// Threads  run_started and run_finished on the thread that computes; the others on the workers, several at once; of
///          tasks that run in other processes one at a time, with the times of the process: on the thread that
///          computes, and on one beside it while that runs a task itself
/// Shape    run_started first, run_finished last and always; between them one task_started and one task_finished
///          for each task that is called, only a task_finished (outcome::skipped) for one that is not
class observer {
 public:
  virtual ~observer() = default;
  virtual void run_started(run const&) noexcept {}
  virtual void task_started(run const&, node_id, unsigned /*worker*/) noexcept {}
  virtual void task_finished(run const&, task_record const&) noexcept {}
  virtual void run_finished(run const&, outcome) noexcept {}

 protected:
  observer() = default;
  observer(observer const&) = default;
  observer& operator=(observer const&) = default;
};

}  // namespace dally
