#pragma once

#include <pthread.h>

#include <mutex>

namespace dally {

/// A std::mutex that says that locking does not throw, which never happens where no thread locks it twice: what locks
/// it needs no unwinding.
class os_mutex {
 public:
  constexpr os_mutex() noexcept = default;
  os_mutex(os_mutex const&) = delete;
  os_mutex& operator=(os_mutex const&) = delete;

  void lock() noexcept { ::pthread_mutex_lock(mutex_.native_handle()); }
  void unlock() noexcept { ::pthread_mutex_unlock(mutex_.native_handle()); }

 private:
  friend class os_condition;
  std::mutex mutex_;
};

/// A condition that threads wait for, with an os_mutex.
class os_condition {
 public:
  os_condition() noexcept = default;
  os_condition(os_condition const&) = delete;
  os_condition& operator=(os_condition const&) = delete;
  ~os_condition() { ::pthread_cond_destroy(&condition_); }

  /// Sleeps without the mutex, which the caller holds, until notified; sometimes for nothing.
  void wait(os_mutex& held) noexcept { ::pthread_cond_wait(&condition_, held.mutex_.native_handle()); }
  void notify_all() noexcept { ::pthread_cond_broadcast(&condition_); }

 private:
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace dally
