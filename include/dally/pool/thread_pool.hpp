#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <new>
#include <utility>

#include "dally/core/count.hpp"
#include "dally/core/error.hpp"
#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/core/os_mutex.hpp"
#include "dally/core/process.hpp"
#include "dally/core/text.hpp"
#include "dally/pool/os_thread.hpp"
#include "dally/pool/parking.hpp"
#include "dally/pool/process_fence.hpp"

namespace dally {

class shared_work;

/// What one thread has opened in a pool and not closed, the newest first: each thread has a list of its own, so that
/// opening and closing work inside other work contends with nobody.
struct open_work {
  void const* of = nullptr;  // the crew
  open_work* next = nullptr;
  bool lent = false;  // to a thread; guarded by the crew's mutex
  os_mutex mutex;     // guards what follows, and helpers_ of the work
  os_condition left;
  shared_work* newest = nullptr;
};

/// Work that a pool's idle threads may join. The thread that opens it works on it too, so it always ends, also when
/// nobody joins.
class shared_work {
 public:
  /// Whether a thread that joined now would find something. Its loads are sequentially consistent: a thread that
  /// counts itself idle, and then finds this false, misses no work whose publisher looked for idle threads before.
  [[nodiscard]] virtual bool visible() const noexcept = 0;
  /// Whether the thread that opened it works alone, and must be looked after: it may be held up by a task that waits
  /// for another. Then held_up is asked now and then, some 50 to 1,000 us apart.
  [[nodiscard]] virtual bool wants_watch() const noexcept { return false; }
  /// Whether that thread has not come any further for a while, as this is asked now and then, and somebody else could.
  [[nodiscard]] virtual bool held_up() noexcept { return false; }
  /// Takes what it has not begun; true if there is something to help with now.
  [[nodiscard]] virtual bool take_over() noexcept { return false; }
  /// Works until nothing is left to take. `worker` is 1 .. size() - 1 and no other thread's at this time.
  virtual void help(unsigned worker) noexcept = 0;

 protected:
  ~shared_work() = default;

 private:
  friend class pool_threads;
  // Of the thread that opened it, whose mutex guards the rest.
  open_work* list_ = nullptr;
  open_work* outer_list_ = nullptr;  // that thread's list of another pool, if this work opened list_
  bool opened_list_ = false;
  unsigned helpers_ = 0;
  shared_work* next_ = nullptr;
};

/// The threads of a thread_pool, which is its owner, as are runs on it: one of their tasks may destroy the pool.
class pool_threads {
 public:
  static constexpr unsigned most_workers = 4096;

  [[gnu::cold]] DALLY_FUNCTION_WITHIN explicit pool_threads(count workers) : size_{workers} {
    if (!workers.between(1, most_workers)) {
      refuse(&throw_saying<config_error>, "a pool of %lld workers: between 1 and %u are allowed", workers.number(),
             most_workers);
    }
    crew_ = new crew{size_};
  }
  pool_threads(pool_threads const&) = delete;
  pool_threads& operator=(pool_threads const&) = delete;

