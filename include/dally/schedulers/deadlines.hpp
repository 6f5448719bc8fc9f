#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "dally/graph/inputs.hpp"
#include "dally/pool/shared_memory.hpp"
#include "dally/schedulers/worker_crew.hpp"

/// Which workers are to be ended because they take too long.
namespace dally::detail {

inline constexpr std::int64_t one_second = 1'000'000'000;

/// What a look at a worker's clock has found.
struct lateness {
  bool late = false;
  std::uint64_t overdue =
      0;  ///< of a task that takes too long: its sequence; 0 where it is the worker that does not go on
};

/// Whether a worker's task has taken longer than it may, or it has not begun what it was sent long ago: then it has
/// been stopped. `limit_of(n)` is what a task may take, 0 without limit. Units: nanoseconds of the steady clock.
template <class LimitOf>
[[nodiscard]] lateness lateness_of(seat const& s, std::int64_t now, LimitOf const& limit_of) {
  if (s.in_flight.empty()) return {};
  std::uint64_t const running = s.status->task();
  std::int64_t const since = std::chrono::nanoseconds{s.status->started().time_since_epoch()}.count();
  if (s.status->task() != running) return {};  // it has just gone on, and `since` may be the next task's
  auto const task =
      std::find_if(s.in_flight.begin(), s.in_flight.end(), [&](sent const& t) { return t.sequence == running; });
  if (task != s.in_flight.end()) {
    std::chrono::nanoseconds const limit = limit_of(task->node);
    bool const late = limit.count() != 0 && now - since >= limit.count();
    return {late, late ? running : 0};
  }
  std::chrono::nanoseconds const limit = limit_of(s.in_flight.front().node);
  return {limit.count() != 0 && s.greeted && now - s.front_since >= std::max<std::int64_t>(limit.count(), one_second)};
}

/// Whether a worker has not even said that it is there. The more memory it inherits, the longer a fork may take:
/// `resident()` bytes.
template <class Resident>
[[nodiscard]] bool does_not_start(seat const& s, std::int64_t now, Resident const& resident) {
  return !s.greeted && now - s.started > 10 * one_second &&
         now - s.started > 10 * one_second + static_cast<std::int64_t>(resident() >> 30) * one_second;
}

}  // namespace dally::detail
