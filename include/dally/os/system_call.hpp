#pragma once

#include <sys/syscall.h>  // macros alone: SYS_futex and its like

#include "dally/os/declared.hpp"

#if !DALLY_OS_DECLARED
#include <unistd.h>
#endif

/// Services of Linux that the C library has no function for.
namespace dally::os {

namespace detail {
#if DALLY_OS_DECLARED
extern "C" long dally_os_syscall(long, ...) noexcept __asm__("syscall");
#endif
}  // namespace detail

/// The answer of the system to the call of this number; -1 when it refuses, and errno says why.
template <class... Arguments>
long system_call(long number, Arguments... arguments) noexcept {
#if DALLY_OS_DECLARED
  return detail::dally_os_syscall(number, arguments...);
#else
  return ::syscall(number, arguments...);
#endif
}

// Numbers that are the same on every machine.
inline constexpr int futex_wait_private = 0 | 128;
inline constexpr int futex_wake_private = 1 | 128;
inline constexpr int membarrier_private_expedited = 1 << 3;
inline constexpr int membarrier_register_private_expedited = 1 << 4;

}  // namespace dally::os
