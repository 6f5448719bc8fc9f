#pragma once

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include "dally/core/backoff.hpp"
#include "dally/core/block_cache.hpp"
#include "dally/core/float_environment.hpp"
#include "dally/core/function.hpp"
#include "dally/core/os_mutex.hpp"
#include "dally/execution/execution.hpp"
#include "dally/pool/deque.hpp"
#include "dally/pool/parking.hpp"
#include "dally/pool/standstill.hpp"
#include "dally/pool/thread_pool.hpp"
#include "dally/schedulers/window.hpp"

namespace dally {

/// One run on a pool. It begins alone and goes on in pairs or by steps, if that is worth it or needed.
///
/// Alone: the caller runs the nodes in the plan's order. Handing a node to another core costs 50 ns, join counters and
/// deques as much again, so this is the fastest way through tasks that are shorter, on any number of cores. A pool
/// thread looks in from time to time.
///
/// In pairs: tasks of 40 ns and more, if the graph is wide enough. The caller and one pool thread run the chunks of a
/// stretch of the plan's order in turn; each marks how far it has come, and waits at a node until the other has passed
/// its inputs. No counter, no queue: a claim and a mark a task. How long chunks are to be is tried out before; see
/// window. Where other programs compute, the system puts one of the two aside for milliseconds, and the other would
/// wait for each: it waits for microseconds, then the caller takes the rest of the stretch back, and shares none for a
/// while.
///
/// By steps: a deque for each worker, and a list of nodes that are ready at first for everybody. Each worker runs the
/// first of the dependents that its step made ready itself, and pushes the others on its own deque, newest out first.
/// Out of work, it takes the next of the list, then steals the oldest of somebody else's. Where results own memory it
/// steals first: what is ready elsewhere frees results, what nobody has begun makes more.
///
/// The run goes over to steps once: when the caller has found several tasks in a row to be long (two microseconds where
/// a partner is all there is, six in narrow graphs until it is found not to help), or when a pool thread finds the
/// caller, or the caller its partner, held up by one: it may be waiting for another task of this graph. That costs by
/// the size of the graph, so in a large one more is waited for: a machine that stalls is no long task. Who goes over
/// takes what the others have not claimed, and pays for a fence in all threads, which a claim then need not have: see
/// execution::claim. Where the system has no such fence, runs go by steps from the beginning.
class crew_run final : public shared_work {
 public:
  /// Who runs it retains the pool's threads.
  crew_run(execution& job, pool_threads& pool) : job_{job}, pool_{pool} {}
  crew_run(execution& job, thread_pool& pool) : crew_run{job, pool.shared()} {}
  crew_run(crew_run const&) = delete;
  crew_run& operator=(crew_run const&) = delete;
  [[gnu::cold]] DALLY_FUNCTION ~crew_run() { delete[] slots_; }

  /// The caller's part, as worker 0.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN void run() {
    bool const to_be_looked_after = pool_.open(*this);
    job_.touch_results();
    if (job_.is_watched() || !fences_) {
      go_over();  // observers slow every task down; without fences nobody could take over later
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
    partner_.store(unwanted, std::memory_order_relaxed);
    pool_.close(*this);
  }

  [[nodiscard, gnu::cold]] DALLY_FUNCTION bool visible() const noexcept override {
    if (!stepping_.load(std::memory_order_seq_cst)) return partner_.load(std::memory_order_seq_cst) == wanted;
    if (next_root_.load(std::memory_order_seq_cst) < roots_.size()) return true;
    for (unsigned i = 0; i < pool_.size(); ++i) {
      // The announcement orders the pushes before it; see announce().
      static_cast<void>(slots_[i].announced.load(std::memory_order_seq_cst));
      if (!slots_[i].ready.empty()) return true;
    }
    return false;
  }

  [[nodiscard]] bool wants_watch() const noexcept override { return !stepping() && fences_ && !job_.finished(); }

