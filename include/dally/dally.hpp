#pragma once

/// Everything that needs no more than C++20, POSIX threads and fmt: recording, the schedulers `threads`,
/// `synchronous` and `shuffled`, DOT and Mermaid text, and the observer interface.

// IWYU pragma: begin_exports
#include "dally/compute.hpp"
#include "dally/config.hpp"
#include "dally/core/error.hpp"
#include "dally/core/key.hpp"
#include "dally/core/token.hpp"
#include "dally/delayed/after.hpp"
#include "dally/delayed/collect.hpp"
#include "dally/delayed/delayed.hpp"
#include "dally/delayed/flatten.hpp"
#include "dally/delayed/fn.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/operators.hpp"
#include "dally/delayed/pure.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/interrupt.hpp"
#include "dally/execution/observer.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/formats.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"
#include "dally/pool/available_workers.hpp"
#include "dally/pool/thread_pool.hpp"
#include "dally/schedulers/by_name.hpp"
#include "dally/schedulers/shuffled.hpp"
#include "dally/schedulers/synchronous.hpp"
#include "dally/schedulers/threads.hpp"
#include "dally/version.hpp"
#include "dally/visualize/dot.hpp"
#include "dally/visualize/mermaid.hpp"
// IWYU pragma: end_exports
