#pragma once

#include <type_traits>
#include <variant>

#include "dally/delayed/argument.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/traversal.hpp"

/// Member functions that do nothing but change their object, which in a task would be a copy.
namespace dally::detail {

/// The class of a member function that is not const and returns nothing; void of anything else. One that takes an
/// rvalue, `f() &&`, uses its object up: that is work enough.
template <class F>
struct changing_object {
  using type = void;
};
template <class C, class... P, bool N>
struct changing_object<void (C::*)(P...) noexcept(N)> {
  using type = C;
};
template <class C, class... P, bool N>
struct changing_object<void (C::*)(P...) & noexcept(N)> {
  using type = C;
};
// What stands for such a function: std::mem_fn, std::bind_front, and dally's own.
template <template <class...> class Wrapper, class F, class... Rest>
struct changing_object<Wrapper<F, Rest...>> : changing_object<F> {};
template <class F>
  requires requires { typename F::parameters_like; }
struct changing_object<F> : changing_object<typename F::parameters_like> {};
template <class F>
  requires requires { typename F::stands_for; }
struct changing_object<F> : changing_object<typename F::stands_for> {};

template <class F>
concept changing_member = !std::is_void_v<typename changing_object<F>::type>;

/// Whether the first argument is such an object itself, not a reference or pointer to one.
template <class C, class... A>
inline constexpr bool changes_copy = false;
template <class C, class Object, class... Rest>
inline constexpr bool changes_copy<C, Object, Rest...> =
    !is_reference_wrapper<Object> && std::is_base_of_v<C, std::remove_cvref_t<plain_t<Object>>>;
// In a call that waits for a task without a value, that comes first.
template <class C, class... Rest>
inline constexpr bool changes_copy<C, lazy<std::monostate>, Rest...> = changes_copy<C, Rest...>;

}  // namespace dally::detail
