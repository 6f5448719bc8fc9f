#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <new>
#include <utility>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/os_mutex.hpp"
#include "dally/core/process.hpp"
#include "dally/core/text.hpp"
#include "dally/pool/os_thread.hpp"
#include "dally/pool/parking.hpp"

namespace dally {

/// Work that a pool's idle threads may join. The thread that opens it works on it too, so it always ends, also when
/// nobody joins.
class shared_work {
 public:
  /// Whether a thread that joined now would find something. Its loads are sequentially consistent: a thread that
  /// counts itself idle, and then finds this false, misses no work whose publisher looked for idle threads before.
  [[nodiscard]] virtual bool visible() const noexcept = 0;
  /// Whether the thread that opened it works alone, and must be looked after: it may be held up by a task that waits
  /// for another. Then look is called now and then, some 50 to 1,000 us apart.
  [[nodiscard]] virtual bool wants_watch() const noexcept { return false; }
  /// Looks after it; true if there is something to help with now.
  [[nodiscard]] virtual bool look() noexcept { return false; }
  /// Works until nothing is left to take. `worker` is 1 .. size() - 1 and no other thread's at this time.
  virtual void help(unsigned worker) noexcept = 0;

 protected:
  ~shared_work() = default;

 private:
  friend class thread_pool;
  // Guarded by the pool's mutex.
  unsigned helpers_ = 0;
  std::uint64_t looked_ = 0;  // when it was looked after, in looks
  shared_work* next_ = nullptr;
};

/// Threads that join open work, search it for something to do, and sleep when there is nothing. Knows no graphs.
///
/// Threads  `workers` of them work on one piece of work: the thread that opened it and workers - 1 of the pool, which
///          are started one at a time when there is something for them
/// Errors   config_error for 0 workers or more than 4,096. A thread that the system refuses is done without
/// Cost     an idle pool uses no processor time
class thread_pool {
 public:
  static constexpr unsigned most_workers = 4096;

  [[gnu::cold]] DALLY_FUNCTION explicit thread_pool(unsigned workers) : size_{workers} {
    if (workers == 0 || workers > most_workers) {
      refuse(&throw_saying<config_error>, "a pool of %u workers: between 1 and %u are allowed", workers, most_workers);
    }
    crew_ = new crew{size_};
  }
  thread_pool(thread_pool const&) = delete;
  thread_pool& operator=(thread_pool const&) = delete;

  /// Waits until the threads are through with what they have joined, and joins them. No thread may open work
  /// meanwhile or later.
  [[gnu::cold]] DALLY_FUNCTION ~thread_pool() {
    if (forked()) return;  // the crew's threads are the parent's
    crew_->stop();
    delete crew_;
  }

  /// Whether somebody has opened work and not closed it.
  [[nodiscard]] bool busy() const {
    std::lock_guard const lock{crew_->mutex};
    return crew_->open != nullptr;
  }

  /// How many threads work on one piece of work, the one that opens it included.
  [[nodiscard]] unsigned size() const noexcept { return size_; }

  /// How many threads the pool has started.
  [[nodiscard]] unsigned started() const noexcept { return crew_->started.load(std::memory_order_relaxed); }

  /// Lets idle threads join `work` until close(work). True if nobody watches yet: then notify().
  [[gnu::cold]] DALLY_FUNCTION bool open(shared_work& work) {
    renew_after_fork();
    std::lock_guard const lock{crew_->mutex};
    work.next_ = crew_->open;
    crew_->open = &work;
    work.looked_ = ++crew_->looks;
    crew_->refused = false;
    return crew_->watcher == 0 && work.wants_watch();
  }

  /// Lets nobody join any more, and waits until those who have joined have left.
  [[gnu::cold]] DALLY_FUNCTION void close(shared_work& work) noexcept {
    std::lock_guard const lock{crew_->mutex};
    shared_work** at = &crew_->open;
    while (*at != &work) at = &(*at)->next_;
    *at = work.next_;
    while (work.helpers_ != 0) crew_->left.wait(crew_->mutex);
  }

  /// Tells that there is work: wakes or starts one thread unless one is searching already, which will find it. Call it
  /// after a sequentially consistent operation that made the work visible. True if a thread was woken or started.
  bool notify() noexcept { return crew_->notify(); }

 private:
  class crew;

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

    [[gnu::cold]] DALLY_FUNCTION void stop() noexcept {
      {
        std::lock_guard const lock{mutex};
        stopping.store(true, std::memory_order_seq_cst);
      }
      for (unsigned i = 0; i < size; ++i) spot.release();
      while (members != nullptr) delete std::exchange(members, members->next);  // joins it
    }

    os_mutex mutex;  // guards open, watcher, refused, members, and helpers_ of the open work
    os_condition left;
    shared_work* open = nullptr;  // the newest; linked
    std::atomic<bool> stopping{false};
    std::uint64_t looks = 0;
    unsigned watcher = 0;  // the thread that sleeps for a while only, then looks after what wants it
    std::atomic<bool> refused{false};
    unsigned const size;
    member* members = nullptr;  // linked
    std::atomic<unsigned> started{0};
    alignas(64) std::atomic<unsigned> searching{0};
    std::atomic<unsigned> sleepers{0};
    alignas(64) parking spot;

