#pragma once

#include "dally/os/system_call.hpp"

namespace dally {

/// A sequentially consistent fence in every running thread of this process at once: between a store and a load of two
/// threads that must not both miss what the other has stored, the thread that passes there often need only keep the
/// compiler from swapping them.
///
/// Threads  any
/// Cost     1 to 2 us; for the threads that are interrupted as much, once
/// Source   membarrier(2); M. Desnoyers et al., User-level implementations of read-copy update, 2012
namespace process_fence {

/// Whether pass() will do; for the process and its forks. False where the system has no such call, or forbids it.
inline bool prepare() noexcept {
  return os::system_call(SYS_membarrier, os::membarrier_register_private_expedited, 0, 0) == 0;
}

/// False, and of no effect, if the system has begun to forbid it.
inline bool pass() noexcept { return os::system_call(SYS_membarrier, os::membarrier_private_expedited, 0, 0) == 0; }

}  // namespace process_fence
}  // namespace dally
