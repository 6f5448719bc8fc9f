#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include "dally/core/block_cache.hpp"
#include "dally/core/function.hpp"
#include "dally/core/os_mutex.hpp"
#include "dally/execution/execution.hpp"
#include "dally/pool/deque.hpp"
#include "dally/pool/parking.hpp"
#include "dally/pool/thread_pool.hpp"

namespace dally {

/// One run on a pool. It begins alone and goes on by steps, if that is worth it or needed.
///
/// Alone: the caller runs the nodes in the plan's order. Handing a node to another core costs 50 ns, join counters and
/// deques as much again, so this is the fastest way through tasks that are shorter, on any number of cores. A pool
/// thread looks in from time to time.
///
/// By steps: a deque for each worker, and a list of nodes that are ready at first for everybody. Each worker runs the
/// first of the dependents that its step made ready itself, and pushes the others on its own deque, newest out first.
/// Out of work, it takes the next of the list, then steals the oldest of somebody else's. Where results own memory it
/// steals first: what is ready elsewhere frees results, what nobody has begun makes more.
///
/// The run goes over from the one to the other once: when the caller has found several tasks in a row to be long, or
/// when the pool thread finds the caller held up by one: it may be waiting for another task of this graph.
class crew_run final : public shared_work {
 public:
  crew_run(execution& job, thread_pool& pool) : job_{job}, pool_{pool} {}
  crew_run(crew_run const&) = delete;
  crew_run& operator=(crew_run const&) = delete;
  [[gnu::cold]] DALLY_FUNCTION ~crew_run() { delete[] slots_; }

  /// The caller's part, as worker 0.
  [[gnu::cold]] DALLY_FUNCTION void run() {
    bool const to_be_looked_after = pool_.open(*this);
    if (job_.is_watched()) {
      go_over();  // observers slow every task down
    } else if (to_be_looked_after) {
      pool_.notify();
    }
    bool by_steps = stepping();
    if (by_steps) {
      notify();
    } else {
      by_steps = run_alone();
    }
    node_id n = 0;
    while (by_steps && !job_.finished()) {
      if ((has_here_ && take_left(n)) || take_own(0, n) || search(0, n)) {
        work(0, n);
      } else if (!job_.finished()) {
        sleep();
      }
    }
    pool_.close(*this);
  }

  [[nodiscard, gnu::cold]] DALLY_FUNCTION bool visible() const noexcept override {
    if (!stepping_.load(std::memory_order_seq_cst)) return false;
    if (next_root_.load(std::memory_order_seq_cst) < roots_.size()) return true;
    for (unsigned i = 0; i < pool_.size(); ++i) {
      // The announcement orders the pushes before it; see announce().
      static_cast<void>(slots_[i].announced.load(std::memory_order_seq_cst));
      if (!slots_[i].ready.empty()) return true;
    }
    return false;
  }

  [[nodiscard]] bool wants_watch() const noexcept override { return !stepping() && !job_.finished(); }

  [[nodiscard, gnu::cold]] DALLY_FUNCTION bool look() noexcept override { return stepping() || look_after_caller(); }

  [[gnu::cold]] DALLY_FUNCTION void help(unsigned worker) noexcept override {
    if (!stepping()) return;
    node_id n = 0;
    searching_.fetch_add(1, std::memory_order_seq_cst);
    bool found = search_counted(worker, n);
    found_or_gave_up(found);
    while (found) {
      work(worker, n);
      while (take_own(worker, n)) work(worker, n);
      found = search(worker, n);
    }
    if (job_.finished()) wake_caller();
  }

 private:
  struct alignas(64) slot {
    work_stealing_deque<node_id> ready;
    std::atomic<std::uint32_t> announced{0};
    std::uint32_t count = 0;  // of announcements, the owner's own
  };

  static constexpr int search_rounds = 40;
  static constexpr std::uint64_t taken = execution::taken;
  static constexpr node_id nobody = ~node_id{0};

  // ---- alone
  // ---------------------------------------------------------------------------------------------------------

