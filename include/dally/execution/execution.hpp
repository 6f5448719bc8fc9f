#pragma once

#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/key.hpp"
#include "dally/core/text.hpp"
#include "dally/execution/interrupt.hpp"
#include "dally/execution/observer.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// The task whose exception ended a run.
struct failed_task {
  std::string name;
  dally::key key;
  std::source_location place;
};

/// One run of a plan: what is waited for, what was produced, what went wrong. Schedulers decide who steps what; all
/// else is here.
///
/// A scheduler either takes the plan's order, `sweep(0, size())`, or steps: first what `ready()` says, then what each
/// step makes ready, until nothing is left. After a failure or a stop request steps go on but call no task, so a
/// scheduler drains by itself; it may also return once `stopped()` and none of its steps is in flight.
///
/// Threads  `step` from several threads at once, each node once; the rest from one thread
/// Errors   none of its own from step and sweep: a task's exception waits for finish()
class execution {
 public:
  /// A run of `of`, which must outlive it.
  [[gnu::noinline]] explicit execution(dally::plan const& of, std::vector<observer*> const* observers = nullptr,
                                       std::stop_token const& stop = {})
      : plan_{of},
        observers_{observers != nullptr && !observers->empty() ? observers : nullptr},
        run_{of},
        values_{of.slot_bytes()},
        stop_token_{stop},
        stop_possible_{stop.stop_possible()},
        interrupts_{stop_on_interrupt::handled()},
        sinks_left_{of.size() == 0 ? 0U : 1U} {
    if (of.uses() != nullptr) track();
    if (observers_ != nullptr) {
      for (observer* const o : *observers_) o->run_started(run_);
    }
  }
  execution(execution const&) = delete;
  execution& operator=(execution const&) = delete;

  /// Destroys every result that is left.
  [[gnu::noinline]] ~execution() {
    end_observation(outcome::skipped);
    if (uses_.data() == nullptr) return;
    for (node_id n = 0; n < plan_.size(); ++n) {
      if (alive_[n]) end_result(n);
    }
  }

  [[nodiscard]] dally::plan const& plan() const noexcept { return plan_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return plan_.size(); }

  /// The nodes that wait for nothing, in the plan's order. Call it before the first step.
  [[nodiscard, gnu::noinline]] node_ids ready() {
    links_ = &plan_.linked();
    waiting_ = scratch_array<std::atomic<std::uint32_t>>{plan_.size()};
    for (node_id n = 0; n < plan_.size(); ++n) {
      ::new (&waiting_[n]) std::atomic<std::uint32_t>{links_->waits_for[n]};
    }
    sinks_left_.store(links_->sinks, std::memory_order_relaxed);
    return {links_->ready.data(), links_->ready.size()};
  }

  /// The place of a node in the plan's order: of two ready nodes the one of lower rank deserves to run first.
  [[nodiscard]] std::uint32_t rank(node_id n) const noexcept { return n; }

  /// Whether the run has failed or been cancelled: no task is called any more.
  [[nodiscard]] bool stopped() const noexcept {
    // Orders nothing: a task that still starts is as if it had started before the stop.
    return failed_.load(std::memory_order_relaxed) || stop_on_interrupt::received_so_far() != interrupts_ ||
           (stop_possible_ && stop_token_.stop_requested()) || (outer_ != nullptr && outer_->stopped());
  }

  /// Whether every node has been stepped. Acquires what all steps wrote.
  [[nodiscard]] bool finished() const noexcept { return sinks_left_.load(std::memory_order_acquire) == 0; }

  /// Runs a ready node (unless stopped), ends the results that it was the last to take, and calls `on_ready(d)` for
  /// each node that now waits for nothing, against the plan's order: the last call names the one that deserves to run
  /// next, so that a stack of ready nodes follows the plan.
  ///
  /// Threads  any, several at once; `worker` is told to observers
  template <class OnReady>
  void step(node_id n, OnReady&& on_ready, unsigned worker = 0) {
    if (observers_ == nullptr) [[likely]] {
      perform<false>(n, worker);
    } else {
      perform<true>(n, worker);
    }
    if (uses_.data() != nullptr) end_inputs(n);
    std::uint32_t const first = links_->first[n];
    std::uint32_t const last = links_->first[n + 1];
    if (first == last) {
      // Releases our results to whoever sees the run finished.
      sinks_left_.fetch_sub(1, std::memory_order_acq_rel);
      return;
    }
    for (std::uint32_t i = last; i-- > first;) {
      node_id const dependent = links_->dependents[i];
      // Release our result to, and acquire the siblings' results for, whoever runs the dependent. The last to arrive
      // sees 1: all others have counted themselves off, so nobody else touches the counter any more.
      auto& waiting = waiting_[dependent];
      if (waiting.load(std::memory_order_acquire) == 1 || waiting.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        on_ready(dependent);
      }
    }
  }

  /// Runs the nodes first .. last - 1 in the plan's order on the calling thread. Instead of steps, not beside them.
  void sweep(node_id first, node_id last, unsigned worker = 0) {
    if (observers_ == nullptr) {
      sweep_as<false>(first, last, worker);
    } else {
      sweep_as<true>(first, last, worker);
    }
    if (last == plan_.size()) sinks_left_.store(0, std::memory_order_release);  // to finished()
  }

