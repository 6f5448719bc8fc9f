#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "dally/core/slot.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/codec_failure.hpp"

namespace dally::detail {

/// The results that one task takes in a worker, made from bytes for it alone. It may take each: nobody else reads it.
/// First each input is named, in the order of the task's dependencies, then all are read.
class local_inputs {
 public:
  local_inputs() = default;
  local_inputs(local_inputs const&) = delete;
  local_inputs& operator=(local_inputs const&) = delete;
  ~local_inputs() { end(); }

  /// One that comes as bytes. `by_view`: the function reads its elements, and bytes that lie in an arena are those.
  void add(node_type const& type, bool by_view) {
    edges_.push_back(static_cast<std::uint32_t>(types_.size()));
    types_.push_back(&type);
    std::size_t const size = by_view ? std::max<std::size_t>(type.result->slot_size, sizeof(element_range))
                                     : std::size_t{type.result->slot_size};
    std::size_t const alignment = by_view ? std::max<std::size_t>(type.result->slot_alignment, alignof(element_range))
                                          : std::size_t{type.result->slot_alignment};
    room_ = (room_ + alignment - 1) & ~(alignment - 1);
    slots_.push_back(static_cast<std::uint32_t>(room_ / slot_unit));
    room_ += size;
    by_view_.push_back(by_view);
  }
  /// One that is a constant of the plan.
  void add_constant(std::uint32_t edge) { edges_.push_back(edge); }

  /// Errors: unreadable_input, std::bad_alloc.
  void read(archive_reader& in, std::vector<std::unique_ptr<arena_book>> const& arenas) {
    values_.resize(room_ / sizeof(unit) + 1);
    uses_ = std::vector<std::atomic<std::uint32_t>>(types_.size());
    for (; there_ < types_.size(); ++there_) {
      try {
        read_next(in, arenas);
      } catch (codec_failure const& e) {
        throw unreadable_input{edge_of(there_), e};
      }
    }
  }

  /// What the task's function is called with. `constants` are the plan's.
  [[nodiscard]] inputs all(void const* const* constants) noexcept {
    return {edges_.data(), {slots_.data()}, reinterpret_cast<std::byte*>(values_.data()), constants, uses_.data()};
  }

 private:
  struct alignas(largest_slot_alignment) unit {
    std::byte bytes[largest_slot_alignment];
  };

  void read_next(archive_reader& in, std::vector<std::unique_ptr<arena_book>> const& arenas) {
    auto const word = in.read<std::uint64_t>();
    std::uint64_t const length = word & ~in_arena;
    bool const stays = (word & in_arena) != 0;
    std::byte const* from = nullptr;
    if (stays) {
      auto const place = in.read<arena_place>();
      from = arenas[place.arena]->memory.data({place.offset, length});
    } else {
      from = in.view(length);
    }
    node_type const& type = *types_[there_];
    std::byte* const slot = at(there_);
    if (by_view_[there_] && stays) {
      view_elements(type, from, length, slot);
      uses_[there_].store(inputs::viewed, std::memory_order_relaxed);
      return;
    }
    void* const to = type.result->boxed ? allocate_box(*type.result) : slot;
    try {
      decode_result(type, from, length, to, stays);
    } catch (...) {
      if (to != slot) free_box(*type.result, to);
      throw;
    }
    if (to != slot) *reinterpret_cast<void**>(slot) = to;
    uses_[there_].store(1, std::memory_order_relaxed);
  }

  // A length, then the elements, aligned as arenas see to.
  static void view_elements(node_type const& type, std::byte const* from, std::uint64_t length, std::byte* slot) {
    std::uint64_t count = 0;
    char const* wrong = length < sizeof count ? "an archive ends too early" : nullptr;
    if (wrong == nullptr) {
      std::memcpy(&count, from, sizeof count);
      if (count > length - sizeof count) wrong = "an archive holds a length beyond its end";
    }
    if (wrong != nullptr) throw codec_failure{codec_failure::act::reading, result_type_text(type), {}, wrong};
    ::new (static_cast<void*>(slot)) element_range{from + sizeof count, static_cast<std::size_t>(count)};
  }

  // Which of the task's dependencies input number i is.
  [[nodiscard]] std::uint32_t edge_of(std::size_t i) const noexcept {
    return static_cast<std::uint32_t>(std::find(edges_.begin(), edges_.end(), i) - edges_.begin());
  }

  [[nodiscard]] std::byte* at(std::size_t i) noexcept {
    return reinterpret_cast<std::byte*>(values_.data()) + std::size_t{slots_[i]} * slot_unit;
  }
  void end() noexcept {
    while (there_ != 0) {
      value_type const& type = *types_[--there_]->result;
      if (uses_[there_].load(std::memory_order_relaxed) == inputs::viewed) continue;
      std::byte* const slot = at(there_);
      void* const value = type.boxed ? *reinterpret_cast<void**>(slot) : slot;
      type.destroy(value);
      if (type.boxed) free_box(type, value);
    }
  }

  std::vector<std::uint32_t> edges_;
  std::vector<node_type const*> types_;
  std::vector<bool> by_view_;
  std::vector<std::uint32_t> slots_;
  std::vector<unit> values_;
  std::vector<std::atomic<std::uint32_t>> uses_;
  std::size_t room_ = 0;
  std::size_t there_ = 0;
};

/// The result of a task in a worker: in a slot of its own, or in a box.
class local_result {
 public:
  explicit local_result(value_type const& type) : type_{type} {
    if (type.boxed) to_ = allocate_box(type);
  }
  local_result(local_result const&) = delete;
  local_result& operator=(local_result const&) = delete;
  ~local_result() {
    if (there_) type_.destroy(to_);
    if (type_.boxed) free_box(type_, to_);
  }
  [[nodiscard]] void* address() noexcept { return to_; }
  void constructed() noexcept { there_ = true; }

 private:
  value_type const& type_;
  alignas(largest_slot_alignment) std::byte slot_[largest_in_slot];
  void* to_ = slot_;
  bool there_ = false;
};

}  // namespace dally::detail
