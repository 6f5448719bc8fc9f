#pragma once

#include <type_traits>

namespace dally::detail {

/// Stands for an overloaded function or a function template, which have no type of their own to be deduced.
struct overloaded_name {
  overloaded_name(...);  // NOLINT: converts from what has no type
};

/// Has no type, but for an overloaded name: then the compiler says why that cannot be passed. A function template has
/// an overload that such a name alone fits: `template <class F = overloaded_name> refused_name<F> then(F)`.
template <class F>
struct refuse_overloaded {};
template <class F>
  requires std::is_same_v<F, overloaded_name>
struct refuse_overloaded<F> {
  static_assert(!std::is_same_v<F, overloaded_name>,
                "dally: an overloaded function or member, or a function template, cannot be passed by its name alone: "
                "wrap the call in a lambda, [](auto const& x) { return f(x); }, or say which is meant: "
                "fn<static_cast<R (*)(Args)>(f)>, static_cast<R (S::*)(Args) const>(&S::f)");
  using type = void;
};

template <class F>
using refused_name = typename refuse_overloaded<F>::type;

}  // namespace dally::detail