  /// Does the caller still run what it ran a while ago, or its partner if it has one? How long ago grows with what a
  /// wrong guess costs.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION bool held_up() noexcept override {
    unsigned const state = partner_.load(std::memory_order_relaxed);
    if (state == recalled) return false;  // the caller waits for its partner, and looks after it
    node_id const reached = begun(0);
    auto const most = std::chrono::microseconds{30} + going_over_takes();
    if (!of_caller_.lasts(caller_, std::uint64_t{reached} + begun(1), most)) return false;
    if (state == offered || state == shares) return true;  // of whose nodes `reached` tells nothing
    return reached < job_.size() && (reached == 0 || !goes_by_ones(reached - 1));
  }

  [[nodiscard, gnu::cold]] DALLY_FUNCTION bool take_over() noexcept override {
    go_over();
    return stepping();
  }

  [[gnu::cold]] DALLY_FUNCTION void help(unsigned worker) noexcept override {
    scoped_float_environment const same{job_.environment()};
    if (!stepping()) be_partner(worker);
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

  // Until when no run of this process shares short tasks, since one that did has stood still for its partner: sixteen
  // times as long as that was, so that it costs so small a part of the time.
  class pairs_pause {
   public:
    using clock = std::chrono::steady_clock;
    [[nodiscard]] static bool lasts(clock::time_point now) noexcept {
      return now.time_since_epoch().count() < end_.load(std::memory_order_relaxed);
    }
    static void begin_after(std::chrono::nanoseconds standstill) noexcept {
      constexpr std::chrono::milliseconds longest{500};  // somebody may have stopped the whole process
      auto const time = standstill < longest / 16 ? 16 * standstill : longest;
      end_.store((clock::now() + time).time_since_epoch().count(), std::memory_order_relaxed);
    }

   private:
    static constinit inline std::atomic<clock::rep> end_{0};
  };

  // What the caller shares with a partner.
  struct stretch {
    node_id first = 0, last = 0;  // none: 0 and 0
    unsigned chunk_log = 0;
    // 1: the partner's
    [[nodiscard]] unsigned part_of(node_id n) const noexcept {
      return n >= first && n < last ? ((n - first) >> chunk_log) & 1 : 0;
    }
  };

  static constexpr std::chrono::microseconds search_patience{10}, partner_patience{100};
  static constexpr node_id nobody = ~node_id{0};
  static constexpr std::int64_t long_for_two = 2'000;  // ns, of a task where a partner is all there is

  // ---- alone
  // ---------------------------------------------------------------------------------------------------------

  /// Runs node after node until all have been run, the run has stopped, or it goes over to steps: then true.
  [[gnu::cold]] DALLY_FUNCTION bool run_alone() noexcept {
    using clock = std::chrono::steady_clock;
    bool const two = may_pair_ && pool_.size() == 2;
    constexpr std::int64_t pair_task = 40;       // ns: below, handing over costs more than the task
    constexpr std::int64_t short_block = 2'000;  // ns: a look at the clock for less costs more than a hundredth
    node_id const size = job_.size();
    node_id block = 1;
    int in_a_row = 0;
    std::int64_t long_time = 0;
    int for_two = 0;  // blocks of such tasks in a row: the time of one is the system's, if that has put us aside
    // ns, of long tasks in a row. What a wrong guess costs grows with what is left to run. One that takes four times as
    // much has said it alone; the first of its kind may have waited for pages of code.
    std::int64_t const enough = 5'000 + (size < 45'000 ? size : 45'000);
    auto start = clock::now();
    for (node_id n = 0;;) {
      node_id const last = size - n < block ? size : n + block;
      node_id const reached = job_.sweep_while(n, last, &parts_[0].claims, 0);
      if (reached < last || (reached == size && !execution::claim(&parts_[0].claims, size))) {
        if (has_gone_over(0, reached, 0)) return true;
        if (job_.stopped()) return false;
        n = reached;
        continue;
      }
      if (reached == size) {
        job_.set_finished();
        return false;
      }
      auto const now = clock::now();
      std::int64_t const took = (now - start).count();
      auto const nodes = static_cast<std::int64_t>(reached - n);
      // ns, on the average of a block. Where there is no third, a partner is as good a help, and cheaper; for longer
      // tasks until it proves not to be.
      std::int64_t const long_task = !two ? 250 : pairs_gain_ > 0 ? 6'000 : long_for_two;
      bool const is_long = took > long_task * nodes;
      in_a_row = is_long ? in_a_row + 1 : 0;
      long_time = is_long ? long_time + took : 0;
      if (((in_a_row >= 3 && long_time > enough) || (block == 1 && took > 4 * enough)) && !goes_by_ones(reached))
        go_over();
      if (took < short_block && block < 4096) block *= 2;
      if (took > 2 * short_block && block > 1) block /= 2;
      start = now;
      n = reached;
      if (!may_pair_ || is_long || n < pair_from_ || took <= pair_task * nodes || took <= short_block / 4) {
        for_two = 0;
        continue;
      }
      if (++for_two < 3 || pairs_pause::lasts(now)) continue;
      // After a stop somebody may still have taken the rest, and waits for what we ran last.
      if (!go_on_in_pairs(n, took / nodes)) return has_gone_over(0, begun(0), 0);
      start = clock::now();
    }
  }

  [[nodiscard]] node_id begun(unsigned odd) const noexcept {
    return parts_[odd].claims.begun.load(std::memory_order_relaxed);
  }

  /// About how long going over to steps takes.
  [[nodiscard]] std::chrono::nanoseconds going_over_takes() const noexcept {
    return std::chrono::nanoseconds{std::int64_t{5} * job_.size()};
  }

  /// Whether each node from n on takes the result of the one before it, and so nobody could help.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION_APART bool goes_by_ones(node_id n) const noexcept {
    constexpr node_id most = 64;  // so much is looked at
    if (job_.size() - n > most) return false;
    for (++n; n < job_.size(); ++n) {
      bool follows = false;
      for (std::uint32_t const edge : job_.plan().edges(n)) follows |= edge == n - 1;
      if (!follows) return false;
    }
    return true;
  }

