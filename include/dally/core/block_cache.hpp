#pragma once

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "dally/core/error.hpp"
#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/core/process.hpp"
#include "dally/core/text.hpp"
#include "dally/os/memory.hpp"

namespace dally {

/// The unit of node memory: large enough to make its mapping and its accounting free, and one huge page.
inline constexpr std::size_t block_bytes = std::size_t{2} << 20;

/// Spare memory in runs of 2 MiB blocks, kept from graph to graph: a first-touched page of 4 KiB costs 0.4 ns a byte,
/// more than everything else about a node together; in a huge page a tenth of that.
///
/// Threads  any
/// Units    blocks of `block_bytes`, aligned to it; runs are handed out in powers of two
/// Cost     a mutex; two system calls where nothing suitable is spare
class block_cache {
 public:
  static block_cache& instance() noexcept;

  /// At least `blocks` blocks in a row, of which the first `filled` will be written to their ends: those are huge pages
  /// where the system has some. Errors: resource_error when the system refuses memory.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION void* acquire(std::size_t blocks, std::size_t filled) {
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
    return map(blocks * block_bytes, filled * block_bytes);
  }

  /// Takes back what acquire(blocks) returned; keeps it if not too much is spare already.
  [[gnu::cold]] DALLY_FUNCTION void release(void* memory, std::size_t blocks) noexcept {
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

  /// Makes a huge page of a block that is in use, if the system can (Linux 6.1): for one that proves to be filled.
  static void make_huge(void* block) noexcept {
    int const error = errno;
    os::advise(block, block_bytes, os::advice::collapse);
    errno = error;
  }

  /// Touches all pages of memory that will be written, before anybody waits for it, if the system can (Linux 5.14).
  [[gnu::cold]] DALLY_FUNCTION static void touch(void* memory, std::size_t bytes) noexcept {
    os::advise(memory, bytes, os::advice::populate_write);
  }

  /// Gives all spare memory back to the system: after a large graph, before something else that is large.
  [[gnu::cold]] DALLY_FUNCTION void trim() noexcept {
    for (std::size_t size_class = 0; size_class < size_classes; ++size_class) {
      for (;;) {
        spare_run* run = nullptr;
        {
          std::lock_guard const lock{process_state::instance().mutex};
          run = spare_[size_class];
          if (run == nullptr) break;
          spare_[size_class] = run->next;
          spare_blocks_ -= std::size_t{1} << size_class;
        }
        unmap(run, block_bytes << size_class);
      }
    }
  }

 private:
  struct spare_run {
    spare_run* next;
  };

  static constexpr std::size_t size_classes = 8;         // runs of up to 128 blocks are kept
  static constexpr std::size_t most_spare_blocks = 512;  // 1 GiB: the memory of a graph of 10,000,000 tasks

#if defined(DALLY_ADDRESS_SANITIZER)
  // Memory of the sanitizer's own allocator: its leak check looks for pointers there, not in plain mappings.
  static void* map(std::size_t bytes, std::size_t) { return ::operator new(bytes, std::align_val_t{block_bytes}); }
  static void unmap(void* memory, std::size_t) noexcept { ::operator delete(memory, std::align_val_t{block_bytes}); }
#else
  [[gnu::cold]] DALLY_FUNCTION_WITHIN static void* map(std::size_t bytes, std::size_t filled) {
    // Map one block more than asked and cut both ends off: mmap aligns to pages only.
    std::size_t const mapped = bytes + block_bytes;
    void* const raw = os::map(mapped);
    if (raw == nullptr) refuse(&throw_refused, "the system refused %zu bytes of memory for a graph", bytes);
    auto const first = reinterpret_cast<std::uintptr_t>(raw);
    std::uintptr_t const aligned = (first + block_bytes - 1) & ~(std::uintptr_t{block_bytes} - 1);
    if (aligned != first) os::unmap(raw, aligned - first);
    if (std::size_t const tail = first + mapped - (aligned + bytes); tail != 0) {
      os::unmap(reinterpret_cast<void*>(aligned + bytes), tail);
    }
    auto* const memory = reinterpret_cast<void*>(aligned);
    if (filled != 0) os::advise(memory, filled, os::advice::huge_pages);  // whatever comes of it, the memory serves
    return memory;
  }
  static void unmap(void* memory, std::size_t bytes) noexcept { os::unmap(memory, bytes); }
#endif

  spare_run* spare_[size_classes]{};
  std::size_t spare_blocks_ = 0;
};

namespace detail {
DALLY_EXPORT inline constinit block_cache shared_blocks{};  // needs no destruction
}  // namespace detail

inline block_cache& block_cache::instance() noexcept { return detail::shared_blocks; }

/// From here on scratch memory comes in blocks. The heap gives memory of that size back to the system when it is freed,
/// and every graph would touch its pages for the first time.
inline constexpr std::size_t least_scratch_block = std::size_t{64} << 10;

/// Memory for scratch arrays: recycled blocks where it is large, the heap where it is small.
///
/// Errors  std::bad_alloc, resource_error
[[nodiscard]] DALLY_FUNCTION_APART void* acquire_scratch(std::size_t bytes) {
  if (bytes < least_scratch_block) return ::operator new(bytes);
  return block_cache::instance().acquire((bytes + block_bytes - 1) / block_bytes, bytes / block_bytes);
}
DALLY_FUNCTION_APART void release_scratch(void* memory, std::size_t bytes) noexcept {
  if (bytes < least_scratch_block) {
    ::operator delete(memory);
  } else {
    block_cache::instance().release(memory, (bytes + block_bytes - 1) / block_bytes);
  }
}

/// Memory from acquire_scratch, given back at its end: what all the arrays below are made of, so that a program
/// compiles one of it.
class scratch_memory {
 public:
  scratch_memory() = default;
  scratch_memory(scratch_memory&& other) noexcept
      : memory_{std::exchange(other.memory_, nullptr)}, bytes_{std::exchange(other.bytes_, 0)} {}
  scratch_memory& operator=(scratch_memory&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  DALLY_FUNCTION_APART ~scratch_memory() {
    if (memory_ != nullptr) release_scratch(memory_, bytes_);
  }

 protected:
  explicit scratch_memory(std::size_t bytes) : memory_{bytes == 0 ? nullptr : acquire_scratch(bytes)}, bytes_{bytes} {}

  /// Other memory, of so many bytes, for what there is. Errors: then nothing has changed.
  DALLY_FUNCTION_APART void replace(std::size_t bytes) { *this = scratch_memory{bytes}; }

  /// Room for at least `needed` bytes, twice the old where that is more: moves the first `used` there.
  [[gnu::cold]] DALLY_FUNCTION void grow(std::size_t used, std::size_t needed) {
    std::size_t const grown = bytes_ * 2 > needed ? bytes_ * 2 : needed < 64 ? 64 : needed;
    void* const fresh = acquire_scratch(grown);
    if (memory_ != nullptr) {
      std::memcpy(fresh, memory_, used);
      release_scratch(memory_, bytes_);
    }
    memory_ = fresh;
    bytes_ = grown;
  }

  /// Room for so many bytes, zero from the first `used`.
  [[gnu::cold]] DALLY_FUNCTION_APART void extend(std::size_t used, std::size_t bytes) {
    if (bytes > bytes_) grow(used, bytes);
    if (bytes > used) std::memset(static_cast<std::byte*>(memory_) + used, 0, bytes - used);
  }

  /// Stands on memory of the caller's, who takes it back before the array ends or is given other memory. Empty so far.
  void stand_on(void* memory, std::size_t bytes) noexcept {
    memory_ = memory;
    bytes_ = bytes;
  }

  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

/// An array of trivial elements, uninitialised.
///
/// Errors  std::bad_alloc, resource_error; then nothing is held
template <class T>
class scratch_array : private scratch_memory {
  static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

 public:
  scratch_array() = default;
  explicit scratch_array(std::size_t size) : scratch_memory{size * sizeof(T)} {}
  /// `*this = scratch_array{size}`, in a single call.
  void reset(std::size_t size) { replace(size * sizeof(T)); }
  /// Stands on memory of the caller's until take_back().
  void lend(T* memory, std::size_t size) noexcept { stand_on(memory, size * sizeof(T)); }
  void take_back() noexcept { stand_on(nullptr, 0); }

  [[nodiscard]] T* data() const noexcept { return static_cast<T*>(memory_); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_ / sizeof(T); }
  [[nodiscard]] T& operator[](std::size_t i) const noexcept { return data()[i]; }
};

/// A growing array of trivial elements: a std::vector that costs an including program a tenth, in recycled memory.
///
/// Errors  std::bad_alloc, resource_error from push_back and resize, which then changed nothing
template <class T>
class scratch_list : private scratch_memory {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

 public:
  scratch_list() = default;
  scratch_list(scratch_list&& other) noexcept
      : scratch_memory{static_cast<scratch_memory&&>(other)}, size_{std::exchange(other.size_, 0)} {}
  scratch_list& operator=(scratch_list&& other) noexcept {
    scratch_memory::operator=(static_cast<scratch_memory&&>(other));
    std::swap(size_, other.size_);
    return *this;
  }

  /// Stands on memory of the caller's, which holds so many elements, until take_back().
  void lend(T* memory, std::size_t size) noexcept {
    stand_on(memory, size * sizeof(T));
    size_ = size;
  }
  void take_back() noexcept { lend(nullptr, 0); }

  void push_back(T element) {
    if ((size_ + 1) * sizeof(T) > bytes_) [[unlikely]]
      grow(size_ * sizeof(T), (size_ + 1) * sizeof(T));
    data()[size_++] = element;
  }
  void pop_back() noexcept { --size_; }
  /// New elements are zero bytes.
  void resize(std::size_t size) {
    extend(size_ * sizeof(T), size * sizeof(T));
    size_ = size;
  }
  /// New elements are indeterminate.
  void resize_for_overwrite(std::size_t size) {
    reserve(size);
    size_ = size;
  }
  void reserve(std::size_t count) {
    if (count * sizeof(T) > bytes_) grow(size_ * sizeof(T), count * sizeof(T));
  }
  void clear() noexcept { size_ = 0; }

  [[nodiscard]] T* data() const noexcept { return static_cast<T*>(memory_); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T& operator[](std::size_t i) const noexcept { return data()[i]; }
  [[nodiscard]] T& back() const noexcept { return data()[size_ - 1]; }
  [[nodiscard]] T* begin() const noexcept { return data(); }
  [[nodiscard]] T* end() const noexcept { return data() + size_; }

 private:
  std::size_t size_ = 0;
};

}  // namespace dally
