#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "dally/delayed/borrowing_options.hpp"
#include "dally/delayed/callable.hpp"
#include "dally/delayed/kept_result.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/overloaded_name.hpp"
#include "dally/delayed/recorded_call.hpp"
#include "dally/graph/node.hpp"

namespace dally {

template <class F, bool HasOptions = false, bool Borrows = false>
class delayed;

namespace detail {

/// The same function at the same place, its calls pure unless its options say that they are not.
template <class F, bool HasOptions, bool Borrows>
delayed<F, true, Borrows> made_pure(delayed<F, HasOptions, Borrows> const& f);

/// Stands for a function with something behind it that is no task_options.
struct function_with_no_options {
  template <class F>
  function_with_no_options(F const&);  // NOLINT: converts, so that it is chosen last
};

template <class T>
inline constexpr bool is_delayed = false;
template <class F, bool HasOptions, bool Borrows>
inline constexpr bool is_delayed<delayed<F, HasOptions, Borrows>> = true;

/// A callable that can only be moved, shared by the calls that are recorded of it.
template <class F>
struct shared_callable {
  using stands_for = F;
  std::shared_ptr<F const> function;

  template <class... Args>
    requires callable_with<F const&, Args...>
  decltype(auto) operator()(Args&&... args) const {
    return detail::invoke(*function, std::forward<Args>(args)...);
  }
};

/// Calls the value of its first argument with the others: what a recorded call of a lazy callable does.
struct call_value {
  static constexpr std::string_view task_label = "call";

  template <class F, class... Args>
    requires callable_with<F const&, Args...>
  decltype(auto) operator()(F const& function, Args&&... args) const {
    return detail::invoke(function, std::forward<Args>(args)...);
  }
  template <class F, class... Args>
    requires(!callable_with<F const&, Args...> && callable_with<F&, Args...>)
  auto operator()(F const& function, Args&&... args) const {
    using result =
        kept_result_t<std::decay_t<decltype(detail::invoke(std::declval<F&>(), std::forward<Args>(args)...))>,
                      std::decay_t<Args>...>;
    F copy(function);
    return static_cast<result>(detail::invoke(copy, std::forward<Args>(args)...));
  }
};

/// Calls F without the value, which is void's, of the task it waits for.
template <class F>
struct call_afterwards {
  using precedes = F;
  [[no_unique_address]] F function;

  template <class... Args>
    requires callable_with<F const&, Args...>
  decltype(auto) operator()(std::monostate const&, Args&&... args) const {
    return detail::invoke(function, std::forward<Args>(args)...);
  }
  template <class... Args>
    requires(!callable_with<F const&, Args...> && callable_with<F&, Args...>)
  decltype(auto) operator()(std::monostate const&, Args&&... args) {
    return detail::invoke(function, std::forward<Args>(args)...);
  }
};

/// What the node of a call of F keeps as its callable.
template <class F>
using kept_callable = std::conditional_t<std::is_copy_constructible_v<F>, F, shared_callable<F>>;

template <class F>
kept_callable<F> keep_callable(F&& function) {
  if constexpr (std::is_copy_constructible_v<F>) {
    return std::move(function);
  } else {
    return {std::make_shared<F const>(std::move(function))};
  }
}

}  // namespace detail

/// A function whose calls are recorded: `delayed(f)(args...)` is a lazy of what `f(args...)` returns, and runs nothing.
///
/// Arguments  decay-copied as by std::thread; lazies among them, and inside containers, become edges. A parameter
///            `T const&` reads the result where it lies; `T` or `T&&` gets it moved in at its last use, else copied
/// Callable   called as const where it can be; else each call works on a copy of its own
/// Result     kept as a value: an expression of Eigen, std::valarray and the like as what it evaluates to
/// (owned_result).
///            A view or an iterator, which may refer to arguments that end, is refused at compile time unless all of
///            them are recorded values or std::ref, or `delayed(f, {.borrows = true})` says that they live long enough
/// Errors     what copying the arguments throws; resource_error; then nothing is recorded
/// Cost       O(1) a call and O(1) an edge; one node of 32 bytes, 8 a dependency, and what is kept
template <class F, bool HasOptions, bool Borrows>
class [[nodiscard]] delayed {
  static_assert(sizeof(detail::refuse_overloaded<F>) != 0);
  static_assert(!std::is_same_v<F, detail::function_with_no_options>,
                "dally: the second argument of delayed is task_options, whose members are .name, .pure, .retries, "
                ".crash_retries, .timeout, .here and .borrows, in this order");
  static_assert(
      std::is_class_v<F> || std::is_union_v<F> || std::is_member_pointer_v<F> ||
          (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>),
      "dally: delayed wraps a callable, and this is none; a statement that begins with `delayed(f)(x)` declares "
      "a variable f: write `auto y = delayed(f)(x);`");