  // ---- in pairs
  // ------------------------------------------------------------------------------------------------------

  /// Looks for a partner, or shares the next nodes with the one who is here, if that is worth it for tasks of `each`
  /// ns. Sets n to what is next. False if the run has stopped or gone over to steps.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN bool go_on_in_pairs(node_id& n, std::int64_t each) noexcept {
    node_id const left = job_.size() - n;
    unsigned const state = partner_.load(std::memory_order_relaxed);  // its results came with the end of a share
    if (state == wanted || each * left < 20'000) return true;         // nobody yet; or not worth a wake-up
    window const next = window::of(job_.plan(), n, each);
    // Longer tasks are not shared where that does not help, nor where the graph is wide: by steps there is something to
    // steal then, however unequal they are.
    if (next.chunk_log > 2) pairs_gain_ = 0;
    if (!next.worthwhile()) {
      pairs_gain_ = 0;
      pair_from_ = n + pause_;
      pause_ *= 2;
      return true;
    }
    if (pairs_gain_ <= 0 && each > long_for_two) return true;
    if (state == unwanted) {
      partner_.store(wanted, std::memory_order_seq_cst);
      pool_.notify();
      return true;
    }
    std::int64_t const most = share_work_ / each;
    if (share_work_ < 4'000'000) share_work_ *= 2;
    {
      std::lock_guard const lock{going_over_};
      if (stepping()) return true;  // the next claim says so
      stretch_ = {n, left < most ? job_.size() : n + static_cast<node_id>(most), next.chunk_log};
      parts_[1].claims.begun.store(0, std::memory_order_relaxed);
      for (part& of : parts_) of.done.store(n, std::memory_order_relaxed);
      unsigned expected = here;
      // Releases the stretch, and all results so far.
      if (!partner_.compare_exchange_strong(expected, offered, std::memory_order_release)) {
        stretch_ = {};  // it has left
        return true;
      }
    }
    auto const start = std::chrono::steady_clock::now();
    if (!run_stretch()) return false;
    std::int64_t const took = (std::chrono::steady_clock::now() - start).count();
    pairs_gain_ += 5 * each * (stretch_.last - n) - 9 * took;
    if (pairs_gain_ > trust) pairs_gain_ = trust;
    {
      std::lock_guard const lock{going_over_};
      if (!stepping()) {
        n = stretch_.last;
        stretch_ = {};
        parts_[1].claims.begun.store(0, std::memory_order_relaxed);
        parts_[0].claims.begun.store(n, std::memory_order_relaxed);
        return true;
      }
    }
    has_gone_over(1, begun(1), 0);  // we may have run the last of both shares
    return false;
  }