  /// One more owner.
  void retain() noexcept { owners_.fetch_add(1, std::memory_order_relaxed); }
  /// One less; the last one destroys it, when the threads have ended.
  [[gnu::cold]] DALLY_FUNCTION void release() noexcept {
    // Releases what this owner has done to the last.
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// Ends the threads, and waits for them. Where work is open, and it may be one of its own tasks that asks, whoever
  /// closes the last one does that. Work that is opened later is its opener's alone.
  [[gnu::cold]] DALLY_FUNCTION void end() noexcept {
    if (!forked() && crew_->give_up()) crew_->stop();  // else the threads are the parent's
  }

  /// Whether somebody has opened work and not closed it.
  [[nodiscard]] bool busy() const { return crew_->busy(); }

  /// How many threads work on one piece of work, the one that opens it included.
  [[nodiscard]] unsigned size() const noexcept { return size_; }

  /// Whether pass_fence() can be counted on, so far.
  [[nodiscard]] bool fences() const noexcept { return fences_.load(std::memory_order_relaxed); }
  /// process_fence::pass(). Where the system has begun to forbid it, false, and fences() is from then on.
  [[nodiscard]] bool pass_fence() noexcept {
    if (process_fence::pass()) return true;
    fences_.store(false, std::memory_order_relaxed);
    return false;
  }

  /// How many threads the pool has started.
  [[nodiscard]] unsigned started() const noexcept { return crew_->started.load(std::memory_order_relaxed); }

  /// Lets idle threads join `work` until close(work). True if nobody watches yet: then notify().
  [[gnu::cold]] DALLY_FUNCTION bool open(shared_work& work) {
    renew_after_fork();
    if (mine_ == nullptr || mine_->of != crew_) {
      work.outer_list_ = mine_;
      work.opened_list_ = true;
      mine_ = crew_->lend_list(true);
    }
    work.list_ = mine_;
    {
      std::lock_guard const lock{mine_->mutex};
      work.next_ = std::exchange(mine_->newest, &work);
    }
    // Who watches already will see the work: it locks our list after it has ceased to be the watcher.
    return crew_->watcher.load(std::memory_order_relaxed) == 0 && work.wants_watch();
  }

  /// Lets nobody join any more, and waits until those who have joined have left.
  [[gnu::cold]] DALLY_FUNCTION void close(shared_work& work) noexcept {
    open_work& list = *work.list_;
    {
      std::lock_guard const lock{list.mutex};
      list.newest = work.next_;  // a thread closes what it has opened last
      while (work.helpers_ != 0) list.left.wait(list.mutex);
    }
    if (!work.opened_list_) return;
    mine_ = work.outer_list_;
    if (crew_->take_back(list)) crew_->stop();
  }

  /// Tells that there is work: wakes or starts one thread unless one is searching already, which will find it. Call it
  /// after a sequentially consistent operation that made the work visible. True if a thread was woken or started.
  bool notify() noexcept { return crew_->notify(); }

 private:
  [[gnu::cold]] DALLY_FUNCTION ~pool_threads() {
    if (!forked()) delete crew_;
  }

  class crew;

  // Of the calling thread, while it has something open; of a pool's own thread always.
  DALLY_EXPORT static constinit inline thread_local open_work* mine_ = nullptr;

  struct member {
    crew* of;
    unsigned index;
    member* next;
    os_thread thread{};
  };

  // What the threads share. On the heap, so that the child of a fork can leave its parent's behind.
  class crew {
   public:
    [[gnu::cold]] DALLY_FUNCTION explicit crew(unsigned workers) : size{workers - 1} {}
    crew(crew const&) = delete;
    crew& operator=(crew const&) = delete;
    [[gnu::cold]] DALLY_FUNCTION ~crew() {
      while (lists != nullptr) delete std::exchange(lists, lists->next);
    }

    /// A thread that searches looks at everything before it sleeps, in this order: it counts itself a sleeper, counts
    /// itself off the searchers, looks once more, sleeps. Who makes work visible looks at the searchers, then at the
    /// sleepers. All of these are sequentially consistent, so either the publisher sees the sleeper or the sleeper
    /// sees the work.
    [[gnu::cold]] DALLY_FUNCTION bool notify() noexcept {
      for (;;) {
        if (searching.load(std::memory_order_seq_cst) != 0) return false;
        if (sleepers.load(std::memory_order_seq_cst) == 0 && !can_start()) return false;
        unsigned nobody = 0;
        // Claims the search for the thread that is about to be woken: one at a time.
        if (!searching.compare_exchange_strong(nobody, 1, std::memory_order_seq_cst)) return false;
        if (stop_sleeping()) {
          spot.release();
          return true;
        }
        if (start()) return true;
        searching.fetch_sub(1, std::memory_order_seq_cst);
        // Somebody may have seen our claim, left the waking to us, and fallen asleep: look again.
      }
    }

    /// Ends the members and joins them. On none of them.
    [[gnu::cold]] DALLY_FUNCTION void stop() noexcept {
      member* last = nullptr;
      {
        std::lock_guard const lock{mutex};
        stopping.store(true, std::memory_order_seq_cst);
        last = std::exchange(members, nullptr);
      }
      for (unsigned i = 0; i < size; ++i) spot.release();
      while (last != nullptr) delete std::exchange(last, last->next);  // joins it
    }

    /// Notes that nobody will need the members any more. True if it is for the caller to stop them: no thread but
    /// members has work open.
    [[nodiscard, gnu::cold]] DALLY_FUNCTION bool give_up() noexcept {
      std::lock_guard const lock{mutex};
      given_up = true;
      return callers == 0;
    }

    /// A list for the work of a thread, a caller if it is no member. Errors: std::bad_alloc.
    [[gnu::cold]] DALLY_FUNCTION open_work* lend_list(bool to_caller) {
      std::lock_guard const lock{mutex};
      refused = false;
      open_work* list = lists;
      while (list != nullptr && list->lent) list = list->next;
      if (list == nullptr) {
        list = new open_work;
        list->of = this;
        list->next = std::exchange(lists, list);
      }
      list->lent = true;
      callers += to_caller ? 1U : 0U;
      return list;
    }
    /// From a caller. True if it is for that to stop the members.
    [[nodiscard, gnu::cold]] DALLY_FUNCTION bool take_back(open_work& list) noexcept {
      std::lock_guard const lock{mutex};
      list.lent = false;
      return --callers == 0 && given_up;
    }

    [[gnu::cold]] DALLY_FUNCTION bool busy() noexcept {
      std::lock_guard const lock{mutex};
      return find(anything, nullptr) != nullptr;
    }

    os_mutex mutex;              // guards lists, members, callers, and what changes refused and watcher
    open_work* lists = nullptr;  // linked; each stays as long as the crew
    unsigned callers = 0;        // threads that have a list and are no members
    bool given_up = false;
    std::atomic<bool> stopping{false};
    std::atomic<unsigned> watcher{0};  // the thread that sleeps for a while only, then looks after what wants it
    std::atomic<bool> refused{false};
    std::chrono::steady_clock::time_point next_look{};  // not before; guarded by the mutex
    unsigned const size;
    member* members = nullptr;  // linked
    std::atomic<unsigned> started{0};
    alignas(64) std::atomic<unsigned> searching{0};
    std::atomic<unsigned> sleepers{0};
    alignas(64) parking spot;

   private:
    static constexpr long shortest_pause = 50'000, longest_pause = 1'000'000;  // ns

    [[nodiscard]] bool can_start() const noexcept {
      return started.load(std::memory_order_relaxed) < size && !refused.load(std::memory_order_relaxed) &&
             !stopping.load(std::memory_order_relaxed);
    }

    // Starts the next thread, which takes over the claimed search.
    [[gnu::cold]] DALLY_FUNCTION bool start() noexcept {
      std::lock_guard const lock{mutex};
      unsigned const next = started.load(std::memory_order_relaxed);
      if (stopping.load(std::memory_order_relaxed) || next == size || refused.load(std::memory_order_relaxed))
        return false;
      auto* const m = new (std::nothrow) member{this, next + 1, members};
      if (m == nullptr || m->thread.start(&run_member, m) != 0) {
        delete m;
        refused.store(true, std::memory_order_relaxed);  // until somebody opens work again
        return false;
      }
      members = m;
      started.store(next + 1, std::memory_order_relaxed);
      return true;
    }

    DALLY_EXPORT static void* run_member(void* argument) {
      auto& m = *static_cast<member*>(argument);
      m.of->run(m.index);
      return nullptr;
    }

    // Begins counted as a searcher.
    [[gnu::cold]] DALLY_FUNCTION_WITHIN void run(unsigned index) noexcept {
      try {
        mine_ = lend_list(false);
      } catch (std::bad_alloc const&) {  // then it asks again when it opens something
      }
      std::timespec pause{};  // how long it sleeps as the watcher
      for (;;) {
        bool watching = false;
        if (shared_work* const work = join(index, watching)) {
          searching.fetch_sub(1, std::memory_order_seq_cst);
          bool const helps = !watching || work->take_over();
          if (helps) {
            if (others_need(work, true)) notify();  // our search had held others off, or we watched them
            work->help(index);
            pause = {};
          }
          searching.fetch_add(1, std::memory_order_seq_cst);
          leave(work);
          if (helps) continue;
        }
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        searching.fetch_sub(1, std::memory_order_seq_cst);
        bool const stop = stopping.load(std::memory_order_seq_cst);
        if ((stop || others_need(nullptr, false)) && stop_sleeping()) {
          if (stop) return;
          searching.fetch_add(1, std::memory_order_seq_cst);
          continue;
        }
        pause.tv_nsec = pause.tv_nsec == 0              ? shortest_pause
                        : pause.tv_nsec < longest_pause ? pause.tv_nsec * 2
                                                        : longest_pause;
        // Whoever releases has taken us off the sleepers and counted us as a searcher.
        if (spot.acquire(begin_watch(index) ? &pause : nullptr)) {
          pause = {};
        } else if (stop_sleeping()) {
          searching.fetch_add(1, std::memory_order_seq_cst);
        } else {
          spot.acquire();  // released in this very moment
        }
        if (stopping.load(std::memory_order_seq_cst)) return;
      }
    }

    // Whether this thread is to sleep for a while only, because something wants to be watched and nobody else does.
    bool begin_watch(unsigned index) noexcept {
      std::lock_guard const lock{mutex};
      if (watcher != 0 || find(watched, nullptr) == nullptr) return false;
      watcher = index;
      return true;
    }

    // Takes a thread off the sleepers, to be woken; or the calling one, unless somebody has done so to wake it.
    [[gnu::cold]] DALLY_FUNCTION_WITHIN bool stop_sleeping() noexcept {
      unsigned asleep = sleepers.load(std::memory_order_seq_cst);
      while (asleep != 0) {
        if (sleepers.compare_exchange_weak(asleep, asleep - 1, std::memory_order_seq_cst)) return true;
      }
      return false;
    }

    // Work that it finds something to do in; if the last look after those who work alone was not just now, also theirs
    // who have not come any further since: then `watching`.
    [[gnu::cold]] DALLY_FUNCTION shared_work* join(unsigned index, bool& watching) noexcept {
      std::lock_guard const lock{mutex};
      if (watcher == index) watcher = 0;
      auto const now = std::chrono::steady_clock::now();
      watching = now >= next_look;
      if (watching) next_look = now + std::chrono::nanoseconds{shortest_pause};
      return find(watching ? held_up : visible, nullptr, true);
    }

    void leave(shared_work* work) noexcept {
      open_work& list = *work->list_;
      std::lock_guard const lock{list.mutex};
      if (--work->helpers_ == 0) list.left.notify_all();
    }

    // Whether there is something to do in work other than `joined`, helping or, if that is asked, watching.
    [[gnu::cold]] DALLY_FUNCTION_APART bool others_need(shared_work const* joined, bool watch) noexcept {
      std::lock_guard const lock{mutex};
      return find(watch && watcher == 0 ? visible_or_watched : visible, joined) != nullptr;
    }

    enum wanted : unsigned { visible, watched, visible_or_watched, held_up, anything };

    // Open work as it is wanted, other than `joined`; joins it if that is asked. Of a thread's runs inside runs the
    // outermost that is held up, which has most to do, or else the innermost. With the mutex locked.
    [[gnu::cold]] DALLY_FUNCTION_APART shared_work* find(wanted what, shared_work const* joined,
                                                         bool join = false) noexcept {
      for (open_work* list = lists; list != nullptr; list = list->next) {
        std::lock_guard const lock{list->mutex};
        shared_work* found = nullptr;
        for (shared_work* work = list->newest; work != nullptr; work = work->next_) {
          if (work == joined) continue;
          bool const is_watched = what != visible && work->wants_watch();
          if (what == held_up && is_watched) {
            if (work->held_up()) found = work;
          } else if (found == nullptr &&
                     (what == anything || (is_watched && what != held_up) || (what != watched && work->visible()))) {
            found = work;
          }
        }
        if (found == nullptr) continue;
        if (join) ++found->helpers_;
        return found;
      }
      return nullptr;
    }
  };

  [[nodiscard, gnu::always_inline]] bool forked() const noexcept {
    // Acquires the new crew from the thread that has renewed it.
    return generation_.load(std::memory_order_acquire) != process_state::instance().fork_generation();
  }

  void renew_after_fork() {
    if (forked()) [[unlikely]]
      renew();
  }

  [[gnu::cold]] DALLY_FUNCTION void renew() {
    std::lock_guard const lock{process_state::instance().mutex};
    if (!forked()) return;
    crew_ = new crew{size_};  // the old one is the parent's: its mutex may be locked for ever
    generation_.store(process_state::instance().fork_generation(), std::memory_order_release);  // to forked()
  }

  unsigned size_;
  std::atomic<bool> fences_{process_fence::prepare()};
  std::atomic<unsigned> generation_{process_state::instance().fork_generation()};
  std::atomic<unsigned> owners_{1};
  crew* crew_ = nullptr;
};

/// Threads that join open work, search it for something to do, and sleep when there is nothing. Knows no graphs.
///
/// Threads  `workers` of them work on one piece of work: the thread that opened it and workers - 1 of the pool, which
///          are started one at a time when there is something for them
/// Errors   config_error for 0 workers or more than 4,096. A thread that the system refuses is done without
/// Cost     an idle pool uses no processor time
class thread_pool {
 public:
  static constexpr unsigned most_workers = pool_threads::most_workers;