  /// How to run the graphs that tasks continue with: `run_on(scheduler, inner)`. Without it they are swept.
  void run_inner_with(void (*run_on)(void const* scheduler, execution& inner), void const* scheduler) noexcept {
    run_on_ = run_on;
    scheduler_ = scheduler;
  }

  /// Ends the run. Errors: the exception of the first task that threw, its type unchanged; `cancelled`; `error` if the
  /// scheduler left nodes behind although nothing had stopped it.
  [[gnu::noinline]] void finish() {
    if (failed_.load(std::memory_order_acquire)) {
      end_observation(outcome::failed);
      std::rethrow_exception(error_);
    }
    if (finished() && !skipped_.load(std::memory_order_relaxed)) {
      end_observation(outcome::done);
      return;
    }
    fail_unfinished();
  }

  /// The task whose exception finish() threw; none after a success or a cancellation.
  [[nodiscard, gnu::cold]] std::optional<failed_task> failure() const {
    if (!failed_.load(std::memory_order_acquire)) return std::nullopt;
    return failed_task{failed_task_->label(), failed_task_->key(), failed_task_->place()};
  }

  /// After finish(), once for each i: the value of the plan's i-th output, moved out at its last mention among them.
  /// What belongs to the graph, a literal or a persisted value, is copied.
  template <class T>
  [[nodiscard]] T take_output(std::size_t i) {
    std::uint32_t const edge = plan_.outputs()[i];
    if ((edge & constant_edge) != 0) return copy_of(*static_cast<T const*>(plan_.constants()[edge & ~constant_edge]));
    T& here = *static_cast<T*>(value(edge));
    if constexpr (tracked_v<T>) {
      if (uses_[edge].fetch_sub(1, std::memory_order_relaxed) == 1) return T(std::move(here));  // no step is left
    }
    return copy_of(here);
  }

 private:
  template <class T>
  static T copy_of(T const& value) {
    if constexpr (copyable_v<T>) {
      return value;
    } else {
      throw graph_error{"a move-only value was asked for twice"};  // the plan has refused it
    }
  }

  [[gnu::cold]] void fail_unfinished() {
    bool const stop_seen = stopped();
    end_observation(stop_seen ? outcome::skipped : outcome::failed);
    if (stop_on_interrupt::received_so_far() != interrupts_) stop_on_interrupt::handle();
    if (stop_seen) throw cancelled{"the run was cancelled before all of its tasks had run: a stop was requested"};
    throw error{joined({"the scheduler returned before all ", decimal(size()),
                        " tasks had run: it must step every node that becomes ready"})};
  }

  // Keeps the first exception; called in a handler.
  [[gnu::cold, gnu::noinline]] void fail(node const& task) noexcept {
    // Only the first gets past; finish() reads what it wrote after all steps, which their counters order.
    if (failing_.exchange(true, std::memory_order_relaxed)) return;
    error_ = std::current_exception();
    task.retain();
    failed_task_ = node_ref{&task};
    failed_.store(true, std::memory_order_release);
  }

  [[gnu::noinline]] void track() {
    uses_ = scratch_array<std::atomic<std::uint32_t>>{size()};
    alive_ = scratch_array<bool>{size()};
    for (node_id n = 0; n < size(); ++n) {
      ::new (&uses_[n]) std::atomic<std::uint32_t>{plan_.uses()[n]};
      alive_[n] = false;
    }
  }

  [[nodiscard]] std::byte* slot(node_id n) const noexcept {
    return values_.data() + std::size_t{plan_.slots()[n]} * slot_unit;
  }

  [[nodiscard]] void* value(node_id n) const noexcept {
    std::byte* const at = slot(n);
    return plan_.task(n).type().result->boxed ? *reinterpret_cast<void**>(at) : at;
  }

  template <bool Watched>
  void perform(node_id n, unsigned worker) {
    if constexpr (Watched) {
      perform_watched(n, worker);
    } else if (stopped()) [[unlikely]] {
      skipped_.store(true, std::memory_order_relaxed);  // read after all steps, which their counters order
    } else {
      call(n);
    }
  }

  [[gnu::noinline]] void perform_watched(node_id n, unsigned worker) {
    task_record record{};
    record.node = n;
    record.worker = worker;
    record.start = std::chrono::steady_clock::now();
    if (stopped()) {
      skipped_.store(true, std::memory_order_relaxed);
      record.end = record.start;
      record.outcome = outcome::skipped;
      record.attempt = 0;
    } else {
      for (observer* const o : *observers_) o->task_started(run_, n, worker);
      record.start = std::chrono::steady_clock::now();
      record.outcome = call(n) ? outcome::done : outcome::failed;
      record.end = std::chrono::steady_clock::now();
      record.result_bytes = record.outcome == outcome::done ? plan_.task(n).type().result->size : 0;
    }
    for (observer* const o : *observers_) o->task_finished(run_, record);
  }

