#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>
#include <version>

#if !defined __cpp_lib_jthread
#error "dally needs std::stop_token: with clang and libc++ add -fexperimental-library"
#endif

#include "dally/core/backoff.hpp"
#include "dally/core/error.hpp"
#include "dally/core/float_environment.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/execution/interrupt.hpp"
#include "dally/execution/observer.hpp"
#include "dally/graph/plan.hpp"
#include "dally/graph/tracked_results.hpp"

namespace dally {

/// One run of a plan: what is waited for, what was produced, what went wrong. Schedulers decide who steps what; all
/// else is here.
///
/// A scheduler either takes the plan's order, `sweep(0, size())`, or steps: first what `ready()` says, then what each
/// step makes ready, until nothing is left. After a failure or a stop request steps go on but call no task, so a
/// scheduler drains by itself; it may also return once `stopped()` and none of its steps is in flight.
///
/// Threads  `step` from several threads at once, each node once; the rest from one thread. Tasks have the
/// floating-point
///          environment of the thread that made the run
/// Errors   none of its own from step and sweep: a task's exception waits for finish()
class execution {
 public:
  /// A run of `of`, which must outlive it.
  DALLY_FUNCTION_APART explicit execution(dally::plan const& of)
      : execution{of, nullptr} {  // from here on a failure is undone by the destructor
    values_.reset(of.slot_bytes());
    tracked_.values = values_.data();
    if (of.tracking() != nullptr) of.tracking()->track(tracked_);
    if (of.retries() != nullptr) of.retries()->prepare(*this);
  }
  /// The same, told to `observers` and cancelled by `stop`; both must outlive it.
  DALLY_FUNCTION execution(dally::plan const& of, std::vector<observer*> const& observers, std::stop_token const& stop)
      : execution{of} {
    if (stop.stop_possible()) {
      stop_token_ = &stop;
      asked_to_stop_ = [](execution const& job) noexcept { return job.stop_token_->stop_requested(); };
    }
    for (observer const* const o : observers) {
      if (o == nullptr)
        throw_saying<config_error>("compute_options::observers holds a null pointer: give addresses of observers");
    }
    if (!observers.empty()) watch(&observers);
  }
  /// A run inside another, for a task that continued with a graph of its own: observed and stopped as `outer`.
  DALLY_FUNCTION execution(dally::plan const& of, execution const& outer) : execution{of} { nest_in(outer); }
  execution(execution const&) = delete;
  execution& operator=(execution const&) = delete;

  /// Destroys every result that is left.
  DALLY_FUNCTION_APART ~execution() {
    if (watching_ != nullptr || tracked_.uses != nullptr || failed_task_ != nullptr || continuation_ != nullptr) end();
  }

  [[nodiscard]] dally::plan const& plan() const noexcept { return plan_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return plan_.size(); }

  /// The nodes that wait for nothing, in the plan's order. Call it before the first step.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION node_ids ready() {
    links_ = &plan_.linked();
    waiting_.reset(plan_.size());
    for (node_id n = 0; n < plan_.size(); ++n) {
      ::new (&waiting_[n]) std::atomic<std::uint32_t>{links_->waits_for[n]};
    }
    sinks_left_.store(links_->sinks, std::memory_order_relaxed);
    return {links_->ready, links_->ready_count};
  }

  /// The place of a node in the plan's order: of two ready nodes the one of lower rank deserves to run first.
  [[nodiscard]] std::uint32_t rank(node_id n) const noexcept { return n; }

  /// Whether the run has failed or been cancelled: no task is called any more.
  [[nodiscard, gnu::always_inline]] bool stopped() const noexcept {
    // Orders nothing: a task that still starts is as if it had started before the stop.
    // Who fails beside another must see that, too, or would take its task for one that has not run: not failed_.
    return stop_on_interrupt::received_so_far() != interrupts_.load(std::memory_order_relaxed) ||
           (asked_to_stop_ != nullptr && asked_to_stop_(*this));
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
    {
      scoped_float_environment const same{environment_};
      perform(n, worker);
    }
    release_dependents(n, on_ready);
  }

  /// Runs the nodes first .. last - 1 in the plan's order on the calling thread. Instead of steps, not beside them.
  DALLY_FUNCTION_APART void sweep(node_id first, node_id last, unsigned worker = 0) {
    sweep_while(first, last, nullptr, worker);
    if (last == plan_.size()) set_finished();
  }