 public:
  delayed(F function, std::source_location place = std::source_location::current())
    requires(!HasOptions)
      : function_{detail::keep_callable<F>(std::move(function))}, place_{place} {}
  delayed(F function, task_options options, std::source_location place = std::source_location::current())
    requires(HasOptions && !Borrows)
      : function_{detail::keep_callable<F>(std::move(function))},
        place_{place},
        extras_{.options = std::move(options), .retries = &retries_of_tasks} {}
  delayed(F function, borrowing_task_options options, std::source_location place = std::source_location::current())
    requires(HasOptions && Borrows)
      : function_{detail::keep_callable<F>(std::move(function))},
        place_{place},
        extras_{.options = std::move(options).others(), .retries = &retries_of_tasks} {}

  /// Records a call.
  template <class... Args>
  [[nodiscard]] auto operator()(Args&&... args) const& {
    return record(function_, std::forward<Args>(args)...);
  }
  template <class... Args>
  [[nodiscard]] auto operator()(Args&&... args) && {
    return record(std::move(function_), std::forward<Args>(args)...);
  }

  [[nodiscard]] std::source_location place() const noexcept { return place_; }

 private:
  template <class>
  friend class lazy;
  template <class Fn, bool Options, bool MayBorrow>
  friend delayed<Fn, true, MayBorrow> detail::made_pure(delayed<Fn, Options, MayBorrow> const& f);
  using kept = detail::kept_callable<F>;

  delayed(kept const& function, task_options options, std::source_location place, std::nullptr_t /*already kept*/)
    requires HasOptions
      : function_{function}, place_{place}, extras_{.options = std::move(options), .retries = &retries_of_tasks} {}

  template <class Function, class... Args>
  auto record(Function&& function, Args&&... args) const {
    if constexpr (detail::is_lazy<F>) {
      return detail::record<detail::call_value, Borrows>(place_, extras(), detail::call_value{},
                                                         std::forward<Function>(function), std::forward<Args>(args)...);
    } else if constexpr (std::is_copy_constructible_v<F> || detail::check_call<F, std::decay_t<Args>...>()) {
      return detail::record<kept, Borrows>(place_, extras(), std::forward<Function>(function),
                                           std::forward<Args>(args)...);
    }
  }

  /// Records a call that waits for a task without a value.
  template <class... Args>
  auto record_after(lazy<std::monostate>&& first, Args&&... args) const {
    if constexpr (detail::is_lazy<F>) {
      using afterwards = detail::call_afterwards<detail::call_value>;
      return detail::record<afterwards, Borrows>(place_, extras(), afterwards{}, std::move(first), function_,
                                                 std::forward<Args>(args)...);
    } else {
      using afterwards = detail::call_afterwards<kept>;
      return detail::record<afterwards, Borrows>(place_, extras(), afterwards{function_}, std::move(first),
                                                 std::forward<Args>(args)...);
    }
  }

  struct no_extras {};

  // What record is given: null, of a type of its own, for a function without options.
  [[nodiscard]] auto extras() const noexcept {
    if constexpr (HasOptions) {
      return static_cast<node_extras const*>(&extras_);
    } else {
      return nullptr;
    }
  }

  [[no_unique_address]] kept function_;
  std::source_location place_;
  [[no_unique_address]] std::conditional_t<HasOptions, node_extras, no_extras> extras_;
};

namespace detail {

template <class F, bool HasOptions, bool Borrows>
delayed<F, true, Borrows> made_pure(delayed<F, HasOptions, Borrows> const& f) {
  task_options options;
  if constexpr (HasOptions) options = f.extras_.options;
  options.pure = options.pure.or_else(true);
  return delayed<F, true, Borrows>(f.function_, std::move(options), f.place_, nullptr);
}

}  // namespace detail

template <class F>
delayed(F, std::source_location = {}) -> delayed<F>;
template <class F>
delayed(F, task_options, std::source_location = {}) -> delayed<F, true>;
template <class F>
delayed(F, borrowing_task_options, std::source_location = {}) -> delayed<F, true, true>;
// What none of those takes.
delayed(detail::overloaded_name, std::source_location = {}) -> delayed<detail::overloaded_name>;
delayed(detail::overloaded_name, task_options, std::source_location = {}) -> delayed<detail::overloaded_name, true>;
delayed(detail::function_with_no_options, ...) -> delayed<detail::function_with_no_options>;

template <class T>
template <class Fn, class... Args>
auto lazy<T>::then(Fn&& f, Args&&... args) const {
  using callable = std::decay_t<Fn>;
  if constexpr (std::is_void_v<T>) {
    node const* const first = detail::node_of(*this);
    first->retain();
    auto waited = detail::make_lazy<std::monostate>(first);
    if constexpr (detail::is_delayed<callable>) {
      return f.record_after(std::move(waited), std::forward<Args>(args)...);
    } else {
      return delayed<callable>{std::forward<Fn>(f), first->place()}.record_after(std::move(waited),
                                                                                 std::forward<Args>(args)...);
    }
  } else if constexpr (detail::is_delayed<callable>) {
    return std::forward<Fn>(f)(*this, std::forward<Args>(args)...);
  } else {
    return delayed<callable>{std::forward<Fn>(f), detail::node_of(*this)->place()}(*this, std::forward<Args>(args)...);
  }
}

template <class T>
template <class Method, class... Args>
auto lazy<T>::call(Method method, Args&&... args) const {
  return delayed<Method>{method, detail::node_of(*this)->place()}(*this, std::forward<Args>(args)...);
}

}  // namespace dally
