#pragma once

#include "dally/os/declared.hpp"

#if !DALLY_OS_DECLARED
#include <sys/stat.h>
#include <unistd.h>
#endif

/// What files are, and what this process is called.
namespace dally::os {

namespace detail {
#if DALLY_OS_DECLARED
struct file_status {
  unsigned ignored[7];
  unsigned short mode;
  unsigned short padding[113];  // a struct statx, the same on every machine
};
extern "C" {
int dally_os_statx(int, char const*, int, unsigned, file_status*) noexcept __asm__("statx");
int dally_os_getpid() noexcept __asm__("getpid");
int dally_os_get_nprocs() noexcept __asm__("get_nprocs");
}
#endif
}  // namespace detail

/// Whether there is something at `path` that is no plain file: a folder, a pipe, a device. Follows links.
inline bool is_special(char const* path) noexcept {
#if DALLY_OS_DECLARED
  constexpr int here = -100;           // AT_FDCWD
  constexpr unsigned wanted = 1;       // STATX_TYPE
  constexpr unsigned kind = 0170000;   // S_IFMT
  constexpr unsigned plain = 0100000;  // S_IFREG
  detail::file_status found;
  return detail::dally_os_statx(here, path, 0, wanted, &found) == 0 && (found.mode & kind) != plain;
#else
  struct stat found;
  return ::stat(path, &found) == 0 && !S_ISREG(found.st_mode);
#endif
}

/// The number of this process.
inline int process_id() noexcept {
#if DALLY_OS_DECLARED
  return detail::dally_os_getpid();
#else
  return ::getpid();
#endif
}

/// How many CPUs are at work in this machine; 0 if that cannot be told.
inline unsigned online_cpus() noexcept {
#if DALLY_OS_DECLARED
  int const online = detail::dally_os_get_nprocs();
#else
  auto const online = ::sysconf(_SC_NPROCESSORS_ONLN);
#endif
  return online > 0 ? static_cast<unsigned>(online) : 0;
}

}  // namespace dally::os
