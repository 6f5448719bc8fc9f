#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dally/core/slot.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/serialize/archive.hpp"

namespace dally::detail {

/// The results that one task takes in a worker, made from bytes for it alone. It may take each: nobody else reads it.
/// First each input is named, in the order of the task's dependencies, then all are read.
class local_inputs {
 public:
  local_inputs() = default;
  local_inputs(local_inputs const&) = delete;
  local_inputs& operator=(local_inputs const&) = delete;
  ~local_inputs() { end(); }

  /// One that comes as bytes.
  void add(node_type const& type) {
    edges_.push_back(static_cast<std::uint32_t>(types_.size()));
    types_.push_back(&type);
    room_ = (room_ + type.result->slot_alignment - 1) & ~(std::size_t{type.result->slot_alignment} - 1);
    slots_.push_back(static_cast<std::uint32_t>(room_ / slot_unit));
    room_ += type.result->slot_size;
  }
  /// One that is a constant of the plan.
  void add_constant(std::uint32_t edge) { edges_.push_back(edge); }

  /// Errors: archive_error, what codecs throw.
  void read(archive_reader& in, std::vector<std::unique_ptr<arena_book>> const& arenas) {
    values_.resize(room_ / sizeof(unit) + 1);
    uses_ = std::vector<std::atomic<std::uint32_t>>(types_.size());
    for (; there_ < types_.size(); ++there_) {
      auto const word = in.read<std::uint64_t>();
      std::uint64_t const length = word & ~in_arena;
      std::byte const* from = nullptr;
      if ((word & in_arena) != 0) {
        auto const place = in.read<arena_place>();
        from = arenas[place.arena]->memory.data({place.offset, length});
      } else {
        from = in.view(length);
      }
      node_type const& type = *types_[there_];
      std::byte* const slot = at(there_);
      void* const to = type.result->boxed ? allocate_box(*type.result) : slot;
      try {
        decode_result(type, from, length, to, (word & in_arena) != 0);
      } catch (...) {
        if (to != slot) free_box(*type.result, to);
        end();
        throw;
      }
      if (to != slot) *reinterpret_cast<void**>(slot) = to;
      uses_[there_].store(1, std::memory_order_relaxed);
    }
  }

  /// What the task's function is called with. `constants` are the plan's.
  [[nodiscard]] inputs all(void const* const* constants) noexcept {
    return {edges_.data(), slots_.data(), reinterpret_cast<std::byte*>(values_.data()), constants, uses_.data()};
  }

 private:
  struct alignas(largest_slot_alignment) unit {
    std::byte bytes[largest_slot_alignment];
  };

  [[nodiscard]] std::byte* at(std::size_t i) noexcept {
    return reinterpret_cast<std::byte*>(values_.data()) + std::size_t{slots_[i]} * slot_unit;
  }
  void end() noexcept {
    while (there_ != 0) {
      value_type const& type = *types_[--there_]->result;
      std::byte* const slot = at(there_);
      void* const value = type.boxed ? *reinterpret_cast<void**>(slot) : slot;
      type.destroy(value);
      if (type.boxed) free_box(type, value);
    }
  }

  std::vector<std::uint32_t> edges_;
  std::vector<node_type const*> types_;
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