  /// Runs node after node until all have been run, the run has stopped, or it goes over to steps: then true.
  [[gnu::cold]] DALLY_FUNCTION bool run_alone() noexcept {
    using clock = std::chrono::steady_clock;
    constexpr std::int64_t long_task = 250;      // ns, on the average of a block
    constexpr std::int64_t long_block = 20'000;  // ns, for one task: enough said
    constexpr std::int64_t short_block = 2'000;  // ns: a look at the clock for less costs more than a hundredth
    node_id const size = job_.size();
    node_id block = 1;
    int in_a_row = 0;
    std::int64_t long_time = 0;
    // What a wrong guess costs grows with what is left to run.
    std::int64_t const enough = 5'000 + (size < 45'000 ? size : 45'000);
    auto start = clock::now();
    for (node_id n = 0;;) {
      node_id const last = size - n < block ? size : n + block;
      node_id const reached = job_.sweep_while(n, last, &alone_, 0);
      if (reached < last || (reached == size && !execution::claim(&alone_))) {
        if ((alone_.load(std::memory_order_relaxed) & taken) == 0) return false;  // stopped
        if (settle(reached)) return true;
        n = reached;
        continue;
      }
      if (reached == size) {
        job_.set_finished();
        return false;
      }
      auto const now = clock::now();
      std::int64_t const took = (now - start).count();
      bool const is_long = took > long_task * (reached - n);
      in_a_row = is_long ? in_a_row + 1 : 0;
      long_time = is_long ? long_time + took : 0;
      if ((in_a_row >= 3 && long_time > enough) || (block == 1 && took > long_block)) go_over();
      if (took < short_block && block < 4096) block *= 2;
      if (took > 2 * short_block && block > 1) block /= 2;
      start = now;
      n = reached;
    }
  }

  /// The caller's answer when it finds that the rest was taken over, with node n the next: what is counted as being run
  /// by it has been run. False if it was not taken, after all, for want of memory.
  [[gnu::cold]] DALLY_FUNCTION bool settle(node_id n) noexcept {
    {
      std::lock_guard const lock{going_over_};  // waits until the counters are made
      if (!stepping()) {
        alone_.store(n, std::memory_order_relaxed);
        return false;
      }
    }
    if (held_ != nobody) work(0, held_, true);
    return true;
  }

  /// Takes the nodes that the caller has not begun, and makes them ready for steps.
  [[gnu::cold]] DALLY_FUNCTION void go_over() noexcept {
    {
      std::lock_guard const lock{going_over_};
      if (stepping()) return;
      // Acquires the results of what the caller has run.
      std::uint64_t const next = alone_.fetch_or(taken, std::memory_order_acq_rel);
      if ((next & taken) != 0) return;  // in vain before, for want of memory: the caller has not settled that yet
      if (next > job_.size()) return;   // it has run them all
      held_ = next == 0 ? nobody : static_cast<node_id>(next - 1);
      try {
        if (slots_ == nullptr) slots_ = new slot[pool_.size()];
        job_.prepare_steps(roots_, [&](node_id n) { return n + 1 < next; }, [&](node_id n) { return n == held_; });
      } catch (...) {
        // No memory: the caller goes on alone, unless it has met the bit already; then it finds that out in settle().
        std::uint64_t mine = next | taken;
        alone_.compare_exchange_strong(mine, next, std::memory_order_acq_rel);
        return;
      }
      stepping_.store(true, std::memory_order_seq_cst);  // releases the counters
    }
    notify();
  }

  /// Goes over if the caller has not come any further since the last look.
  [[gnu::cold]] DALLY_FUNCTION bool look_after_caller() noexcept {
    std::uint64_t const reached = alone_.load(std::memory_order_relaxed);
    if (seen_.exchange(reached, std::memory_order_relaxed) != reached) return false;
    go_over();
    return stepping();
  }

  [[nodiscard]] bool stepping() const noexcept { return stepping_.load(std::memory_order_acquire); }

  // ---- by steps
  // ------------------------------------------------------------------------------------------------------

  // Steps n, then what it makes ready, as long as there is something to keep for itself.
  DALLY_FUNCTION_APART void work(unsigned me, node_id n, bool has_run = false) noexcept {
    for (;;) {
      if (has_here_ && me != 0 && runs_here(n)) [[unlikely]]
        return leave_to_caller(n);
      bool kept = false;
      bool pushed = false;
      node_id next = 0;
      if (!std::exchange(has_run, false)) job_.perform(n, me);
      job_.release_dependents(n, [&](node_id ready) {
        // The one named last deserves to run first: keep it, and put its forerunner on the deque.
        node_id const other = std::exchange(next, ready);
        if (!std::exchange(kept, true)) return;
        try {
          slots_[me].ready.push(other);
          pushed = true;
        } catch (std::bad_alloc const&) {
          work(me, other);  // no room to offer it to others
        }
      });
      if (pushed) announce(me);
      if (!kept) return;
      n = next;
    }
  }

  bool take_own(unsigned me, node_id& n) noexcept { return slots_[me].ready.pop(n) || (!frugal_ && take_root(n)); }

  bool take_root(node_id& n) noexcept {
    if (next_root_.load(std::memory_order_relaxed) >= roots_.size()) return false;
    // Sequentially consistent for visible(); the list itself was written before stepping_.
    std::size_t const i = next_root_.fetch_add(1, std::memory_order_seq_cst);
    if (i >= roots_.size()) return false;
    n = roots_[i];
    return true;
  }

