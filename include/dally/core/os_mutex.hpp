#pragma once

#include <pthread.h>

namespace dally {

/// A mutex of the operating system, for std::lock_guard. Unlike std::mutex it says that locking does not throw, which a
/// mutex that is not locked twice by one thread never does: what locks it needs no unwinding.
class os_mutex {
 public:
  constexpr os_mutex() noexcept = default;
  os_mutex(os_mutex const&) = delete;
  os_mutex& operator=(os_mutex const&) = delete;

  void lock() noexcept { ::pthread_mutex_lock(&mutex_); }
  void unlock() noexcept { ::pthread_mutex_unlock(&mutex_); }

 private:
  friend class os_condition;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

/// A condition that threads wait for, with an os_mutex.
class os_condition {
 public:
  os_condition() noexcept = default;
  os_condition(os_condition const&) = delete;
  os_condition& operator=(os_condition const&) = delete;
  ~os_condition() { ::pthread_cond_destroy(&condition_); }

  /// Sleeps without the mutex, which the caller holds, until notified; sometimes for nothing.
  void wait(os_mutex& held) noexcept { ::pthread_cond_wait(&condition_, &held.mutex_); }
  void notify_all() noexcept { ::pthread_cond_broadcast(&condition_); }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace dally
