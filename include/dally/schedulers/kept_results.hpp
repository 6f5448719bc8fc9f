#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <unordered_map>

#include "dally/core/block_cache.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/pool/byte_queue.hpp"
#include "dally/pool/shared_arena.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/schedulers/worker_crew.hpp"
#include "dally/serialize/archive.hpp"

namespace dally::detail {

/// A value as bytes, of one table entry: small ones in it, large ones in an arena.
struct kept_bytes {
  union {
    std::byte here[8];
    std::byte* there;
    std::uint64_t offset;
  };
  std::uint64_t size;
  std::uint32_t arena;

  /// No bytes.
  static kept_bytes none() noexcept {
    kept_bytes kept;
    kept.keep(nullptr, 0);
    return kept;
  }

  void keep(std::byte const* bytes, std::size_t count) {
    if (count > sizeof here) there = static_cast<std::byte*>(::operator new(count));
    size = count;
    arena = no_arena;
    if (count != 0) std::memcpy(size > sizeof here ? there : here, bytes, count);
  }
  void drop() noexcept {
    if (arena == no_arena && size > sizeof here) ::operator delete(there);
  }
};

/// The results of a run as bytes: what workers have sent, and what was written for them of values that are here.
class kept_results {
 public:
  explicit kept_results(worker_crew& crew) noexcept : crew_{crew} {}
  kept_results(kept_results const&) = delete;
  kept_results& operator=(kept_results const&) = delete;
  ~kept_results() {
    for (auto& entry : constants_) give_back(entry.second.kept);
  }

  /// Room for `size` results. Without it there are only constants.
  void prepare(std::uint32_t size) { results_ = scratch_array<kept_bytes>{size}; }
  [[nodiscard]] bool prepared() const noexcept { return results_.data() != nullptr; }

  [[nodiscard]] std::uint64_t size_of(node_id n) const noexcept { return results_[n].size; }
  [[nodiscard]] std::byte const* bytes_of(node_id n) const noexcept { return bytes_of(results_[n]); }
  /// The worker in whose arena a result lies, or null.
  [[nodiscard]] seat* holder_of(node_id n) const noexcept {
    kept_bytes const& kept = results_[n];
    return kept.arena == no_arena ? nullptr : crew_.writer_of(kept.arena);
  }

  /// Keeps a result that came as bytes.
  void keep(node_id n, std::byte const* bytes, std::size_t size) { results_[n].keep(bytes, size); }
  /// Keeps one that lies in the arena of its worker. False if that names what is not there.
  [[nodiscard]] bool keep_place(node_id n, seat const& s, std::byte const* body, std::size_t size) {
    arena_range range;
    if (size != sizeof range || s.arena == no_arena) return false;
    std::memcpy(&range, body, sizeof range);
    arena_book& book = crew_.arena(s.arena);
    if (range.size <= largest_inline || !book.memory.gives(range)) return false;
    note_place(results_[n], s.arena, range);
    return true;
  }
  /// Keeps what its codec writes of a value that is here. Errors: what that throws.
  void keep_value(node_id n, node_type const& type, void const* value) { write(results_[n], type, value); }

  /// Forgets a result. In a pool the worker that wrote it is told.
  void drop(node_id n) { drop(results_[n]); }
  /// The same, whatever happens: what a worker cannot be told for want of memory ends it.
  void give_back(node_id n) noexcept { give_back(results_[n]); }

  /// Appends a result to what goes to `reader`.
  void send(seat& reader, node_id n) { send(reader, results_[n]); }

  /// Counts one more task that takes a constant.
  void count_constant(void const* value) { ++constants_[value].users; }
  /// Appends a constant to what goes to `reader`. It is written once, however many tasks take it.
  void send_constant(seat& reader, node_type const& type, void const* value) {
    constant& found = constants_[value];
    if (!found.written) {
      write(found.kept, type, value);
      found.written = true;
    }
    send(reader, found.kept);
  }
  /// Counts off a task that has taken, or will not take, a constant, whose bytes go with the last.
  void drop_constant(void const* value) {
    auto const found = constants_.find(value);
    if (found == constants_.end() || --found->second.users != 0) return;
    if (found->second.written) drop(found->second.kept);
    constants_.erase(found);
  }

 private:
  [[nodiscard]] std::byte const* bytes_of(kept_bytes const& kept) const noexcept {
    if (kept.arena != no_arena) return crew_.arena(kept.arena).memory.data({kept.offset, kept.size});
    return kept.size > sizeof kept.here ? kept.there : kept.here;
  }

  void note_place(kept_bytes& kept, std::uint32_t arena, arena_range const& range) noexcept {
    kept.offset = range.offset;
    kept.size = range.size;
    kept.arena = arena;
    ++crew_.arena(arena).results;
  }

  void write(kept_bytes& kept, node_type const& type, void const* value) {
    if (std::uint32_t const own = crew_.own_arena(); own != no_arena) {
      archive_writer trial;
      encode_result(type, trial, value);
      if (trial.size() > largest_inline) {
        if (auto const range = write_into(crew_.arena(own).memory, type, value, trial.size())) {
          return note_place(kept, own, *range);
        }
      }
    }
    byte_queue bytes;
    std::size_t const size = append_result(bytes, type, value);
    kept.keep(bytes.data(), size);
  }

  void send(seat& reader, kept_bytes const& kept) {
    byte_queue& to = reader.out;
    bool const by_place = kept.arena != no_arena && kept.arena < reader.arenas_known;
    std::uint64_t const size = by_place ? kept.size | in_arena : kept.size;
    to.add(&size, sizeof size);
    if (by_place) {
      arena_place const place{kept.arena, kept.offset};
      to.add(&place, sizeof place);
    } else {
      to.add(bytes_of(kept), kept.size);
    }
  }

  void drop(kept_bytes& kept) {
    kept.drop();
    if (kept.arena == no_arena) return;
    arena_book& book = crew_.arena(kept.arena);
    arena_range const range{kept.offset, kept.size};
    --book.results;
    if (kept.arena == crew_.own_arena()) {
      book.memory.free(range);
    } else if (seat* const writer = crew_.writer_of(kept.arena)) {
      frame_header const header{.kind = frame_kind::unused, .epoch = writer->epoch, .length = sizeof range};
      std::byte* const to = writer->out.room(sizeof header + sizeof range);
      std::memcpy(to, &header, sizeof header);
      std::memcpy(to + sizeof header, &range, sizeof range);
      writer->out.added(sizeof header + sizeof range);
    } else if (book.results == 0) {
      book.memory.clear();
    }
  }

  void give_back(kept_bytes& kept) noexcept {
    try {
      drop(kept);
    } catch (...) {
      if (seat* const writer = crew_.writer_of(kept.arena)) crew_.end(*writer);
    }
  }

  // A literal or a persisted value, by where it lies: every call that takes it has a constant of its own in the plan.
  struct constant {
    kept_bytes kept = kept_bytes::none();  // once it has been written
    std::uint32_t users = 0;
    bool written = false;
  };

  worker_crew& crew_;
  scratch_array<kept_bytes> results_;
  std::unordered_map<void const*, constant> constants_;
};

}  // namespace dally::detail