  // ---- for schedulers that run some nodes themselves before, or instead of, stepping the others
  // ------------------------

  /// Touches the pages of large results, for schedulers that measure tasks: a first touch takes from 200 us to
  /// milliseconds where the page is a huge one, and the task would seem long, or held up.
  void touch_results() noexcept {
    if (plan_.slot_bytes() < block_bytes) return;
    block_cache::touch(values_.data(), plan_.slot_bytes());
    values_[0] = std::byte{};  // where the system cannot, at least the page of the first task
  }

  /// The nodes that a worker has begun to run in the plan's order, or was about to: all below. Another thread can take
  /// over those that it has not: it sets `taken`, passes a process_fence, and reads `begun`.
  struct claims {
    std::atomic<node_id> begun{0};
    std::atomic<bool> taken{false};
  };

  /// Claims node n; false if somebody takes over, who then knows whether the node was claimed before.
  [[gnu::always_inline]] static bool claim(claims* of, node_id n) noexcept {
    if (of == nullptr) return true;
    // Releases the results of the nodes before to who takes over. Here is a store and a load after it, there too, of
    // the same two: one of the threads sees what the other has stored. That thread passes a fence for both, so here
    // only the compiler must not swap them. A locked instruction instead would cost 2 to 6 ns.
    of->begun.store(n + 1, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return !of->taken.load(std::memory_order_relaxed);
  }

  /// How long a worker spins for what the other one of a pair has to run. Short tasks come much sooner, unless the
  /// system has put the other aside.
  static constexpr std::chrono::microseconds share_patience{30};

  /// One of two workers' share of a stretch of the plan's order: they run its chunks in turn. What a chunk takes stands
  /// before it, so the worker of the earliest unfinished one never waits for the other.
  struct share {
    node_id first;                       // of the stretch
    unsigned chunk_log;                  // chunks of 2 ^ this nodes
    unsigned odd;                        // 1: of the chunks 1, 3, 5; 0: of the others
    std::atomic<node_id>* done;          // what this worker has run of its share: all nodes below
    std::atomic<node_id> const* others;  // the same of the other worker
    node_id chunk = 0;                   // the node that the present chunk begins with
    node_id seen = 0;                    // what we know of `others`
  };

  /// Runs nodes first .. last - 1, whose inputs are there, in this order, and claims each before it begins. Returns the
  /// first that was not run: a stop ends it, or who takes over. As a share of a stretch, it waits for inputs from the
  /// other one, and ends too if one does not come for share_patience; the run must be plain then.
  DALLY_FUNCTION_APART node_id sweep_while(node_id first, node_id last, claims* begun, unsigned worker,
                                           share* part = nullptr) noexcept {
    std::size_t n = first;  // as wide as an address, or it would be kept a second time as one
    auto const id = [&n] { return static_cast<node_id>(n); };
    if (!is_plain()) {
      for (; n < last && claim(begun, id()); ++n) perform(id(), worker);
      return id();
    }
    // Where nobody watches and no result ends before the run does, all that is left of a step is the call. Little is
    // kept over it: what the plan and the execution hold is as near as the stack.
    inputs in{nullptr, plan_.places(), values_.data(), plan_.constants(), nullptr};
    if (n < last) in.edges = plan_.edges(first).begin();
    node const* task = nullptr;
    try {
      for (; n < last && !stopped() && (part == nullptr || inputs_come(*part, id(), *begun)) && claim(begun, id());
           ++n) {
        task = &plan_.task(id());
        std::byte* const to = in.values + in.places[id()];
        node const* const next = task->type().invoke(*task, in, to);
        if (next != nullptr) [[unlikely]]
          task->type().resume(*this, id(), next, to);
        // Releases the result to the other.
        if (part != nullptr) part->done->store(id() + 1, std::memory_order_release);
        in.edges += task->dependencies().size();  // rows stand one behind the other
      }
    } catch (...) {
      fail(*task);
    }
    if (n < last && stopped()) skipped_.store(true, std::memory_order_relaxed);
    return id();
  }

  /// Runs node n, whose inputs are there, unless stopped, and counts it off its inputs.
  DALLY_FUNCTION_APART void perform(node_id n, unsigned worker) noexcept {
    if (watching_ != nullptr) [[unlikely]] {
      watching_->perform(*this, n, worker);
    } else if (stopped()) [[unlikely]] {
      skipped_.store(true, std::memory_order_relaxed);  // read after all steps, which their counters order
    } else {
      call(n);
    }
    if (tracked_.uses != nullptr) plan_.tracking()->end_inputs(tracked_, n);
  }

  // Whether all that node n takes has been run; waits a little for what the other worker has to run.
  [[nodiscard]] DALLY_FUNCTION_APART bool inputs_come(share& part, node_id n, claims const& begun) const noexcept {
    for (std::uint32_t const edge : plan_.edges(n)) {
      // Neither a constant, nor known to be there, nor from this chunk, nor from our others: then we have to look.
      if (edge - part.seen >= part.chunk - part.seen) continue;
      if (((edge - part.first) >> part.chunk_log & 1) == part.odd) continue;
      if (!comes(*part.others, edge, begun)) return false;
      node_id const seen = part.others->load(std::memory_order_acquire);
      part.seen = seen < part.chunk ? seen : part.chunk;
    }
    return true;
  }

  // Spins until `done` has passed node n. False if a stop ends that, who takes over, or the time.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION_APART bool comes(std::atomic<node_id> const& done, node_id n,
                                                           claims const& begun) const noexcept {
    // Acquires the results of the nodes before.
    for (backoff wait{share_patience}; done.load(std::memory_order_acquire) <= n;) {
      if (stopped() || begun.taken.load(std::memory_order_relaxed) || !wait.spin()) return false;
    }
    return true;
  }

