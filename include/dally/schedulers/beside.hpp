#pragma once

#include <atomic>
#include <exception>

#include "dally/core/function.hpp"
#include "dally/pool/os_thread.hpp"

namespace dally::detail {

/// Runs `task()` on the calling thread, and meanwhile `turn()` again and again on one beside it; after the task
/// `wake()` ends a turn that waits. What `task` and `turn` share is the second thread's while the task runs.
///
/// Errors  what a turn throws, after the task. Where the system refuses a thread, the task runs alone
template <class Task, class Turn, class Wake>
void run_beside(Task const& task, Turn const& turn, Wake const& wake) {
  struct second_thread {
    Turn const& turn;
    std::atomic<bool> over;
    std::exception_ptr failure;

    static void* body(void* self) {
      auto& s = *static_cast<second_thread*>(self);
      try {
        while (!s.over.load(std::memory_order_relaxed)) s.turn();  // the join orders what is shared
      } catch (...) {
        s.failure = std::current_exception();
      }
      return nullptr;
    }
  } second{turn, {}, {}};
  {
    os_thread thread;
    bool const alone = thread.start(&second_thread::body, &second) != 0;
    task();
    second.over.store(true, std::memory_order_relaxed);
    if (!alone) wake();
  }
  if (second.failure != nullptr) std::rethrow_exception(second.failure);
}

}  // namespace dally::detail
