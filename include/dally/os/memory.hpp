#pragma once

#include <cstddef>

#include "dally/os/declared.hpp"

#if !DALLY_OS_DECLARED
#include <sys/mman.h>
#endif

/// Pages of memory from the system.
namespace dally::os {

namespace detail {
#if DALLY_OS_DECLARED
extern "C" {
void* dally_os_mmap(void*, unsigned long, int, int, int, long) noexcept __asm__("mmap");
int dally_os_munmap(void*, unsigned long) noexcept __asm__("munmap");
int dally_os_madvise(void*, unsigned long, int) noexcept __asm__("madvise");
}
inline constexpr int read_and_write = 1 | 2;        // PROT_READ | PROT_WRITE
inline constexpr int private_anonymous = 2 | 0x20;  // MAP_PRIVATE | MAP_ANONYMOUS
#else
inline constexpr int read_and_write = PROT_READ | PROT_WRITE;
inline constexpr int private_anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
inline void* dally_os_mmap(void* at, std::size_t bytes, int access, int flags, int file, long offset) noexcept {
  return ::mmap(at, bytes, access, flags, file, offset);
}
inline int dally_os_munmap(void* memory, std::size_t bytes) noexcept { return ::munmap(memory, bytes); }
inline int dally_os_madvise(void* memory, std::size_t bytes, int advice) noexcept {
  return ::madvise(memory, bytes, advice);
}
#endif
}  // namespace detail

/// Wishes about memory, by the numbers that Linux gives them: a system that does not know one refuses it.
enum class advice : int {
  huge_pages = 14,      ///< MADV_HUGEPAGE
  populate_write = 23,  ///< MADV_POPULATE_WRITE, Linux 5.14
  collapse = 25,        ///< MADV_COLLAPSE, Linux 6.1
};

/// Fresh memory, zero until written, at the start of a page; null when the system refuses it, and errno says why.
[[nodiscard]] inline void* map(std::size_t bytes) noexcept {
  void* const memory = detail::dally_os_mmap(nullptr, bytes, detail::read_and_write, detail::private_anonymous, -1, 0);
  return reinterpret_cast<std::size_t>(memory) == ~std::size_t{0} ? nullptr : memory;  // MAP_FAILED
}

/// Gives back whole pages of what map returned.
inline void unmap(void* memory, std::size_t bytes) noexcept { detail::dally_os_munmap(memory, bytes); }

/// Tells the system a wish, which it may refuse: then errno says why.
inline void advise(void* memory, std::size_t bytes, advice wish) noexcept {
#if defined __linux__
  detail::dally_os_madvise(memory, bytes, static_cast<int>(wish));
#else
  static_cast<void>(memory), static_cast<void>(bytes), static_cast<void>(wish);
#endif
}

}  // namespace dally::os
