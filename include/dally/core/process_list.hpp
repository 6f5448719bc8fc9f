#pragma once

#include <atomic>
#include <cstddef>
#include <iterator>
#include <mutex>
#include <utility>

#include "dally/core/process.hpp"

namespace dally {

/// What the libraries of a process bring when they are loaded, and take away when they are unloaded: the newest first.
///
/// Threads  any, several at once; what is being read must not be taken away
/// Cost     entries come and go under the process's mutex, reading takes none
template <class T>
class process_list {
 public:
  /// Something in the list while this lives.
  class entry {
   public:
    entry(process_list& list, T what) noexcept : list_{list}, what_{std::move(what)} {
      std::lock_guard const lock{process_state::instance().mutex};
      next_.store(list_.first_.load(std::memory_order_relaxed), std::memory_order_relaxed);
      list_.first_.store(this, std::memory_order_release);  // to the reader
    }
    entry(entry const&) = delete;
    entry& operator=(entry const&) = delete;
    ~entry() {
      std::lock_guard const lock{process_state::instance().mutex};
      std::atomic<entry const*>* link = &list_.first_;
      while (entry const* const at = link->load(std::memory_order_relaxed)) {
        if (at == this) {
          link->store(next_.load(std::memory_order_relaxed), std::memory_order_release);
          return;
        }
        link = &at->next_;
      }
    }

   private:
    friend class process_list;

    process_list& list_;
    T const what_;
    mutable std::atomic<entry const*> next_{nullptr};
  };

  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    [[nodiscard]] T const& operator*() const noexcept { return at_->what_; }
    iterator& operator++() noexcept {
      at_ = at_->next_.load(std::memory_order_acquire);
      return *this;
    }
    iterator operator++(int) noexcept {
      iterator const before = *this;
      ++*this;
      return before;
    }
    [[nodiscard]] bool operator==(std::default_sentinel_t) const noexcept { return at_ == nullptr; }

   private:
    friend class process_list;
    explicit iterator(entry const* at) noexcept : at_{at} {}
    entry const* at_;
  };

  constexpr process_list() = default;
  [[nodiscard]] iterator begin() const noexcept { return iterator{first_.load(std::memory_order_acquire)}; }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }
  [[nodiscard]] bool empty() const noexcept { return begin() == end(); }

 private:
  std::atomic<entry const*> first_{nullptr};
};

}  // namespace dally
