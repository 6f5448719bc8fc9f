#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "dally/core/text.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/pool/available_workers.hpp"
#include "dally/pool/deque.hpp"
#include "dally/pool/parking.hpp"
#include "dally/pool/thread_pool.hpp"

namespace dally {

namespace detail {

/// One run on a pool: a deque for each worker, and the plan's first nodes for everybody.
///
/// Each worker runs the first of the dependents that its step made ready itself, and pushes the others on its own
/// deque, newest out first. Out of work, it takes the next of the plan's first nodes, then steals the oldest of
/// somebody else's. Where results own memory it steals first: what is ready elsewhere frees results, what nobody has
/// begun makes more.
class crew_run final : public shared_work {
 public:
  crew_run(execution& job, thread_pool& pool)
      : job_{job}, pool_{pool}, roots_{job.ready()}, slots_{std::make_unique<slot[]>(pool.size())} {}

  /// The caller's part, as worker 0. Errors: std::bad_alloc, before anything has run.
  void run() {
    pool_.open(*this);
    if (roots_.size() > 1) announce(0);
    node_id n = 0;
    while (!job_.finished()) {
      if (take_own(0, n) || search(0, n)) {
        work(0, n);
      } else if (!job_.finished()) {
        sleep();
      }
    }
    pool_.close(*this);
  }

  [[nodiscard]] bool visible() const noexcept override {
    if (next_root_.load(std::memory_order_seq_cst) < roots_.size()) return true;
    for (unsigned i = 0; i < pool_.size(); ++i) {
      // The announcement orders the pushes before it; see announce().
      static_cast<void>(slots_[i].announced.load(std::memory_order_seq_cst));
      if (!slots_[i].ready.empty()) return true;
    }
    return false;
  }

  void help(unsigned worker) noexcept override {
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

  // Steps n, then what it makes ready, as long as there is something to keep for itself.
  [[gnu::noinline]] void work(unsigned me, node_id n) noexcept {
    for (;;) {
      bool kept = false;
      bool pushed = false;
      node_id next = 0;
      job_.step(
          n,
          [&](node_id ready) {
            // The one named last deserves to run first: keep it, and put its forerunner on the deque.
            node_id const other = std::exchange(next, ready);
            if (!std::exchange(kept, true)) return;
            try {
              slots_[me].ready.push(other);
              pushed = true;
            } catch (std::bad_alloc const&) {
              work(me, other);  // no room to offer it to others
            }
          },
          me);
      if (pushed) announce(me);
      if (!kept) return;
      n = next;
    }
  }

  bool take_own(unsigned me, node_id& n) noexcept { return slots_[me].ready.pop(n) || (!frugal_ && take_root(n)); }

  bool take_root(node_id& n) noexcept {
    if (next_root_.load(std::memory_order_relaxed) >= roots_.size()) return false;
    // Sequentially consistent for visible(); the list itself was written before anybody joined.
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

  [[gnu::noinline]] void notify() noexcept {
    if (searching_.load(std::memory_order_seq_cst) != 0) return;  // will find it, or look again before it gives up
    if (caller_sleeps_.load(std::memory_order_seq_cst)) {
      wake_caller();
      return;
    }
    pool_.notify();
  }

  [[gnu::noinline]] bool search(unsigned me, node_id& n) noexcept {
    searching_.fetch_add(1, std::memory_order_seq_cst);
    bool const found = search_counted(me, n);
    found_or_gave_up(found);
    return found;
  }

  void found_or_gave_up(bool found) noexcept {
    // While we searched, pushers woke nobody: the last searcher to find something looks whether there is more.
    if (searching_.fetch_sub(1, std::memory_order_seq_cst) == 1 && found && visible()) notify();
  }

  [[gnu::noinline]] bool search_counted(unsigned me, node_id& n) noexcept {
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
  [[gnu::cold]] void sleep() noexcept {
    caller_sleeps_.exchange(true, std::memory_order_seq_cst);
    if (!job_.finished() && !visible()) {
      spot_.acquire();
      return;
    }
    // Something came up meanwhile: either we take the sleep back, or somebody has, and releases us.
    if (!caller_sleeps_.exchange(false, std::memory_order_seq_cst)) spot_.acquire();
  }

  void wake_caller() noexcept {
    // A read-modify-write on both sides: whichever comes second sees the other.
    if (caller_sleeps_.exchange(false, std::memory_order_seq_cst)) spot_.release();
  }

  execution& job_;
  thread_pool& pool_;
  node_ids roots_;
  bool const frugal_{job_.plan().uses() != nullptr};
  std::unique_ptr<slot[]> slots_;
  alignas(64) std::atomic<std::size_t> next_root_{0};
  alignas(64) std::atomic<unsigned> searching_{0};
  std::atomic<bool> caller_sleeps_{false};
  parking spot_;
};

}  // namespace detail

/// Runs a graph on a pool of threads that steal work from each other; the caller is one of the workers. The default.
///
/// `threads{}` uses every core this process may use, `threads{n}` n workers; more than cores is fine, for tasks that
/// sleep or wait. All threads{n} of a process share one pool of that size; threads{pool} uses one's own.
///
/// Threads  a compute inside a task runs nodes of the inner run only, on the waiting worker and on idle ones
/// Shape    every node once, after its dependencies; the order depends on timing
/// Errors   config_error for 0 workers or more than 4,096. Threads that the system refuses are done without: in the
///          end the caller works alone
/// Cost     nothing but the caller's own loop for a plan that is one chain; else a join counter an edge, and a wake-up
///          only when somebody is idle
/// Source   R. D. Blumofe, C. E. Leiserson, Scheduling multithreaded computations by work stealing, JACM 46(5), 1999
class threads {
 public:
  threads() = default;
  explicit threads(unsigned workers) : workers_{workers} {
    if (workers == 0 || workers > thread_pool::most_workers) {
      refuse<config_error>({"threads{", decimal(workers), "}: between 1 and ", decimal(thread_pool::most_workers),
                            " workers are allowed; threads{} uses all cores"});
    }
  }
  explicit threads(thread_pool& pool) noexcept : workers_{pool.size()}, pool_{&pool} {}

  [[nodiscard]] unsigned workers() const { return workers_ != 0 ? workers_ : available_workers(); }

  void run(execution& job) const {
    // Where each node waits for the one before it, or one worker does it all, the plan's order is the only one needed.
    if (job.plan().is_chain() || workers() == 1) return job.sweep(0, job.size());
    thread_pool* const pool = pool_ != nullptr ? pool_ : shared_pool(workers());
    if (pool == nullptr) return job.sweep(0, job.size());
    detail::crew_run{job, *pool}.run();
  }

 private:
  unsigned workers_ = 0;
  thread_pool* pool_ = nullptr;
};

static_assert(scheduler<threads>);

}  // namespace dally
