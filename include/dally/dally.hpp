#pragma once

/// Everything that needs no more than C++20, POSIX threads and fmt: recording, the schedulers `threads`,
/// `synchronous` and `shuffled`, DOT text, and the observer interface.

#include "dally/compute.hpp"
#include "dally/config.hpp"
#include "dally/core/error.hpp"
#include "dally/core/key.hpp"
#include "dally/delayed/after.hpp"
#include "dally/delayed/collect.hpp"
#include "dally/delayed/delayed.hpp"
#include "dally/delayed/flatten.hpp"
#include "dally/delayed/fn.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/operators.hpp"
#include "dally/delayed/pure.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/execution/interrupt.hpp"
#include "dally/execution/observer.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/formats.hpp"
#include "dally/schedulers/shuffled.hpp"
#include "dally/schedulers/synchronous.hpp"
#include "dally/schedulers/threads.hpp"
#include "dally/version.hpp"
#include "dally/visualize/dot.hpp"