  // Tells the idle that something was pushed. Sequentially consistent, between the pushes and the look at who is idle.
  void announce(unsigned me) noexcept {
    slots_[me].announced.store(++slots_[me].count, std::memory_order_seq_cst);
    notify();
  }

  DALLY_FUNCTION_APART void notify() noexcept {
    if (searching_.load(std::memory_order_seq_cst) != 0) return;  // will find it, or look again before it gives up
    if (caller_sleeps_.load(std::memory_order_seq_cst)) {
      wake_caller();
      return;
    }
    pool_.notify();
  }

  [[gnu::cold]] DALLY_FUNCTION bool search(unsigned me, node_id& n) noexcept {
    searching_.fetch_add(1, std::memory_order_seq_cst);
    bool const found = search_counted(me, n);
    found_or_gave_up(found);
    return found;
  }

  [[gnu::cold]] DALLY_FUNCTION void found_or_gave_up(bool found) noexcept {
    // While we searched, pushers woke nobody: the last searcher to find something looks whether there is more.
    if (searching_.fetch_sub(1, std::memory_order_seq_cst) == 1 && found && visible()) notify();
  }

  [[gnu::cold]] DALLY_FUNCTION bool search_counted(unsigned me, node_id& n) noexcept {
    unsigned const size = pool_.size();
    for (int round = 0; round < search_rounds; ++round) {
      if (!frugal_ && take_root(n)) return true;
      for (unsigned i = 1; i < size; ++i) {
        unsigned const victim = me + i < size ? me + i : me + i - size;
        if (slots_[victim].ready.steal(n) == steal_result::stolen) return true;
      }
      if (frugal_ && take_root(n)) return true;
      if (job_.finished()) return false;
      for (int i = 0; i < 1 << (round / 8); ++i) spin_pause();
    }
    return false;
  }

  // The caller waits until there is something to take or nothing left.
  [[gnu::cold]] DALLY_FUNCTION void sleep() noexcept {
    caller_sleeps_.exchange(true, std::memory_order_seq_cst);
    if (!job_.finished() && !visible() && left_.load(std::memory_order_seq_cst) == nullptr) {
      spot_.acquire();
      return;
    }
    // Something came up meanwhile: either we take the sleep back, or somebody has, and releases us.
    if (!caller_sleeps_.exchange(false, std::memory_order_seq_cst)) spot_.acquire();
  }

  // Tasks that must run on the caller's thread, and were taken by others: linked, the newest first.
  [[nodiscard]] bool runs_here(node_id n) const noexcept {
    node_extras const* const extras = job_.plan().task(n).extras();
    return extras != nullptr && extras->options.here;
  }
  [[gnu::cold]] DALLY_FUNCTION void leave_to_caller(node_id n) noexcept {
    left_task& task = left_tasks_[n];
    task.next = left_.load(std::memory_order_relaxed);
    // Releases what the tasks before it have written to take_left(). Sequentially consistent for sleep().
    while (!left_.compare_exchange_weak(task.next, &task, std::memory_order_seq_cst)) {
    }
    wake_caller();
  }
  [[gnu::cold]] DALLY_FUNCTION bool take_left(node_id& n) noexcept {
    left_task* task = left_.load(std::memory_order_acquire);
    // Only the caller takes, and none is left twice: what we see first stays where it is.
    while (task != nullptr && !left_.compare_exchange_weak(task, task->next, std::memory_order_acquire)) {
    }
    if (task == nullptr) return false;
    n = static_cast<node_id>(task - left_tasks_.data());
    return true;
  }

  [[gnu::cold]] DALLY_FUNCTION void wake_caller() noexcept {
    // A read-modify-write on both sides: whichever comes second sees the other.
    if (caller_sleeps_.exchange(false, std::memory_order_seq_cst)) spot_.release();
  }

  execution& job_;
  thread_pool& pool_;
  struct left_task {
    left_task* next;
  };

  bool const frugal_{job_.plan().uses() != nullptr};
  bool const has_here_{job_.plan().has_here()};
  scratch_array<left_task> left_tasks_{has_here_ ? job_.size() : 0};
  std::atomic<left_task*> left_{nullptr};
  slot* slots_ = nullptr;  // from when the steps begin
  os_mutex going_over_;
  scratch_list<node_id> roots_;  // ready when the steps began
  node_id held_ = nobody;        // what the caller was running then
  std::atomic<bool> stepping_{false};
  std::atomic<std::uint64_t> seen_{~std::uint64_t{0}};  // of alone_, at the last look
  alignas(64) execution::claims alone_{0};              // by the caller
  alignas(64) std::atomic<std::size_t> next_root_{0};
  alignas(64) std::atomic<unsigned> searching_{0};
  std::atomic<bool> caller_sleeps_{false};
  parking spot_;
};

}  // namespace dally
