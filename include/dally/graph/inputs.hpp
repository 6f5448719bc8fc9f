#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "dally/core/slot.hpp"

namespace dally {

/// The index of a node in its plan: 0 .. plan.size() - 1.
using node_id = std::uint32_t;

/// Marks an edge of a plan that comes from no task: the rest is an index into the plan's constants.
inline constexpr std::uint32_t constant_edge = 0x8000'0000U;

/// Where a plan's results live among a run's values.
struct slot_places {
  std::uint32_t const* table = nullptr;  ///< by id, in slot_unit; null where all slots have one size
  unsigned char shift = 0;               ///< that size, a power of two, as its logarithm

  /// Units: bytes from the first.
  [[nodiscard]] std::size_t operator[](node_id n) const noexcept {
    return table == nullptr ? std::size_t{n} << shift : std::size_t{table[n]} * slot_unit;
  }
};

/// Where the elements of a value lie.
struct element_range {
  void const* first;
  std::size_t count;
};

/// The results that one node's function is called with, read straight from the run's slots.
///
/// Shape   index k is that of the node's k-th dependency
/// Cost    one or two loads a value
struct inputs {
  std::uint32_t const* edges;  ///< the node's row: ids of nodes, or constant_edge | index
  slot_places places;
  std::byte* values;
  void const* const* constants;
  std::atomic<std::uint32_t> const* uses;  ///< by id, consumers that have not finished; null if none is counted

  /// The value of dependency `k`. It stays where it is until this node has finished.
  template <class T>
  [[nodiscard]] T const& get(std::size_t k) const noexcept {
    return *static_cast<T const*>(address<T>(edges[k]));
  }

  /// The elements of dependency `k`, a `T` or what stands for one: see `viewed`.
  template <class T>
  [[nodiscard]] element_range elements(std::size_t k) const noexcept {
    std::uint32_t const edge = edges[k];
    if (uses != nullptr && (edge & constant_edge) == 0 && uses[edge].load(std::memory_order_relaxed) == viewed) {
      return *reinterpret_cast<element_range const*>(values + places[edge]);
    }
    T const& value = get<T>(k);
    return {value.data(), value.size()};
  }
  /// In `uses`, of a slot that holds an element_range instead of its value: of bytes in another process's memory.
  static constexpr std::uint32_t viewed = ~std::uint32_t{0};

  /// The value of dependency `k` as a value of the caller's own: moved out of its slot if nobody else will read it
  /// in this run, else copied.
  template <class T>
  [[nodiscard]] T take(std::size_t k) const {
    std::uint32_t const edge = edges[k];
    auto* const value = static_cast<T*>(const_cast<void*>(address<T>(edge)));
    if constexpr (!copyable_v<T>) {
      return T(std::move(*value));  // the plan has seen to it that nobody reads it later
    } else if constexpr (!tracked_v<T>) {
      return T(*value);
    } else {
      // Acquires the other consumers' reads: each counted itself off with a release after it had finished.
      bool const last = (edge & constant_edge) == 0 && uses[edge].load(std::memory_order_acquire) == 1;
      return last ? T(std::move(*value)) : T(static_cast<T const&>(*value));
    }
  }

 private:
  template <class T>
  [[nodiscard]] void const* address(std::uint32_t edge) const noexcept {
    if ((edge & constant_edge) != 0) [[unlikely]]
      return constants[edge & ~constant_edge];
    std::byte* const slot = values + places[edge];
    if constexpr (boxed_v<T>) {
      return *reinterpret_cast<void**>(slot);
    } else {
      return slot;
    }
  }
};

}  // namespace dally
