#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace dally::tests {

/// Memory that this process and those it forks afterwards see as one: what a task notes there, its test can read,
/// wherever the task ran. Zero at first; as large as `count` elements of T.
template <typename T>
class shared_array {
 public:
  explicit shared_array(std::size_t count) : count_{count} {
    void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error{errno, std::generic_category(), "mmap"};
    elements_ = static_cast<T*>(memory);
    std::uninitialized_value_construct_n(elements_, count_);
  }
  shared_array(shared_array const&) = delete;
  shared_array& operator=(shared_array const&) = delete;
  ~shared_array() { munmap(elements_, bytes()); }

  [[nodiscard]] std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return elements_[i]; }
  T const& operator[](std::size_t i) const { return elements_[i]; }

 private:
  [[nodiscard]] std::size_t bytes() const { return count_ * sizeof(T); }

  std::size_t count_;
  T* elements_;
};

/// Counts what tasks do, in this process or in forked ones.
class shared_counter {
 public:
  shared_counter() : value_{1} {}

  void add(int by = 1) { value_[0].fetch_add(by); }
  [[nodiscard]] int value() const { return value_[0].load(); }
  void reset() { value_[0].store(0); }

 private:
  static_assert(std::atomic<int>::is_always_lock_free);
  shared_array<std::atomic<int>> value_;
};

/// Numbers in the order in which tasks appended them, in this process or in forked ones.
class shared_log {
 public:
  explicit shared_log(std::size_t capacity = 1 << 14) : used_{1}, entries_{capacity} {}

  /// Throws std::length_error, and appends nothing, once `capacity` numbers are there.
  void append(int number) {
    auto const at = used_[0].fetch_add(1);
    if (at >= entries_.size()) {
      used_[0].fetch_sub(1);
      throw std::length_error{"shared_log: capacity exceeded"};
    }
    entries_[at].store(number);
  }

  /// What was appended; to be asked when no task runs.
  [[nodiscard]] std::vector<int> values() const {
    std::vector<int> result(used_[0].load());
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = entries_[i].load();
    return result;
  }

  void clear() { used_[0].store(0); }

 private:
  static_assert(std::atomic<std::size_t>::is_always_lock_free);
  shared_array<std::atomic<std::size_t>> used_;
  shared_array<std::atomic<int>> entries_;
};

}  // namespace dally::tests