  /// The caller's part of a stretch: runs its share, waits for its partner, and runs what that has left. False if the
  /// run has stopped or gone over to steps.
  [[gnu::cold]] DALLY_FUNCTION bool run_stretch() noexcept {
    share_end const end = run_share(0, 0);
    return end != share_end::broken && partner_leaves_share(end == share_end::done) && run_rest();
  }

  enum class share_end { done, given_up, broken };  // broken: the run has stopped, or gone over to steps

  /// Runs a worker's share of the stretch. Gives it up if the other does not come any further, or shares no longer.
  [[gnu::cold]] DALLY_FUNCTION share_end run_share(unsigned odd, unsigned worker) noexcept {
    execution::share share = share_of(odd);
    std::uint64_t const chunk = std::uint64_t{1} << stretch_.chunk_log;
    for (std::uint64_t from = stretch_.first + odd * chunk; from < stretch_.last; from += 2 * chunk) {
      if (!is_shared()) return share_end::given_up;
      share.chunk = static_cast<node_id>(from);
      if (share_end const end = run_chunk(share, share.chunk, worker); end != share_end::done) return end;
    }
    return share_end::done;
  }

  [[nodiscard]] execution::share share_of(unsigned odd) noexcept {
    return {stretch_.first, stretch_.chunk_log, odd, &parts_[odd].done, &parts_[1 - odd].done, 0, stretch_.first};
  }

  [[nodiscard]] bool is_shared() const noexcept {
    unsigned const state = partner_.load(std::memory_order_relaxed);
    return state == offered || state == shares;
  }

  /// The caller runs what is left of both shares, in the plan's order, as the owner of either.
  [[gnu::cold]] DALLY_FUNCTION bool run_rest() noexcept {
    execution::share both[2] = {share_of(0), share_of(1)};
    std::uint64_t const chunk = std::uint64_t{1} << stretch_.chunk_log;
    for (std::uint64_t from = stretch_.first; from < stretch_.last; from += chunk) {
      auto const first = static_cast<node_id>(from);
      unsigned const odd = stretch_.part_of(first);
      std::uint64_t const last = from + chunk < stretch_.last ? from + chunk : stretch_.last;
      both[odd].chunk = first;
      for (node_id done = 0; (done = parts_[odd].done.load(std::memory_order_relaxed)) < last;) {
        if (run_chunk(both[odd], done > first ? done : first, 0) != share_end::broken) continue;
        has_gone_over(1 - odd, begun(1 - odd), 0);  // it may have been the other one that was noted to run a node
        return false;
      }
    }
    return true;
  }

  /// Runs the nodes from n on of the share's present chunk.
  [[gnu::cold]] DALLY_FUNCTION share_end run_chunk(execution::share& share, node_id n, unsigned worker) noexcept {
    execution::claims& claims = parts_[share.odd].claims;
    std::uint64_t const end = share.chunk + (std::uint64_t{1} << share.chunk_log);
    node_id const last = end < stretch_.last ? static_cast<node_id>(end) : stretch_.last;
    claims.begun.store(n, std::memory_order_release);  // as a claim does
    n = job_.sweep_while(n, last, &claims, worker, &share);
    if (n == last) return share_end::done;
    return has_gone_over(share.odd, n, worker) || job_.stopped() ? share_end::broken : share_end::given_up;
  }

  /// Waits until the partner shares the stretch no longer; recalls it, after a while if it is to end its share. False
  /// if the run has stopped or gone over to steps.
  [[gnu::cold]] DALLY_FUNCTION bool partner_leaves_share(bool to_end_it) noexcept {
    if (to_end_it) {
      for (backoff spinning{execution::share_patience}; is_shared() && spinning.spin();) {
      }
    }
    unsigned state = offered;
    // If it has not even come, nothing of the stretch is its own. Else acquires which thread it is.
    bool const recalls =
        partner_.compare_exchange_strong(state, here, std::memory_order_acquire) ||
        (state == shares && partner_.compare_exchange_strong(state, recalled, std::memory_order_acquire));
    using clock = std::chrono::steady_clock;
    auto const recalled_at = clock::now();
    standstill of_partner;
    auto const most = std::chrono::microseconds{500} + going_over_takes();
    // Acquires the partner's results.
    for (backoff wait{execution::share_patience}; partner_.load(std::memory_order_acquire) == recalled; wait.wait()) {
      if (of_partner.lasts(partner_thread_.load(std::memory_order_relaxed), begun(1), most)) go_over();
      if (parts_[0].claims.taken.load(std::memory_order_relaxed) && has_gone_over(0, begun(0), 0)) return false;
      if (job_.stopped()) return false;
    }
    bool const came = state != offered;
    if (recalls) pairs_pause::begin_after(came ? clock::now() - recalled_at : execution::share_patience);
    return true;
  }

