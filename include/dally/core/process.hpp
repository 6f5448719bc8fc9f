#pragma once

#include <pthread.h>

#include <atomic>
#include <mutex>

namespace dally {

/// What exists once in a process and must survive fork: one mutex for everything rare and shared (spare memory,
/// arenas, the table of pools), and a count of the forks that this process descends from since its first use.
///
/// fork is held off while the mutex is taken, so a child never inherits it locked or what it guards half written.
/// Never destroyed: threads and destructors that outlive main may still need it.
class process_state {
 public:
  [[gnu::noinline]] static process_state& instance() {
    static process_state* const the_one = new process_state;
    return *the_one;
  }

  /// Guards the shared things that are touched rarely. Hold it briefly; never while user code runs.
  std::mutex mutex;

  /// Changes in the child of a fork: threads counted under another number do not exist here.
  [[nodiscard]] unsigned fork_generation() const noexcept { return generation_.load(std::memory_order_relaxed); }

 private:
  process_state() {
    ::pthread_atfork([] { instance().mutex.lock(); }, [] { instance().mutex.unlock(); },
                     [] {
                       // The only thread of the child is the one that took the mutex in the parent.
                       instance().generation_.fetch_add(1, std::memory_order_relaxed);
                       instance().mutex.unlock();
                     });
  }

  std::atomic<unsigned> generation_{0};
};

}  // namespace dally
