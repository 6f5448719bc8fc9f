#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "dally/core/error.hpp"
#include "dally/core/text.hpp"

namespace dally {

/// A mapping of memory that forked processes share, at one address in all of them.
class shared_mapping {
 public:
  shared_mapping() = default;
  /// `bytes` of the file `fd`, or, if it is negative, of memory without a file, all zero. Errors: resource_error.
  shared_mapping(std::size_t bytes, int protection, int fd = -1) : size_{bytes} {
    int const flags = MAP_SHARED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
    data_ = ::mmap(nullptr, bytes, protection, flags, fd, 0);
    if (data_ != MAP_FAILED) return;
    int const code = errno;
    data_ = nullptr;
    throw resource_error{
        joined({"the system refused to map ", decimal(bytes), " bytes of shared memory: ", std::strerror(code)}), code};
  }
  shared_mapping(shared_mapping&& other) noexcept
      : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
  shared_mapping& operator=(shared_mapping other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~shared_mapping() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// What a worker process tells its coordinator without a message, also by dying: which task it was running.
///
/// Threads  written by the worker alone, read by the coordinator at any time
class alignas(64) worker_status {
 public:
  static constexpr std::uint64_t idle = 0;

  /// The worker begins a task, which has a number that no other has had.
  void begin(std::uint64_t task) noexcept {
    started_.store(now(), std::memory_order_relaxed);
    task_.store(task, std::memory_order_release);  // with its start, to task()
  }
  /// The worker has written the task's result.
  void end() noexcept {
    done_.store(done_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    task_.store(idle, std::memory_order_release);  // with the count, to task()
  }
  /// A new worker takes the place of one that has ended.
  void reset() noexcept {
    task_.store(idle, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
  }

  /// The task that is being run, or `idle`. Acquires what begin() and end() wrote.
  [[nodiscard]] std::uint64_t task() const noexcept { return task_.load(std::memory_order_acquire); }
  /// Of the task that is being run, on CLOCK_MONOTONIC, which all processes share.
  [[nodiscard]] std::chrono::steady_clock::time_point started() const noexcept {
    return std::chrono::steady_clock::time_point{
        std::chrono::steady_clock::duration{started_.load(std::memory_order_relaxed)}};
  }
  /// Tasks done by this worker.
  [[nodiscard]] std::uint64_t done() const noexcept { return done_.load(std::memory_order_relaxed); }

 private:
  static std::int64_t now() noexcept { return std::chrono::steady_clock::now().time_since_epoch().count(); }

  std::atomic<std::uint64_t> task_{idle};
  std::atomic<std::int64_t> started_{0};
  std::atomic<std::uint64_t> done_{0};
};
static_assert(sizeof(worker_status) == 64);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);  // shared between processes

/// One worker_status for each worker, a cache line each, in memory shared with the processes forked from now on.
///
/// Errors  resource_error
class status_page {
 public:
  explicit status_page(std::size_t workers)
      : memory_{workers * sizeof(worker_status), PROT_READ | PROT_WRITE}, size_{workers} {
    for (std::size_t k = 0; k < workers; ++k) ::new (memory_.data() + k * sizeof(worker_status)) worker_status;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] worker_status& operator[](std::size_t worker) const noexcept {
    assert(worker < size_);
    return *std::launder(reinterpret_cast<worker_status*>(memory_.data() + worker * sizeof(worker_status)));
  }

 private:
  shared_mapping memory_;
  std::size_t size_;
};

}  // namespace dally
