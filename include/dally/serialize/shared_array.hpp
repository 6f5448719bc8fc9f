#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "dally/serialize/codec.hpp"

namespace dally {

namespace detail {

/// Memory that other processes see too, in a worker for what its task may return.
class result_memory {
 public:
  static constexpr std::size_t least = std::size_t{64} << 10;

  /// Null if there is none left.
  [[nodiscard]] virtual std::byte* allocate(std::size_t bytes) noexcept = 0;
  /// Nobody needs it any more, unless it was sent.
  virtual void release(std::byte* memory) noexcept = 0;

  /// This process's, or null.
  inline static result_memory* here = nullptr;

 protected:
  ~result_memory() = default;
};

}  // namespace detail

/// Elements that nobody changes any more, in memory that copies share. As a task's result it crosses process borders
/// without being copied: on `processes` one of more than 64 KiB is made and read in memory that all workers see.
/// Converts to `std::span<T const>`, so that functions take such a span.
///
/// Lifetime  what a task is given lasts as long as the task; a copy of it lasts as long as the copy
/// Threads   any may read; copies count references
/// Cost      a copy is O(1), but for one of an array that lies in another process's memory, which copies the elements
template <class T>
class shared_array {
  static_assert(detail::is_tight<T>::value,
                "dally: a shared_array has elements that are their bytes: numbers, or bitwise");

 public:
  using element_type = T const;
  using value_type = T;

  shared_array() = default;

  /// An array of `size` elements, which `fill(std::span<T>)` writes; they are not initialised before.
  template <class Fill>
  [[nodiscard]] static shared_array make(std::size_t size, Fill&& fill) {
    std::shared_ptr<T[]> elements = for_result(size);
    bool const elsewhere = elements != nullptr;
    if (!elsewhere) elements = std::make_shared_for_overwrite<T[]>(size);
    fill(std::span<T>{elements.get(), size});
    shared_array made;
    made.data_ = elements.get();
    made.size_ = size;
    made.owned_ = std::move(elements);
    made.for_result_ = elsewhere;
    return made;
  }
  /// A copy of some elements.
  [[nodiscard]] static shared_array copy_of(std::span<T const> elements) {
    return make(elements.size(), [&](std::span<T> to) {
      if (!to.empty()) std::memcpy(static_cast<void*>(to.data()), elements.data(), elements.size_bytes());
    });
  }

  shared_array(shared_array const& other) : shared_array{} {
    if (other.owned_ == nullptr && other.size_ != 0) {
      swap_with(copy_of({other.data_, other.size_}));
    } else {
      owned_ = other.owned_;
      data_ = other.data_;
      size_ = other.size_;
      for_result_ = other.for_result_;
    }
  }
  shared_array(shared_array&& other) noexcept { swap_with(std::move(other)); }
  shared_array& operator=(shared_array other) noexcept {
    swap_with(std::move(other));
    return *this;
  }
  ~shared_array() = default;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T const* data() const noexcept { return data_; }
  [[nodiscard]] T const* begin() const noexcept { return data_; }
  [[nodiscard]] T const* end() const noexcept { return data_ + size_; }
  [[nodiscard]] T const& operator[](std::size_t i) const noexcept { return data_[i]; }
  operator std::span<T const>() const noexcept { return {data_, size_}; }  // NOLINT: as a vector does

 private:
  friend struct codec<shared_array>;

  // In a worker: behind their number, as codec writes them. Null elsewhere, and for small ones.
  static std::shared_ptr<T[]> for_result(std::size_t size) {
    detail::result_memory* const memory = detail::result_memory::here;
    if (alignof(T) > archive_reader::element_alignment || memory == nullptr || size > ~std::size_t{0} / sizeof(T) / 2 ||
        size * sizeof(T) <= memory->least)
      return {};
    std::uint64_t const count = size;
    std::byte* const at = memory->allocate(sizeof count + size * sizeof(T));
    if (at == nullptr) return {};
    std::memcpy(at, &count, sizeof count);
    return std::shared_ptr<T[]>(reinterpret_cast<T*>(at + sizeof count), [memory, at](T*) { memory->release(at); });
  }

  void swap_with(shared_array&& other) noexcept {
    std::swap(owned_, other.owned_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(for_result_, other.for_result_);
  }

  std::shared_ptr<T[]> owned_;  // null for what lies in somebody else's memory
  T const* data_ = nullptr;
  std::size_t size_ = 0;
  bool for_result_ = false;  // lies where a result can
};

template <class T>
struct codec<shared_array<T>> {
  static void encode(archive_writer& out, shared_array<T> const& a) {
    // Not if somebody keeps a copy: what was sent ends when the graph does not need it any more.
    if (a.for_result_ && a.owned_.use_count() == 1) {
      out.lies_at(reinterpret_cast<std::byte const*>(a.data()) - sizeof(std::uint64_t));
    }
    out.add_length(a.size());
    out.add_bytes(a.data(), a.size() * sizeof(T));
  }
  static shared_array<T> decode(archive_reader& in) {
    std::size_t const size = in.read_length(sizeof(T));
    std::byte const* const from = in.view(size * sizeof(T));
    if (in.bytes_stay() && reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0) {
      shared_array<T> there;
      there.data_ = reinterpret_cast<T const*>(from);
      there.size_ = size;
      return there;
    }
    return shared_array<T>::make(size, [&](std::span<T> to) {
      if (size != 0) std::memcpy(static_cast<void*>(to.data()), from, to.size_bytes());
    });
  }
};

}  // namespace dally
