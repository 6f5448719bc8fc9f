#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace dally::detail {

template <class... P>
struct parameter_list {
  static constexpr std::size_t size = sizeof...(P);
};

/// A parameter whose type the callable does not tell.
struct unknown_parameter {};

// One overload a way of declaring: the parameters of functions and of member functions, whatever their qualifiers.
template <class R, class... P, bool N>
parameter_list<P...> function_parameters(R (*)(P...) noexcept(N));
template <class R, class C, class... P, bool N>
parameter_list<P...> member_parameters(R (C::*)(P...) noexcept(N));
template <class R, class C, class... P, bool N>
parameter_list<P...> member_parameters(R (C::*)(P...) const noexcept(N));
template <class R, class C, class... P, bool N>
parameter_list<P...> member_parameters(R (C::*)(P...) & noexcept(N));
template <class R, class C, class... P, bool N>
parameter_list<P...> member_parameters(R (C::*)(P...) const& noexcept(N));
template <class R, class C, class... P, bool N>
parameter_list<P...> member_parameters(R (C::*)(P...) && noexcept(N));
template <class R, class C, class... P, bool N>
parameter_list<P...> member_parameters(R (C::*)(P...) const&& noexcept(N));

template <class List>
struct after_object {
  using type = void;
};
template <class... P>
struct after_object<parameter_list<P...>> {
  using type = parameter_list<unknown_parameter, P...>;
};

/// The parameters of a callable; void where they cannot be read off: overloaded, generic, variadic.
template <class F>
struct parameters_of {
  using type = void;
};
template <class F>
  requires requires(F f) { function_parameters(f); }
struct parameters_of<F> {
  using type = decltype(function_parameters(std::declval<F>()));
};
template <class F>
  requires(std::is_class_v<F> && requires { member_parameters(&F::operator()); })
struct parameters_of<F> {
  using type = decltype(member_parameters(&F::operator()));
};
template <class F>
  requires(std::is_member_function_pointer_v<F>)
struct parameters_of<F> {
  using type = typename after_object<decltype(member_parameters(std::declval<F>()))>::type;
};
/// A wrapper that stands for another callable says so.
template <class F>
  requires requires { typename F::stands_for; }
struct parameters_of<F> {
  using type = typename parameters_of<typename F::stands_for>::type;
};

template <class F>
  requires requires { typename F::parameters_like; }
struct parameters_of<F> {
  using type = typename parameters_of<typename F::parameters_like>::type;
};
/// One that is called with an argument of its own before those of another callable says that.
template <class F>
  requires requires { typename F::precedes; }
struct parameters_of<F> {
  using type = typename after_object<typename parameters_of<typename F::precedes>::type>::type;
};

template <std::size_t I, class List>
struct parameter_at {
  using type = unknown_parameter;
};
template <std::size_t I, class First, class... Rest>
struct parameter_at<I, parameter_list<First, Rest...>> : parameter_at<I - 1, parameter_list<Rest...>> {};
template <class First, class... Rest>
struct parameter_at<0, parameter_list<First, Rest...>> {
  using type = First;
};

/// The object on which a member is used: itself, or what a pointer or reference wrapper leads to.
template <class Class, class Object>
  requires(
      std::is_base_of_v<Class, std::remove_cvref_t<Object>> || requires(Object&& o) { *std::forward<Object>(o); } ||
      requires(Object&& o) {
        { o.get() } -> std::convertible_to<Class&>;
      })
constexpr decltype(auto) object_of(Object&& object) {
  using plain = std::remove_cvref_t<Object>;
  if constexpr (std::is_base_of_v<Class, plain>) {
    return std::forward<Object>(object);
  } else if constexpr (requires {
                         { object.get() } -> std::convertible_to<Class&>;
                       }) {
    return object.get();
  } else {
    return *std::forward<Object>(object);
  }
}

// std::invoke, without <functional>. A literal that a call was given is a variable here: what converts it would warn of
// a loss, which the call as it is written, with a literal that fits, does not.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
#pragma GCC diagnostic ignored "-Wdouble-promotion"
template <class F, class... Args>
  requires(!std::is_member_pointer_v<std::remove_cvref_t<F>>)
constexpr auto invoke(F&& f, Args&&... args) -> decltype(std::forward<F>(f)(std::forward<Args>(args)...)) {
  return std::forward<F>(f)(std::forward<Args>(args)...);
}
template <class Class, class M, class Object, class... Args>
  requires(std::is_function_v<M>)
constexpr auto invoke(M Class::* member, Object&& object, Args&&... args)
    -> decltype((object_of<Class>(std::forward<Object>(object)).*member)(std::forward<Args>(args)...)) {
  auto&& on = object_of<Class>(std::forward<Object>(object));
  // GCC 12 would follow a small object to here, look at the branch for virtual functions, and warn of a table of them
  // outside the object's bounds (-Warray-bounds): it is not to know which object this is.
  auto* const at = std::launder(std::addressof(on));
  return (static_cast<decltype(on)>(*at).*member)(std::forward<Args>(args)...);
}
template <class Class, class M, class Object>
  requires(!std::is_function_v<M>)
constexpr auto invoke(M Class::* member, Object&& object)
    -> decltype((object_of<Class>(std::forward<Object>(object)).*member)) {
  return object_of<Class>(std::forward<Object>(object)).*member;
}

#pragma GCC diagnostic pop

template <class F, class... Args>
concept callable_with =
    requires(F&& f, Args&&... args) { detail::invoke(std::forward<F>(f), std::forward<Args>(args)...); };

}  // namespace dally::detail
