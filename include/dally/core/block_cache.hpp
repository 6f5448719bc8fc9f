#pragma once

#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "dally/core/error.hpp"
#include "dally/core/process.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define DALLY_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DALLY_ADDRESS_SANITIZER 1
#endif
#endif

namespace dally {

/// The unit of node memory: large enough to make its mapping and its accounting free, and one huge page.
inline constexpr std::size_t block_bytes = std::size_t{2} << 20;

/// Spare memory in runs of 2 MiB blocks, kept from graph to graph: a first-touched page costs 0.4 ns a byte, more
/// than everything else about a node together.
///
/// Threads  any
/// Units    blocks of `block_bytes`, aligned to it; runs are handed out in powers of two
/// Cost     a mutex; a system call where nothing suitable is spare
class block_cache {
 public:
  static block_cache& instance() {
    static block_cache* const the_one = new block_cache;
    return *the_one;
  }

  /// At least `blocks` blocks in a row. Errors: resource_error when the system refuses memory.
  [[nodiscard]] void* acquire(std::size_t blocks) {
    blocks = std::bit_ceil(blocks);
    {
      std::lock_guard const lock{process_state::instance().mutex};
      auto const size_class = static_cast<std::size_t>(std::countr_zero(blocks));
      if (size_class < size_classes && spare_[size_class] != nullptr) {
        spare_run* const run = spare_[size_class];
        spare_[size_class] = run->next;
        spare_blocks_ -= blocks;
        return run;
      }
    }
    return map(blocks * block_bytes);
  }

  /// Takes back what acquire(blocks) returned; keeps it if not too much is spare already.
  void release(void* memory, std::size_t blocks) noexcept {
    blocks = std::bit_ceil(blocks);
    {
      std::lock_guard const lock{process_state::instance().mutex};
      auto const size_class = static_cast<std::size_t>(std::countr_zero(blocks));
      if (size_class < size_classes && spare_blocks_ + blocks <= most_spare_blocks) {
        spare_[size_class] = ::new (memory) spare_run{spare_[size_class]};
        spare_blocks_ += blocks;
        return;
      }
    }
    unmap(memory, blocks * block_bytes);
  }

 private:
  struct spare_run {
    spare_run* next;
  };

  static constexpr std::size_t size_classes = 8;         // runs of up to 128 blocks are kept
  static constexpr std::size_t most_spare_blocks = 128;  // 256 MiB

#if defined(DALLY_ADDRESS_SANITIZER)
  // Memory of the sanitizer's own allocator: its leak check looks for pointers there, not in plain mappings.
  static void* map(std::size_t bytes) { return ::operator new(bytes, std::align_val_t{block_bytes}); }
  static void unmap(void* memory, std::size_t) noexcept { ::operator delete(memory, std::align_val_t{block_bytes}); }
#else
  static void* map(std::size_t bytes) {
    // Map one block more than asked and cut both ends off: mmap aligns to pages only.
    std::size_t const mapped = bytes + block_bytes;
    void* const raw = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) {
      throw resource_error{"the system refused " + std::to_string(bytes) + " bytes of memory for the graph", errno};
    }
    auto const first = reinterpret_cast<std::uintptr_t>(raw);
    std::uintptr_t const aligned = (first + block_bytes - 1) & ~(std::uintptr_t{block_bytes} - 1);
    if (aligned != first) ::munmap(raw, aligned - first);
    if (std::size_t const tail = first + mapped - (aligned + bytes); tail != 0) {
      ::munmap(reinterpret_cast<void*>(aligned + bytes), tail);
    }
    return reinterpret_cast<void*>(aligned);
  }
  static void unmap(void* memory, std::size_t bytes) noexcept { ::munmap(memory, bytes); }
#endif

  spare_run* spare_[size_classes]{};
  std::size_t spare_blocks_ = 0;
};

/// An array of trivial elements, uninitialised, in recycled blocks where it is large and from the heap where small.
///
/// Errors  std::bad_alloc, resource_error; then nothing is held
template <class T>
class scratch_array {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= 64);

 public:
  scratch_array() = default;
  explicit scratch_array(std::size_t size) : size_{size} {
    if (size == 0) return;
    std::size_t const bytes = size * sizeof(T);
    if (bytes < block_bytes / 2) {
      data_ = static_cast<T*>(::operator new(bytes, std::align_val_t{alignment(bytes)}));
    } else {
      data_ = static_cast<T*>(block_cache::instance().acquire(blocks()));
    }
  }
  scratch_array(scratch_array&& other) noexcept
      : data_{std::exchange(other.data_, nullptr)}, size_{std::exchange(other.size_, 0)} {}
  scratch_array& operator=(scratch_array&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~scratch_array() {
    if (data_ == nullptr) return;
    std::size_t const bytes = size_ * sizeof(T);
    if (bytes < block_bytes / 2) {
      ::operator delete(static_cast<void*>(data_), std::align_val_t{alignment(bytes)});
    } else {
      block_cache::instance().release(data_, blocks());
    }
  }

  [[nodiscard]] T* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) const noexcept { return data_[i]; }

 private:
  [[nodiscard]] std::size_t blocks() const noexcept { return (size_ * sizeof(T) + block_bytes - 1) / block_bytes; }
  // Small arrays stay with the plain allocator's alignment, its fast path; larger ones start on a cache line.
  static constexpr std::size_t alignment(std::size_t bytes) noexcept { return bytes < 1024 ? 16 : 64; }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dally
