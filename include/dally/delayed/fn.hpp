#pragma once

#include <string_view>
#include <type_traits>
#include <utility>

#include "dally/core/symbol.hpp"
#include "dally/delayed/callable.hpp"

namespace dally {

/// The type of `fn<f>`.
template <auto Function>
struct function_constant {
  using parameters_like = std::remove_cv_t<decltype(Function)>;
  static constexpr bool is_function_constant = true;
  static constexpr std::string_view task_label = value_name<Function>();

  template <class... Args>
    requires detail::callable_with<parameters_like const&, Args...>
  constexpr decltype(auto) operator()(Args&&... args) const {
    return detail::invoke(Function, std::forward<Args>(args)...);
  }
};

/// A function (or member) as a compile-time constant: `delayed(fn<increment>)(1)`. It carries its own name, inlines,
/// and is the same in every process of one build.
template <auto Function>
inline constexpr function_constant<Function> fn{};

}  // namespace dally
