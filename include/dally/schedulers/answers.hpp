#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dally/graph/node.hpp"
#include "dally/pool/shared_arena.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/schedulers/worker_crew.hpp"

/// What a worker may answer, and whom an answer is about. A task may have written anything to the worker's socket, so
/// nothing that comes from there is believed.
namespace dally::detail {

inline constexpr std::uint64_t longest_frame = std::uint64_t{1} << 40;

/// Whether the body of an answer of this kind, by a task whose results are of `type`, may be so long.
[[nodiscard]] inline bool answer_may_be(frame_header const& header, node_type const& type) noexcept {
  if (header.length < sizeof(task_times) || header.length > longest_frame) return false;
  std::uint64_t const size = header.length - sizeof(task_times);
  switch (header.kind) {
    case frame_kind::done:
      if (header.arena) return size == sizeof(arena_range) && result_may_be_large(type);
      return type.wire->encode != nullptr || size == type.result->size;
    case frame_kind::fail:
      return !header.arena;
    case frame_kind::unreadable:
      return !header.arena && size >= sizeof(std::uint32_t);
    default:
      return false;
  }
}

/// What a frame is about.
struct frame_subject {
  enum class what { nonsense, hello, initializer, answer };
  what of = what::nonsense;
  std::size_t position = 0;  ///< of `answer`: of the task among those in flight
};

/// Whom a frame of the worker is about; nonsense where no worker says such a thing. `type_of(n)` is the type of a task.
template <class TypeOf>
[[nodiscard]] frame_subject subject_of(frame_header const& header, seat const& from, TypeOf const& type_of) {
  using what = frame_subject::what;
  if (header.magic != frame_header::mark || header.epoch != from.epoch) return {};
  if (header.kind == frame_kind::hello) return {from.greeted || header.length != 0 ? what::nonsense : what::hello};
  if (!from.greeted) {
    bool const fits = header.kind == frame_kind::fail && header.sequence == 0 && !header.arena &&
                      header.length >= sizeof(task_times) && header.length <= longest_frame;
    return {fits ? what::initializer : what::nonsense};
  }
  for (std::size_t i = 0; i < from.in_flight.size(); ++i) {
    sent const& task = from.in_flight[i];
    if (task.sequence != header.sequence) continue;
    bool const fits =
        task.node == header.node && task.claim == header.claim && answer_may_be(header, type_of(task.node));
    return {fits ? what::answer : what::nonsense, i};
  }
  return {};
}

/// Of the beginning of a frame that has not come whole: whether it can become one.
[[nodiscard]] inline bool may_begin_frame(std::byte const* data, std::size_t size) noexcept {
  std::size_t const known = size < sizeof frame_header::mark ? size : sizeof frame_header::mark;
  return known == 0 || std::memcmp(data, &frame_header::mark, known) == 0;
}

/// Which of the tasks that a worker had when it ended is to answer for that: its sequence, 0 for none.
struct worker_end {
  std::uint64_t running = 0;  ///< what it said it was running, 0 for nothing
  std::uint64_t front = 0;    ///< the first that it has not answered
  std::uint64_t overdue = 0;  ///< that we ended it for, because it took too long
  bool condemned = false;     ///< we ended it
  bool breached = false;      ///< it has written what no worker writes

  /// Who has written nonsense stands first: what came before was understood. What was running in a worker that we ended
  /// is charged only if that was why: what began after that has done nothing.
  [[nodiscard]] std::uint64_t guilty() const noexcept {
    if (breached) return front;
    return condemned ? overdue : running;
  }
};

}  // namespace dally::detail
