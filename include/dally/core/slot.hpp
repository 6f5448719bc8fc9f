#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>
#include <variant>

namespace dally {

/// How a value of some type is kept and ended without knowing the type: the table behind every result.
///
/// Units  bytes
struct value_type {
  std::uint32_t size;
  std::uint32_t alignment;
  std::uint16_t slot_size;       // a multiple of slot_unit; of a boxed value its pointer's
  std::uint16_t slot_alignment;  // at least slot_unit
  bool boxed;    // does not fit a slot: the slot holds a pointer to storage of its own, freed with the value
  bool tracked;  // destroyed at its last use; others may keep their slot until the run ends
  bool owning;   // has a destructor that does something
  void (*destroy)(void* value) noexcept;
  void (*move)(void* from, void* to);        // constructs at `to` from an rvalue; null when it cannot
  void (*copy)(void const* from, void* to);  // null when it cannot
};

/// What a slot holds for a task that returns `T`: `std::monostate` stands for void.
template <class T>
using stored_t = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

namespace detail {

template <class T>
struct copies : std::bool_constant<std::is_copy_constructible_v<T>> {};

}  // namespace detail

/// Whether a T can be copied. Containers claim that they can, whatever their elements: so these are asked as well.
template <class T>
inline constexpr bool copyable_v = detail::copies<T>::value;

namespace detail {

template <class Tuple, std::size_t... I>
constexpr bool all_copyable(std::index_sequence<I...>) {
  return (copyable_v<std::tuple_element_t<I, Tuple>> && ... && true);
}

/// A container, an array or an optional: what has its elements in it, as a view or a handle has not.
template <class T>
concept holds_elements = requires { typename T::value_type; } &&
                         (requires { typename T::allocator_type; } || requires { std::tuple_size<T>::value; } ||
                          requires(T const& t) { t.has_value(); });

template <class T>
  requires(std::is_copy_constructible_v<T> && holds_elements<T>)
struct copies<T> : copies<typename T::value_type> {};

// A pair or a tuple.
template <class T>
  requires(std::is_copy_constructible_v<T> && !holds_elements<T> && requires { std::tuple_size<T>::value; })
struct copies<T> : std::bool_constant<all_copyable<T>(std::make_index_sequence<std::tuple_size_v<T>>{})> {};

}  // namespace detail

inline constexpr std::size_t largest_in_slot = 64;
inline constexpr std::size_t largest_slot_alignment = 16;

/// Slots are counted in these. Units: bytes.
inline constexpr std::size_t slot_unit = 4;

template <class T>
inline constexpr bool boxed_v = sizeof(T) > largest_in_slot || alignof(T) > largest_slot_alignment;

/// Whether a result is destroyed as soon as its last consumer has finished: it owns something, or is large.
template <class T>
inline constexpr bool tracked_v = !std::is_trivially_destructible_v<T> || boxed_v<T>;

namespace detail {

template <class T>
void destroy_value(void* value) noexcept {
  static_cast<T*>(value)->~T();
}

template <class T>
void move_value(void* from, void* to) {
  ::new (to) T(std::move(*static_cast<T*>(from)));
}

template <class T>
void copy_value(void const* from, void* to) {
  ::new (to) T(*static_cast<T const*>(from));
}

template <class T>
constexpr auto copier() -> void (*)(void const*, void*) {
  if constexpr (copyable_v<T>) {
    return &copy_value<T>;
  } else {
    return nullptr;
  }
}

template <class T>
constexpr auto mover() -> void (*)(void*, void*) {
  if constexpr (std::is_move_constructible_v<T>) {
    return &move_value<T>;
  } else {
    return nullptr;
  }
}

}  // namespace detail

/// The table of `T`, the same in every translation unit.
template <class T>
inline constexpr value_type value_type_of{
    sizeof(T),
    alignof(T),
    boxed_v<T> ? sizeof(void*) : (sizeof(T) + slot_unit - 1) / slot_unit* slot_unit,
    boxed_v<T>               ? alignof(void*)
    : alignof(T) < slot_unit ? slot_unit
                             : alignof(T),
    boxed_v<T>,
    tracked_v<T>,
    !std::is_trivially_destructible_v<T>,
    &detail::destroy_value<T>,
    detail::mover<T>(),
    detail::copier<T>()};

/// Storage for one boxed value. Errors: std::bad_alloc.
inline void* allocate_box(value_type const& type) {
  return ::operator new(type.size, std::align_val_t{type.alignment});
}

/// Gives back what allocate_box returned.
inline void free_box(value_type const& type, void* box) noexcept {
  ::operator delete(box, type.size, std::align_val_t{type.alignment});
}

}  // namespace dally