   private:
    static constexpr long longest_pause = 1'000'000;  // ns

    [[nodiscard]] bool can_start() const noexcept {
      return started.load(std::memory_order_relaxed) < size && !refused.load(std::memory_order_relaxed);
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

    static void* run_member(void* argument) {
      auto& m = *static_cast<member*>(argument);
      m.of->run(m.index);
      return nullptr;
    }

    // Begins counted as a searcher.
    [[gnu::cold]] DALLY_FUNCTION void run(unsigned index) noexcept {
      std::timespec pause{};  // until the next look after what wants to be watched
      bool watching = false;  // woken by that, not by anybody
      for (;;) {
        if (shared_work* const work = join(index, watching)) {
          searching.fetch_sub(1, std::memory_order_seq_cst);
          if (!watching || work->look()) {
            if (others_need(work, true)) notify();  // our search had held others off, or we watched them
            work->help(index);
          }
          searching.fetch_add(1, std::memory_order_seq_cst);
          leave(work);
          if (!watching) continue;
        }
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        searching.fetch_sub(1, std::memory_order_seq_cst);
        bool const stop = stopping.load(std::memory_order_seq_cst);
        if ((stop || others_need(nullptr, false)) && stop_sleeping()) {
          if (stop) return;
          searching.fetch_add(1, std::memory_order_seq_cst);
          watching = false;
          continue;
        }
        pause.tv_nsec = watching && pause.tv_nsec < longest_pause ? pause.tv_nsec * 2
                        : watching                                ? longest_pause
                                                                  : 50'000;
        // Whoever releases has taken us off the sleepers and counted us as a searcher.
        watching = !spot.acquire(begin_watch(index) ? &pause : nullptr);
        if (watching) {
          if (stop_sleeping()) {
            searching.fetch_add(1, std::memory_order_seq_cst);
          } else {
            spot.acquire();  // released in this very moment
          }
        }
        if (stopping.load(std::memory_order_seq_cst)) return;
      }
    }

    // Whether this thread is to sleep for a while only, because something wants to be watched and nobody else does.
    bool begin_watch(unsigned index) noexcept {
      std::lock_guard const lock{mutex};
      if (watcher != 0) return false;
      for (shared_work const* work = open; work != nullptr; work = work->next_) {
        if (work->wants_watch()) watcher = index;
      }
      return watcher != 0;
    }

    // Takes a thread off the sleepers, to be woken; or the calling one, unless somebody has done so to wake it.
    [[gnu::cold]] DALLY_FUNCTION_APART bool stop_sleeping() noexcept {
      unsigned asleep = sleepers.load(std::memory_order_seq_cst);
      while (asleep != 0) {
        if (sleepers.compare_exchange_weak(asleep, asleep - 1, std::memory_order_seq_cst)) return true;
      }
      return false;
    }

    [[gnu::cold]] DALLY_FUNCTION shared_work* join(unsigned index, bool watching) noexcept {
      std::lock_guard const lock{mutex};
      if (watcher == index) watcher = 0;
      shared_work* found = nullptr;
      for (shared_work* work = open; work != nullptr; work = work->next_) {
        if (watching && work->wants_watch()) {
          if (found == nullptr || work->looked_ < found->looked_) found = work;  // in turn
        } else if (work->visible()) {
          found = work;
          break;
        }
      }
      if (found == nullptr) return nullptr;
      found->looked_ = ++looks;
      ++found->helpers_;
      return found;
    }

    void leave(shared_work* work) noexcept {
      std::lock_guard const lock{mutex};
      if (--work->helpers_ == 0) left.notify_all();
    }

    // Whether there is something to do in work other than `joined`, helping or, if that is asked, watching.
    [[gnu::cold]] DALLY_FUNCTION_APART bool others_need(shared_work const* joined, bool watch) noexcept {
      std::lock_guard const lock{mutex};
      for (shared_work const* work = open; work != nullptr; work = work->next_) {
        if (work == joined) continue;
        if (work->visible() || (watch && watcher == 0 && work->wants_watch())) return true;
      }
      return false;
    }
  };

  [[nodiscard]] bool forked() const noexcept {
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
  std::atomic<unsigned> generation_{process_state::instance().fork_generation()};
  crew* crew_ = nullptr;
};

/// The pool of `workers` that everybody in this process shares; started at first need, joined at exit. Null once the
/// program has begun to destroy its static objects: then callers work alone.
[[gnu::cold]] inline thread_pool* shared_pool(unsigned workers) {
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
    if (e->pool.size() == workers) return &e->pool;
  }
  all.first = new entry{thread_pool{workers}, all.first};
  return &all.first->pool;
}

}  // namespace dally
