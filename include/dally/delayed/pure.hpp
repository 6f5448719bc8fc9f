#pragma once

#include <source_location>
#include <utility>

#include "dally/delayed/delayed.hpp"
#include "dally/delayed/overloaded_name.hpp"

namespace dally::pure {

/// `dally::delayed` for pure functions. A using-declaration makes every function that its block wraps a pure one:
///
///     using dally::pure::delayed;
///     auto a = delayed(increment)(1), b = delayed(increment)(1);  // equal keys: runs once in a plan
///
/// What is said of a function wins over the scope: `delayed(f, {.pure = false})`, here or where `f` was wrapped before.
/// Operators and `then` are impure here as elsewhere.
///
/// Errors  a call throws config_error for an argument, or for the state of a callable, that has no token
template <class F>
[[nodiscard]] dally::delayed<F, true> delayed(F f, std::source_location place = std::source_location::current()) {
  return {std::move(f), {.pure = true}, place};
}
template <class F>
[[nodiscard]] dally::delayed<F, true> delayed(F f, task_options options,
                                              std::source_location place = std::source_location::current()) {
  options.pure = options.pure.or_else(true);
  return {std::move(f), std::move(options), place};
}
template <class F>
[[nodiscard]] dally::delayed<F, true, true> delayed(F f, borrowing_task_options options,
                                                    std::source_location place = std::source_location::current()) {
  options.pure = options.pure.or_else(true);
  return {std::move(f), std::move(options), place};
}
template <class F = detail::overloaded_name, class... Options>
detail::refused_name<F> delayed(F f, Options const&... options) = delete;
template <class F, bool HasOptions, bool Borrows>
[[nodiscard]] dally::delayed<F, true, Borrows> delayed(dally::delayed<F, HasOptions, Borrows> const& f) {
  return detail::made_pure(f);
}

}  // namespace dally::pure