  /// Whether running a node is no more than calling its function: nobody watches, no result ends before the run.
  [[nodiscard]] bool is_plain() const noexcept { return watching_ == nullptr && tracked_.uses == nullptr; }
  [[nodiscard]] bool is_watched() const noexcept { return watching_ != nullptr; }

  /// The floating-point environment of the thread that made the run, which its tasks are to have on every thread. step
  /// sees to it; who calls perform or sweep_while on another thread must do so.
  [[nodiscard]] float_environment environment() const noexcept { return environment_; }

  /// Prepares for steps where the nodes for which `is_done(n)` holds have been run already: fills `ready` as ready()
  /// tells, but for the nodes for which `is_held(n)` holds: these are being run, and will be released by whoever does
  /// it.
  ///
  /// Errors  std::bad_alloc, resource_error; then nothing has changed
  template <class IsDone, class IsHeld>
  [[gnu::cold, gnu::always_inline]] void prepare_steps(scratch_list<node_id>& ready, IsDone&& is_done,
                                                       IsHeld&& is_held) {
    plan::links const& links = plan_.linked();
    ready.clear();
    ready.reserve(plan_.size());
    waiting_.reset(plan_.size());
    links_ = &links;
    for (node_id n = 0; n < plan_.size(); ++n) ::new (&waiting_[n]) std::atomic<std::uint32_t>{links.waits_for[n]};
    std::uint32_t sinks = links.sinks;
    for (node_id n = 0; n < plan_.size(); ++n) {
      if (is_done(n)) {
        sinks -= links.first[n] == links.first[n + 1] ? 1U : 0U;
        for (std::uint32_t i = links.first[n]; i < links.first[n + 1]; ++i) {
          auto& waiting = waiting_[links.dependents[i]];  // nobody else counts yet
          waiting.store(waiting.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
        }
      } else if (waiting_[n].load(std::memory_order_relaxed) == 0 && !is_held(n)) {
        ready.push_back(n);  // all that it waits for stands before it
      }
    }
    sinks_left_.store(sinks, std::memory_order_relaxed);
  }

  /// After node n has been run otherwise than by step: calls `on_ready` as step does.
  template <class OnReady>
  void release_dependents(node_id n, OnReady&& on_ready) {
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

  /// Notes that every node has been run. Releases what they wrote to finished().
  void set_finished() noexcept { sinks_left_.store(0, std::memory_order_release); }

  // ---- for schedulers whose tasks run elsewhere: in other processes, on other machines -----------------------------
  //
  // Instead of step(n): begin(n) when n starts there, complete or fail when it has ended there, then release(n). After
  // a stop, skip(n), or abandon(n) if it has begun, and release(n). run_here(n) and release(n) are the step of a task
  // that runs on this thread after all. One thread at a time calls these; run_here(n) may go on beside the others.
  // Results stay with the scheduler, as bytes or wherever they are; put(m) gives those to the run that it asks for: the
  // inputs of a task that runs here, and in the end the outputs.

  /// Whether somebody has asked that the run be cancelled; stopped() says so too, and after a failure.
  [[nodiscard]] bool cancel_requested() const noexcept {
    return interrupted() || (asked_to_stop_ != nullptr && asked_to_stop_(*this));
  }

  /// Tells observers that node n starts on `worker`.
  void begin(node_id n, unsigned worker) noexcept {
    each_observer([&](observer& o) { o.task_started(run_, n, worker); });
  }

  /// Notes that node n, after a stop, will not have a result.
  void skip(node_id n, unsigned worker) noexcept {
    skipped_.store(true, std::memory_order_relaxed);
    task_record record{};
    record.node = n;
    record.worker = worker;
    record.start = record.end = std::chrono::steady_clock::now();
    record.outcome = outcome::skipped;
    record.attempt = 0;
    tell(record);
  }

  /// Notes that the task of `record`, which has begun, has its result.
  void complete(task_record const& record) noexcept { tell(record); }

  /// Notes that the task of `record`, which has begun, has failed; the first failure stops the run. It is the failure
  /// of `culprit` if that is another's: whose result the task cannot use.
  void fail(task_record const& record, std::exception_ptr const& why, node const* culprit = nullptr) noexcept {
    tell(record);
    fail(culprit != nullptr ? *culprit : plan_.task(record.node), why);
  }
  /// Notes that a task's result, which has been told to be there, cannot be used; the first failure stops the run.
  void fail(node const& culprit, std::exception_ptr const& why) noexcept {
    try {
      std::rethrow_exception(why);
    } catch (...) {
      fail(culprit);
    }
  }

  /// Notes that the task of `record`, which has begun, was ended by a stop and will not have a result.
  void abandon(task_record const& record) noexcept {
    skipped_.store(true, std::memory_order_relaxed);
    tell(record);
  }

  /// Makes the result of node n one of this run's own: `construct(at)` makes it at an address for its type. Once for
  /// each n. Errors: what `construct` throws, std::bad_alloc; then there is none.
  template <class Construct>
  void put(node_id n, Construct&& construct) {
    value_type const& type = *plan_.task(n).type().result;
    std::byte* const at = tracked_.slot(n);
    void* const to = type.boxed ? allocate_box(type) : at;
    try {
      construct(to);
    } catch (...) {
      if (to != at) free_box(type, to);
      throw;
    }
    if (type.tracked) plan_.tracking()->keep(tracked_, n, to, true);
  }

  /// The result of node n, which was put there or has run here, and is still needed.
  [[nodiscard]] void const* result(node_id n) const noexcept { return tracked_.value(n); }

  /// Runs node n, which is ready, on the calling thread (unless stopped), its inputs having been put there. True if it
  /// has a result.
  [[nodiscard]] bool run_here(node_id n, unsigned worker) noexcept {
    if (watching_ != nullptr) {
      watching_->perform(*this, n, worker);
    } else if (stopped()) {
      skipped_.store(true, std::memory_order_relaxed);
    } else {
      call(n);
    }
    return !failed_.load(std::memory_order_relaxed) && !skipped_.load(std::memory_order_relaxed);
  }

  /// After node n has ended or was skipped: counts it off its inputs, with on_unused(m) for each m that nobody needs
  /// any more, and calls `on_ready(d)` as step does.
  template <class OnReady, class OnUnused>
  void release(node_id n, OnReady&& on_ready, OnUnused&& on_unused) {
    if (tracked_.uses != nullptr) {
      for (std::uint32_t const edge : plan_.edges(n)) {
        if ((edge & constant_edge) != 0 || tracked_.uses[edge].fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
        if (tracked_.alive[edge]) tracked_.end(edge);
        on_unused(edge);
      }
    }
    release_dependents(n, on_ready);
  }

  /// Which any_scheduler runs, by copies, the graphs that tasks continue with; without one they are swept.
  void run_inner_on(void const* scheduler) noexcept { scheduler_ = scheduler; }

  /// Ends the run. Errors: the exception of the first task that threw, its type unchanged; `cancelled`; `error` if the
  /// scheduler left nodes behind although nothing had stopped it.
  DALLY_FUNCTION_APART void finish() {
    // Acquires, like finished(), what all steps wrote.
    if (failed_.load(std::memory_order_acquire) || !finished() || skipped_.load(std::memory_order_relaxed)) {
      throw_failure();
    }
    end_observation(outcome::done);
  }

  /// The task whose exception finish() threw; null after a success or a cancellation.
  [[nodiscard]] node const* failed() const noexcept {
    return failed_.load(std::memory_order_acquire) ? failed_task_ : nullptr;
  }

  /// After finish(), once for each i: the value of the plan's i-th output, moved out at its last mention among them.
  /// What belongs to the graph, a literal or a persisted value, is copied.
  template <class T>
  [[nodiscard]] T take_output(std::size_t i) {
    std::uint32_t const edge = plan_.outputs()[i];
    if ((edge & constant_edge) != 0) return copy_of(*static_cast<T const*>(plan_.constants()[edge & ~constant_edge]));
    T& here = *static_cast<T*>(tracked_.value(edge));
    if constexpr (tracked_v<T>) {
      if (tracked_.uses[edge].fetch_sub(1, std::memory_order_relaxed) == 1)
        return T(std::move(here));  // no step is left
    }
    return copy_of(here);
  }

 private:
  execution(dally::plan const& of, std::nullptr_t /*without memory*/,
            float_environment environment = float_environment::current()) noexcept
      : plan_{of},
        environment_{environment},
        run_{of},
        interrupts_{stop_on_interrupt::handled()},
        sinks_left_{of.size() == 0 ? 0U : 1U} {}

  /// Used by small_inner_graph::run, which brings the memory.
  execution(dally::plan const& of, execution const& outer, std::nullptr_t) noexcept
      : execution{of, nullptr, outer.environment_} {
    nest_in(outer);
  }

  void nest_in(execution const& outer) noexcept {
    outer_ = &outer;
    outermost_ = outer.outer_ == nullptr ? &outer : outer.outermost_;
    environment_ = outer.environment_;
    scheduler_ = outer.scheduler_;
    // However deep runs are nested, two of them are asked: those between are, when the run in them has ended.
    asked_to_stop_ = [](execution const& job) noexcept {
      return (job.outer_->interrupts_.load(std::memory_order_relaxed) & failing) != 0 || job.outermost_->stopped();
    };
    if (outer.observers_ != nullptr) watch(outer.observers_);
  }

  // Ends what only some runs have.
  [[gnu::cold]] DALLY_FUNCTION_APART void end() noexcept {
    end_observation(outcome::skipped);
    if (tracked_.uses != nullptr) plan_.tracking()->end(tracked_);
    for (node const* const held : {failed_task_, continuation_}) {
      if (held != nullptr) held->release();
    }
  }

  friend class small_inner_graph;
  friend bool run_inner(execution& job, execution& inner, value_type const& type, void* result, node_ref& next);
  friend bool continue_run(execution& job, node_id n, node const* next, void* result);
  friend void repeat_failed_tasks(execution& job);
  friend bool call_until_done(execution& job, node_id n, unsigned& attempt) noexcept;

  /// What watched runs do more: a run that nobody watches need not know it.
  struct watching {
    void (*perform)(execution& job, node_id n, unsigned worker) noexcept;
    void (*end)(execution& job, outcome how) noexcept;
  };

  // Without observers: only that tasks run again that have `retries`.
  DALLY_FUNCTION_APART void watch(std::vector<observer*> const* observers) {
    static constexpr watching watched{[](execution& job, node_id n, unsigned w) noexcept { job.perform_watched(n, w); },
                                      [](execution& job, outcome how) noexcept {
                                        job.each_observer([&](observer& o) { o.run_finished(job.run_, how); });
                                      }};
    observers_ = observers;
    watching_ = &watched;
    each_observer([this](observer& o) { o.run_started(run_); });
  }

  template <class Tell>
  void each_observer(Tell const& tell_one) const {
    if (observers_ == nullptr) return;
    for (observer* const o : *observers_) tell_one(*o);
  }

  void tell(task_record const& record) noexcept {
    each_observer([&](observer& o) { o.task_finished(run_, record); });
  }

  template <class T>
  static T copy_of(T const& value) {
    if constexpr (copyable_v<T>) {
      return value;
    } else {
      throw graph_error{"a move-only value was asked for twice"};  // the plan has refused it
    }
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION void throw_failure() {
    if (failed_.load(std::memory_order_acquire)) {
      end_observation(outcome::failed);
      std::rethrow_exception(error_);
    }
    bool const stop_seen = stopped();
    end_observation(stop_seen ? outcome::skipped : outcome::failed);
    if (interrupted()) stop_on_interrupt::handle();
    if (stop_seen) detail::throw_cancelled();
    refuse(&throw_saying<error>,
           "the scheduler returned before all %u tasks had run: it must step every node that becomes ready",
           unsigned{size()});
  }

  // Keeps the first exception; called in a handler.
  [[gnu::cold]] DALLY_FUNCTION_APART void fail(node const& task) noexcept {
    // Only the first gets past; finish() reads what it wrote after all steps, which their counters order.
    if ((interrupts_.fetch_or(failing, std::memory_order_relaxed) & failing) != 0) return;
    error_ = std::current_exception();
    task.retain();
    failed_task_ = &task;
    failed_.store(true, std::memory_order_release);
  }

  void perform_watched(node_id n, unsigned worker) noexcept {
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
      begin(n, worker);
      record.start = std::chrono::steady_clock::now();
      bool const done = repeat_ != nullptr ? repeat_(*this, n, record.attempt) : call(n);
      record.outcome = done ? outcome::done : outcome::failed;
      record.end = std::chrono::steady_clock::now();
      record.result_bytes = record.outcome == outcome::done ? plan_.task(n).type().result->size : 0;
    }
    tell(record);
  }

  // Calls the function of node n; false if it threw.
  bool call(node_id n) noexcept {
    node const& task = plan_.task(n);
    node_type const& type = task.type();
    std::byte* const at = tracked_.slot(n);
    void* to = at;
    try {
      if (type.result->boxed) [[unlikely]]
        to = allocate_box(*type.result);
      inputs const in{plan_.edges(n).begin(), plan_.places(), values_.data(), plan_.constants(), tracked_.uses};
      node const* const next = type.invoke(task, in, to);
      bool const there = next == nullptr || type.resume(*this, n, next, to);
      if (type.result->tracked) [[unlikely]]
        plan_.tracking()->keep(tracked_, n, to, there);
      return true;
    } catch (...) {
      if (to != at) free_box(*type.result, to);
      fail(task);
      return false;
    }
  }

  [[nodiscard]] bool interrupted() const noexcept {
    return stop_on_interrupt::received_so_far() != (interrupts_.load(std::memory_order_relaxed) & ~failing);
  }

  void end_observation(outcome how) noexcept {
    if (watching_ != nullptr) std::exchange(watching_, nullptr)->end(*this, how);
  }

  dally::plan const& plan_;
  float_environment environment_;
  run run_;
  plan::links const* links_ = nullptr;
  watching const* watching_ = nullptr;
  std::vector<observer*> const* observers_ = nullptr;
  bool (*repeat_)(execution& job, node_id n, unsigned& attempt) noexcept = nullptr;
  scratch_array<std::byte> values_;
  scratch_array<std::atomic<std::uint32_t>> waiting_;  // by node: results that it still waits for
  tracked_results tracked_{plan_};
  bool (*asked_to_stop_)(execution const& job) noexcept = nullptr;
  std::stop_token const* stop_token_ = nullptr;
  std::atomic<bool> failed_{false};
  std::atomic<bool> skipped_{false};
  // How many had been received when the run began, and this bit once a task has failed: stopped() asks for both at
  // once.
  static constexpr unsigned failing = 1U << 31;
  std::atomic<unsigned> interrupts_;
  std::atomic<std::uint32_t> sinks_left_;  // 1 until ready() counts them: what was never begun is not finished
  std::exception_ptr error_;
  node const* failed_task_ = nullptr;  // held
  void const* scheduler_ = nullptr;
  // Of a run inside another.
  execution const* outer_ = nullptr;
  execution const* outermost_ = nullptr;
  node const* continuation_ = nullptr;  // held
};

}  // namespace dally
