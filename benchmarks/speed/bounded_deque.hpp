#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace speed {

/// A work-stealing deque of fixed capacity, for the hand-written limits.
///
/// Threads  push, pop, reset: the owner; steal: any
/// Source   D. Chase, Y. Lev, Dynamic circular work-stealing deque, SPAA 2005
template <class T>
class bounded_deque {
 public:
  /// Empties it, and makes room for `capacity` items. No thief may be near.
  void reset(std::size_t capacity) {
    if (items_ == nullptr || mask_ + 1 < capacity) {
      mask_ = std::bit_ceil(capacity) - 1;
      items_ = std::make_unique<std::atomic<T>[]>(mask_ + 1);
    }
    top_.store(0, std::memory_order_relaxed);
    bottom_.store(0, std::memory_order_relaxed);
  }

  /// Whether push has no room; may say so a little too long.
  [[nodiscard]] bool full() const {
    return bottom_.load(std::memory_order_relaxed) - top_.load(std::memory_order_acquire) >
           static_cast<std::int64_t>(mask_);
  }

  /// There must be room.
  void push(T item) {
    auto const bottom = bottom_.load(std::memory_order_relaxed);
    at(bottom).store(item, std::memory_order_relaxed);
    bottom_.store(bottom + 1, std::memory_order_release);  // to steal's load
  }

  /// The newest item; false if there is none.
  bool pop(T& item) {
    auto const bottom = bottom_.load(std::memory_order_relaxed) - 1;
    // Before the load of top_ in the order of all such operations, as a thief's load of top_ is before that of bottom_.
    bottom_.store(bottom, std::memory_order_seq_cst);
    auto top = top_.load(std::memory_order_seq_cst);
    bool mine = top <= bottom;
    if (mine) item = at(bottom).load(std::memory_order_relaxed);
    if (top >= bottom) {
      if (mine) mine = top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst);
      bottom_.store(bottom + 1, std::memory_order_relaxed);
    }
    return mine;
  }

  /// The oldest item; false if there is none, or another thread was faster.
  bool steal(T& item) {
    auto top = top_.load(std::memory_order_seq_cst);
    if (top >= bottom_.load(std::memory_order_seq_cst)) return false;
    item = at(top).load(std::memory_order_relaxed);
    return top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst);
  }

 private:
  std::atomic<T>& at(std::int64_t i) { return items_[static_cast<std::size_t>(i) & mask_]; }

  alignas(64) std::atomic<std::int64_t> top_{0};
  alignas(64) std::atomic<std::int64_t> bottom_{0};
  std::unique_ptr<std::atomic<T>[]> items_;
  std::size_t mask_ = 0;
};

}  // namespace speed
