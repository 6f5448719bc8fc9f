#pragma once

/// The scheduler `processes`, and codecs of user types: what crosses a process border, and how.

// IWYU pragma: begin_exports
#include "dally/config.hpp"
#include "dally/core/error.hpp"
#include "dally/schedulers/process_pool.hpp"
#include "dally/schedulers/processes.hpp"
#include "dally/schedulers/synchronous.hpp"
#include "dally/serialize/codec.hpp"
#include "dally/serialize/compiled_late.hpp"
#include "dally/serialize/exceptions.hpp"
#include "dally/serialize/shared_array.hpp"
// IWYU pragma: end_exports

namespace dally::detail {

/// What a worker computes itself it computes alone, unless a task asks for more.
inline bool const workers_are_synchronous = [] {
  on_becoming_worker = [] { static scoped_scheduler const alone{synchronous{}}; };
  return true;
}();

}  // namespace dally::detail
