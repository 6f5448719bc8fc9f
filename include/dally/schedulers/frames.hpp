#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "dally/core/slot.hpp"
#include "dally/graph/node.hpp"
#include "dally/pool/shared_arena.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/codec.hpp"
#include "dally/serialize/codec_failure.hpp"

/// What the coordinator of a run and its workers say to each other. Both are of one image, so there is no versioning.
namespace dally::detail {

enum class frame_kind : std::uint8_t {
  hello,       ///< worker: ready
  task,        ///< coordinator: inputs, each a length of 8 bytes and its bytes, or a length with `in_arena` and a place
  done,        ///< worker: task_times, then the result, or the range of its arena where it lies
  fail,        ///< worker: task_times, then the exception
  unreadable,  ///< worker: task_times, then which input its codec could not read, or the_call, and a codec_failure
  unused       ///< coordinator: ranges of the worker's arena that nobody needs any more
};

/// Of `unreadable`: no input, but an argument of the call itself.
inline constexpr std::uint32_t the_call = ~std::uint32_t{0};

/// Thrown in a worker where what a task takes cannot be read: number `input` of its dependencies, or the_call.
struct unreadable_input {
  std::uint32_t input;
  codec_failure why;
};

/// Writes and reads what is known of a codec's failure to read.
inline void encode_failure(archive_writer& out, codec_failure const& e) {
  out(e.value_type(), e.thrown_type(), e.text());
}
inline codec_failure decode_failure(archive_reader& in) {
  auto value_type = in.read<std::string>();
  auto thrown_type = in.read<std::string>();
  return {codec_failure::act::reading, std::move(value_type), std::move(thrown_type), in.read<std::string>()};
}

/// Results that are larger go through the worker's arena.
inline constexpr std::size_t largest_inline = std::size_t{64} << 10;

/// Added to an input's length: it lies in an arena.
inline constexpr std::uint64_t in_arena = std::uint64_t{1} << 63;

/// Where.
struct arena_place {
  std::uint64_t arena = 0;
  std::uint64_t offset = 0;
};

static_assert(archive_reader::element_alignment == shared_arena::element_alignment);

/// One worker's arena, as everybody who was forked later sees it.
struct arena_book {
  shared_arena memory;
  // The coordinator's alone.
  std::uint64_t results = 0;  // that lie in it
  unsigned seat = 0;          // whose worker writes it
  std::uint32_t epoch = 0;    // which worker
};

struct frame_header {
  static constexpr std::uint32_t mark = 0x796c'6164;

  std::uint32_t magic = mark;
  frame_kind kind{};
  bool arena = false;       ///< of `done`: the result lies in the worker's arena
  std::uint16_t claim = 0;  ///< the task's place in the claim_table
  std::uint32_t epoch = 0;  ///< which worker: one that follows another that died has another
  std::uint32_t node = 0;
  std::uint64_t sequence = 0;  ///< of the task's sending; never 0
  std::uint64_t length = 0;    ///< of what follows
};
static_assert(sizeof(frame_header) == 32 && std::is_trivially_copyable_v<frame_header>);

/// Units: nanoseconds of the steady clock.
struct task_times {
  std::int64_t start = 0;
  std::int64_t end = 0;
};

/// Whose the tasks are that were sent to one worker, in memory that both share: a task belongs to whoever takes its
/// sequence first, the worker to run it or the coordinator to give it to another.
struct alignas(64) claim_table {
  static constexpr unsigned size = 64;

  std::atomic<std::uint64_t> claims[size]{};
  std::atomic<std::uint64_t> growth{0};      ///< bytes that the worker has grown by, where that is asked
  std::atomic<std::uint64_t> float_bits{0};  ///< the float_environment that tasks are to have

  void offer(unsigned at, std::uint64_t sequence) noexcept { claims[at].store(sequence, std::memory_order_relaxed); }
  [[nodiscard]] bool take(unsigned at, std::uint64_t sequence) noexcept {
    // What the task needs came over the socket, or was there before.
    return claims[at].compare_exchange_strong(sequence, 0, std::memory_order_relaxed);
  }
  /// Of a sequence that was offered and that the coordinator has not taken back: whether the worker has begun it.
  [[nodiscard]] bool begun(unsigned at, std::uint64_t sequence) const noexcept {
    return claims[at].load(std::memory_order_relaxed) != sequence;
  }
};

/// Whether a result may take more than `largest_inline`, and so be put into an arena.
inline bool result_may_be_large(node_type const& type) noexcept {
  return type.result->size > largest_inline || type.wire->encode != nullptr;
}

/// The type of the results of `type`, for messages; "" where they are their bytes, which every reader can read.
inline std::string result_type_text(node_type const& type) {
  return type.wire->type == nullptr ? std::string{} : type.wire->type();
}

/// Constructs the result of a task of type `type` at `to` from its bytes. Errors: codec_failure, std::bad_alloc; then
/// there is none. `stay`: the bytes outlive the value.
inline void decode_result(node_type const& type, std::byte const* from, std::size_t size, void* to, bool stay = false) {
  try {
    if (type.wire->decode == nullptr) {
      if (size != type.result->size) archive_reader::fail("an archive holds a value of another size");
      std::memcpy(to, from, size);
      return;
    }
    archive_reader in{from, size, stay};
    type.wire->decode(in, to);
    if (in.left() == 0) return;
    type.result->destroy(to);
    archive_reader::fail("an archive holds more than its value");
  } catch (...) {
    codec_failure::rethrow_as(codec_failure::act::reading, result_type_text(type));
  }
}

/// Writes the result of a task of type `type`. Errors: codec_failure, std::bad_alloc.
inline void encode_result(node_type const& type, archive_writer& out, void const* value) {
  if (type.wire->encode == nullptr) return out.add_bytes(value, type.result->size);
  try {
    type.wire->encode(out, value);
  } catch (...) {
    codec_failure::rethrow_as(codec_failure::act::writing, result_type_text(type));
  }
}

inline constexpr char two_lengths[] = "a codec wrote one value in two lengths";

/// Writes the result of a task, which takes `size` bytes, into an arena; none if that is full. Errors: codec_failure,
/// std::bad_alloc.
inline std::optional<arena_range> write_into(shared_arena& arena, node_type const& type, void const* value,
                                             std::size_t size) {
  auto const range = arena.allocate(size);
  if (!range) return std::nullopt;
  archive_writer to{arena.data(*range), size};
  try {
    encode_result(type, to, value);
    if (to.size() != size) archive_reader::fail(two_lengths);
  } catch (...) {
    arena.free(*range);
    codec_failure::rethrow_as(codec_failure::act::writing, result_type_text(type));
  }
  return range;
}

/// Appends what `write(archive_writer&)` writes to a queue of bytes: into what room there is, and if that was too
/// little, once more. Returns how many bytes it was.
template <class Queue, class Write>
std::size_t append_archive(Queue& to, std::size_t likely, Write const& write) {
  archive_writer first{to.room(likely), likely};
  write(first);
  std::size_t const size = first.size();
  if (!first.fitted()) {
    archive_writer second{to.room(size), size};
    write(second);
    if (second.size() != size) archive_reader::fail(two_lengths);
  }
  to.added(size);
  return size;
}

/// The same with the result of a task. Errors: codec_failure, std::bad_alloc.
template <class Queue>
std::size_t append_result(Queue& to, node_type const& type, void const* value) {
  try {
    return detail::append_archive(to, 256, [&](archive_writer& out) { encode_result(type, out, value); });
  } catch (...) {
    codec_failure::rethrow_as(codec_failure::act::writing, result_type_text(type));
  }
}

}  // namespace dally::detail