  /// A pool thread's part: stays until the run ends or goes over to steps, or has not needed it for a while.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN void be_partner(unsigned worker) noexcept {
    unsigned state = wanted;
    if (!partner_.compare_exchange_strong(state, here, std::memory_order_seq_cst)) return;
    partner_thread_.store(::pthread_self(), std::memory_order_relaxed);
    for (backoff idle{partner_patience}; !stepping();) {
      state = partner_.load(std::memory_order_relaxed);
      // Acquires the stretch, and the results before it; releases which thread we are.
      if (state == offered && partner_.compare_exchange_strong(state, shares, std::memory_order_acq_rel)) {
        if (run_share(1, worker) == share_end::broken || !leave_share(worker)) return;
        idle = backoff{partner_patience};
      } else if (state == unwanted || (!idle.spin() && partner_leaves())) {
        return;
      }
    }
  }

  /// The partner hands its share back, run or given up. False if the run has gone over to steps.
  [[gnu::cold]] DALLY_FUNCTION bool leave_share(unsigned worker) noexcept {
    {
      std::lock_guard const lock{going_over_};
      if (!stepping()) {
        partner_.store(here, std::memory_order_release);  // releases the results
        return true;
      }
    }
    // Whoever made the counters may have noted that we were running the last that we have run.
    has_gone_over(1, job_.size(), worker);
    return false;
  }

  /// Whether a partner that has not been needed for a while may go.
  [[gnu::cold]] DALLY_FUNCTION bool partner_leaves() noexcept {
    unsigned state = here;
    return partner_.compare_exchange_strong(state, unwanted, std::memory_order_relaxed);
  }

  /// What a worker asks that has found the rest to be taken over, goes over itself, or stops, with node n the first
  /// that it has not run. False if it was not taken, or in vain; then the worker goes on, unless the run has stopped.
  /// If true, what was counted as being run by the worker, since it had claimed it, has been released to those who
  /// wait.
  [[gnu::cold]] DALLY_FUNCTION_APART bool has_gone_over(unsigned odd, node_id n, unsigned worker) noexcept {
    {
      std::lock_guard const lock{going_over_};  // waits until the counters are made
      if (!stepping()) {
        parts_[odd].claims.begun.store(n, std::memory_order_relaxed);
        return false;
      }
    }
    // Where that is n itself, the claim and the taking over have met and nobody has run it, or it has thrown: then the
    // run has stopped, and it is passed over.
    if (node_id const held = std::exchange(parts_[odd].held, nobody); held != nobody) work(worker, held, held < n);
    return true;
  }

  /// Takes the nodes that the caller has not begun, and makes them ready for steps.
  [[gnu::cold]] DALLY_FUNCTION void go_over() noexcept {
    {
      std::lock_guard const lock{going_over_};
      if (stepping()) return;
      for (part& of : parts_) of.claims.taken.store(true, std::memory_order_relaxed);  // before the fence
      if (!fences_ || pool_.pass_fence()) make_ready();
      if (!stepping()) {
        // In vain, or the caller has run them all. Who has met this asks has_gone_over(), and goes on.
        for (part& of : parts_) of.claims.taken.store(false, std::memory_order_relaxed);
        return;
      }
    }
    notify();
  }

  /// Makes what is taken ready; with going_over_ locked. Errors: out of memory, nothing has changed.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN void make_ready() noexcept {
    node_id done[2];  // which of its nodes each has run: those below
    // Both, before the marks. Acquires the results of what the caller, and its partner, have run.
    node_id const next[2] = {parts_[0].claims.begun.load(std::memory_order_acquire),
                             parts_[1].claims.begun.load(std::memory_order_acquire)};
    if (next[0] > job_.size()) return;  // it has run them all
    for (unsigned const odd : {0U, 1U}) {
      node_id end = next[odd];
      // At the beginning of a chunk, the end of the chunk before it.
      if (end > stretch_.first && stretch_.part_of(end - 1) != odd) end -= node_id{1} << stretch_.chunk_log;
      if (odd == 1 && end <= stretch_.first) end = 0;
      // What it has begun last is its own to release, unless the other may have begun, or run, what depends on it.
      // Then the other's claim, which we have acquired, came after the mark that we see here.
      bool const marked = end == 0 || parts_[odd].done.load(std::memory_order_acquire) >= end;
      parts_[odd].held = marked ? nobody : end - 1;
      done[odd] = marked ? end : end - 1;
    }
    try {
      if (slots_ == nullptr) slots_ = new slot[pool_.size()];
      if (has_here_) left_tasks_.reset(job_.size());
      job_.prepare_steps(
          roots_, [&](node_id n) { return n < done[stretch_.part_of(n)]; },
          [&](node_id n) { return n == parts_[0].held || n == parts_[1].held; });
      stepping_.store(true, std::memory_order_seq_cst);  // releases the counters
    } catch (...) {                                      // no memory
    }
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

  [[gnu::cold]] DALLY_FUNCTION_WITHIN bool search(unsigned me, node_id& n) noexcept {
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
    backoff wait{search_patience};
    do {
      if (!frugal_ && take_root(n)) return true;
      for (unsigned i = 1; i < size; ++i) {
        unsigned const victim = me + i < size ? me + i : me + i - size;
        if (slots_[victim].ready.steal(n) == steal_result::stolen) return true;
      }
      if (frugal_ && take_root(n)) return true;
    } while (!job_.finished() && wait.spin(8));
    return false;
  }

  // The caller waits until there is something to take or nothing left.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN void sleep() noexcept {
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

  struct left_task {
    left_task* next;
  };

  // Small ones first: the nearer a member is to the object's address, the shorter is the code that reads it.
  execution& job_;
  pool_threads& pool_;
  bool const frugal_{job_.plan().uses() != nullptr};
  bool const has_here_{job_.plan().has_here()};
  bool const fences_{pool_.fences()};
  bool const may_pair_{fences_ && job_.is_plain() && !has_here_ && !job_.plan().has_order_edges()};
  std::atomic<bool> stepping_{false};
  stretch stretch_;  // written by the caller, with going_over_ locked
  // A partner: none, and unwanted; wanted by the caller; here, and waits; is offered a stretch; shares it; is to give
  // its share up.
  enum : unsigned { unwanted, wanted, here, offered, shares, recalled };
  std::atomic<unsigned> partner_{unwanted};
  std::atomic<pthread_t> partner_thread_{};
  pthread_t const caller_{::pthread_self()};
  standstill of_caller_;                  // for one pool thread at a time
  node_id pair_from_ = 4, pause_ = 4096;  // nodes; the first ones are slower than others
  std::int64_t share_work_ = 250'000;     // ns, of a stretch
  // ns, five times what the stretches would have taken the caller alone, less nine times what they have taken: pairs
  // pay if both threads are busy nine tenths of the time. The trust they begin with, and get back at most, is a stretch
  // or two.
  static constexpr std::int64_t trust = 200'000;
  std::int64_t pairs_gain_ = trust;
  slot* slots_ = nullptr;  // from when the steps begin
  os_mutex going_over_;
  scratch_list<node_id> roots_;          // ready when the steps began
  scratch_array<left_task> left_tasks_;  // by node
  std::atomic<left_task*> left_{nullptr};
  // What the caller has begun and run, and its partner.
  struct alignas(64) part {
    execution::claims claims;
    std::atomic<node_id> done{0};  // of its share: all nodes of it below
    node_id held = nobody;         // what it had claimed last when the steps began, and is to release
  };
  part parts_[2];
  alignas(64) std::atomic<std::size_t> next_root_{0};
  alignas(64) std::atomic<unsigned> searching_{0};
  std::atomic<bool> caller_sleeps_{false};
  parking spot_;
};

}  // namespace dally