  // Calls the function of node n; false if it threw.
  [[gnu::noinline]] bool call(node_id n) {
    node const& task = plan_.task(n);
    value_type const& result = *task.type().result;
    std::byte* const at = slot(n);
    void* to = at;
    try {
      if (result.boxed) [[unlikely]]
        to = allocate_box(result);
      inputs const in{plan_.edges(n).begin(), plan_.slots(), values_.data(), plan_.constants(), uses_.data()};
      node const* const next = task.type().invoke(task, in, to);
      bool const there = next == nullptr || continue_with(n, node_ref{next}, to);
      if (to != at) [[unlikely]]
        keep_box(at, there ? to : nullptr, result, to);
      if (result.tracked) alive_[n] = there;
      return true;
    } catch (...) {
      if (to != at) free_box(result, to);
      fail(task);
      return false;
    }
  }

  static void keep_box(std::byte* at, void* box, value_type const& type, void* allocated) noexcept {
    *reinterpret_cast<void**>(at) = box;
    if (box == nullptr) free_box(type, allocated);
  }

  /// Makes the value of node n, at `to`, that of another graph, which it runs; false if there is none because the run
  /// was stopped, or because the outer run goes on with that graph instead of this one.
  [[gnu::noinline]] bool continue_with(node_id n, node_ref next, void* to) {
    if (is_inner_ && plan_.outputs()[0] == n && plan_.size() == n + 1) {
      // The last node of an inner run: the outer run takes over, so that a loop neither nests nor keeps what is done.
      continuation_ = std::move(next);
      return false;
    }
    value_type const& type = *plan_.task(n).type().result;
    while (!next->is_value()) {
      node const* const output = next.get();
      dally::plan const inner_plan{&output, 1};
      execution inner{inner_plan, observers_, stop_token_};
      inner.is_inner_ = true;
      inner.outer_ = this;
      inner.run_on_ = run_on_;
      inner.scheduler_ = scheduler_;
      if (run_on_ != nullptr) {
        run_on_(scheduler_, inner);
      } else {
        inner.sweep(0, inner.size());
      }
      try {
        inner.finish();
      } catch (cancelled const&) {
        if (!stopped()) throw;
        skipped_.store(true, std::memory_order_relaxed);
        return false;
      } catch (...) {
        if (!inner.failed_task_) throw;
        fail(*inner.failed_task_);
        return false;
      }
      if (!inner.continuation_) {
        type.move(inner.value(inner_plan.outputs()[0]), to);
        return true;
      }
      next = std::move(inner.continuation_);
    }
    if (type.copy == nullptr)
      throw graph_error{"a flattened task returned a move-only literal: it belongs to the graph"};
    type.copy(next->payload(), to);
    return true;
  }

  template <bool Watched>
  void sweep_as(node_id first, node_id last, unsigned worker) {
    for (node_id n = first; n < last; ++n) {
      perform<Watched>(n, worker);
      if (uses_.data() != nullptr) end_inputs(n);
    }
  }

  // Counts this node off its inputs; the last consumer of a result destroys it.
  [[gnu::noinline]] void end_inputs(node_id n) noexcept {
    for (std::uint32_t const edge : plan_.edges(n)) {
      if ((edge & constant_edge) != 0 || !plan_.task(edge).type().result->tracked) continue;
      // Release our reads to, and acquire the others' for, whoever destroys or takes the value.
      if (uses_[edge].fetch_sub(1, std::memory_order_acq_rel) == 1 && alive_[edge]) end_result(edge);
    }
  }

  [[gnu::noinline]] void end_result(node_id n) noexcept {
    value_type const& type = *plan_.task(n).type().result;
    void* const ended = value(n);
    alive_[n] = false;
    type.destroy(ended);
    if (type.boxed) free_box(type, ended);
  }

  [[gnu::noinline]] void end_observation(outcome how) noexcept {
    if (observers_ == nullptr) return;
    for (observer* const o : *std::exchange(observers_, nullptr)) o->run_finished(run_, how);
  }

  dally::plan const& plan_;
  std::vector<observer*> const* observers_;
  run run_;
  plan::links const* links_ = nullptr;
  scratch_array<std::byte> values_;
  scratch_array<std::atomic<std::uint32_t>> waiting_;  // by node: results that it still waits for
  scratch_array<std::atomic<std::uint32_t>> uses_;     // by node: consumers that have not finished
  scratch_array<bool> alive_;                          // by node: a tracked result is in its slot
  std::stop_token stop_token_;
  bool stop_possible_;
  std::atomic<bool> failing_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> skipped_{false};
  unsigned interrupts_;
  std::atomic<std::uint32_t> sinks_left_;  // 1 until ready() counts them: what was never begun is not finished
  std::exception_ptr error_;
  node_ref failed_task_;
  // Of a run inside another, for a task that continued with a graph of its own.
  bool is_inner_ = false;
  execution const* outer_ = nullptr;
  node_ref continuation_;
  void (*run_on_)(void const* scheduler, execution& inner) = nullptr;
  void const* scheduler_ = nullptr;
};

}  // namespace dally
