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

template <class T, class... Asking>
constexpr bool copies();

enum class field_kind : unsigned char { any, copied, not_copied };

/// Stands for a field of the aggregate T: one of any type, of a type that is copied, or of one that only claims to be.
template <field_kind Kind, class T, class... Asking>
struct field {
  template <class U>
    requires(!std::is_same_v<U, T> && !std::is_same_v<U, field> &&
             (Kind == field_kind::any ||
              (std::is_copy_constructible_v<U> && copies<U, T, Asking...>() == (Kind == field_kind::copied))))
  operator U() const;
};

/// T, for each number of a pack.
template <std::size_t, class T>
using repeated = T;

// Parentheses, since braces would leave out those around the fields of a field.
template <class T, class... Fields>
concept made_of = requires { T(Fields{}...); };

template <class T, field_kind Kind, class... Asking, std::size_t... I>
constexpr bool fields_are(std::index_sequence<I...>) {
  return made_of<T, repeated<I, field<Kind, T, Asking...>>...>;
}

/// Whether the last of these fields only claims to be copied.
template <class T, class... Asking, std::size_t... I>
constexpr bool last_is_not_copied(std::index_sequence<I...>) {
  return made_of<T, repeated<I, field<field_kind::any, T>>..., field<field_kind::not_copied, T, Asking...>>;
}

/// Whether as many of the fields of an aggregate as can be told, up to 12, are copied.
template <class T, std::size_t Fields, class... Asking>
constexpr bool fields_copy() {
  if constexpr (Fields == 0) {
    return true;
  } else if constexpr (fields_are<T, field_kind::any>(std::make_index_sequence<Fields>{})) {
    if constexpr (fields_are<T, field_kind::copied, Asking...>(std::make_index_sequence<Fields>{})) {
      return true;
    } else {
      // GCC 12 makes no anonymous union of such a field, so that is no proof yet.
      return []<std::size_t... I>(std::index_sequence<I...>) {
        return !(last_is_not_copied<T, Asking...>(std::make_index_sequence<I>{}) || ...);
      }(std::make_index_sequence<Fields>{});
    }
  } else {
    return fields_copy<T, Fields - 1, Asking...>();
  }
}

template <class Tuple, class... Asking, std::size_t... I>
constexpr bool elements_copy(std::index_sequence<I...>) {
  return (copies<std::tuple_element_t<I, Tuple>, Tuple, Asking...>() && ... && true);
}

/// A container, an array or an optional: what has its elements in it, as a view or a handle has not.
template <class T>
concept holds_elements = requires { typename T::value_type; } &&
                         (requires { typename T::allocator_type; } || requires { std::tuple_size<T>::value; } ||
                          requires(T const& t) { t.has_value(); });

/// Whether a T can be copied; `Asking` are the types that have a T inside, and may stand inside of it again.
template <class T, class... Asking>
constexpr bool copies() {
  if constexpr (!std::is_copy_constructible_v<T>) {
    return false;
  } else if constexpr (std::is_trivially_copy_constructible_v<T> || (std::is_same_v<T, Asking> || ...)) {
    return true;
  } else if constexpr (holds_elements<T>) {
    return copies<typename T::value_type, T, Asking...>();
  } else if constexpr (requires { std::tuple_size<T>::value; }) {
    return elements_copy<T, Asking...>(std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (std::is_aggregate_v<T>) {
    return fields_copy<T, 12, Asking...>();
  } else {
    return true;
  }
}

}  // namespace detail

/// Whether a T can be copied. Containers claim that they can, whatever their elements, and so do aggregates that hold
/// such: they are asked for their elements and first 12 fields. A class of your own that is no aggregate must delete
/// its copy constructor where it holds a container of what only moves.
template <class T>
inline constexpr bool copyable_v = detail::copies<T>();

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
  // Without its size, since the delete that takes one is declared before clang 19 with -fsized-deallocation only.
  ::operator delete(box, std::align_val_t{type.alignment});
}

}  // namespace dally