  explicit thread_pool(count workers) : threads_{new pool_threads{workers}} {}
  thread_pool(thread_pool const&) = delete;
  thread_pool& operator=(thread_pool const&) = delete;

  /// Waits until the threads are through with what they have joined, and joins them. A task of its own may do it: then
  /// the threads end with the runs that are under way. No thread may open work meanwhile or later.
  ~thread_pool() {
    threads_->end();
    threads_->release();
  }

  [[nodiscard]] bool busy() const { return threads_->busy(); }
  [[nodiscard]] unsigned size() const noexcept { return threads_->size(); }
  [[nodiscard]] bool fences() const noexcept { return threads_->fences(); }
  [[nodiscard]] unsigned started() const noexcept { return threads_->started(); }
  bool open(shared_work& work) { return threads_->open(work); }
  void close(shared_work& work) noexcept { threads_->close(work); }
  bool notify() noexcept { return threads_->notify(); }

  /// What a run on it retains.
  [[nodiscard]] pool_threads& shared() const noexcept { return *threads_; }

 private:
  pool_threads* threads_;
};

/// The pool of `workers` that everybody in this process shares; started at first need, joined at exit. Null once the
/// program has begun to destroy its static objects: then callers work alone.
DALLY_EXPORT [[gnu::cold, gnu::noinline]] inline pool_threads* shared_pool(unsigned workers) {
  struct entry {
    thread_pool pool;
    entry* next;
  };
  struct registry {
    entry* first = nullptr;
    unsigned generation = process_state::instance().fork_generation();

    [[gnu::cold]] ~registry() {
      ended().store(true, std::memory_order_relaxed);
      if (generation != process_state::instance().fork_generation()) return;  // the threads are the parent's
      while (entry* const last = first) {
        first = last->next;
        // A thread that main did not wait for still computes: leave it its pool.
        if (!last->pool.busy()) delete last;
      }
    }
    static std::atomic<bool>& ended() {
      static std::atomic<bool> after_exit{false};
      return after_exit;
    }
  };
  if (registry::ended().load(std::memory_order_relaxed)) return nullptr;
  auto& state = process_state::instance();
  static registry all;
  std::lock_guard const lock{state.mutex};
  if (all.generation != state.fork_generation()) {
    all.first = nullptr;
    all.generation = state.fork_generation();
  }
  for (entry* e = all.first; e != nullptr; e = e->next) {
    if (e->pool.size() == workers) return &e->pool.shared();
  }
  all.first = new entry{thread_pool{workers}, all.first};
  return &all.first->pool.shared();
}

}  // namespace dally
