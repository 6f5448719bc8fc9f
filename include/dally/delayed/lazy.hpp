#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dally/core/borrowing.hpp"
#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/key.hpp"
#include "dally/core/slot.hpp"
#include "dally/core/symbol.hpp"
#include "dally/delayed/overloaded_name.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/order.hpp"
#include "dally/graph/plan.hpp"
#include "dally/serialize/codec.hpp"

namespace dally {

template <class T>
class lazy;
struct compute_options;
struct visualize_options;

namespace detail {

struct the_compute_options_are_scheduler_observers_and_stop;

template <class T>
inline constexpr bool is_lazy = false;
template <class T>
inline constexpr bool is_lazy<lazy<T>> = true;

/// The handle's node; throws where a default-constructed or moved-from handle is used.
template <class T>
node const* node_of(lazy<T> const& x);
template <class T>
bool is_empty(lazy<T> const& x);
template <class T>
node const* take_node(lazy<T>& x);
template <class T>
lazy<T> make_lazy(node const* owned);

template <class T>
std::string literal_label(node const& self) {
  auto const& value = *static_cast<T const*>(self.payload());
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_null_pointer_v<T>) {
    return "nullptr";
  } else if constexpr (std::is_convertible_v<T const&, std::string_view>) {
    if constexpr (std::is_pointer_v<T>) {
      if (value == nullptr) return "nullptr";
    }
    return joined({"\"", value, "\""});
  } else {
    return std::string{type_name<T>()};
  }
}

template <class T>
inline constexpr result_rules rules_of{&depth_first_order, copyable_v<T> ? nullptr : &arrange_takers};

/// What plans with results of type T must know of them.
template <class T>
constexpr result_rules const* rules_for() {
  if constexpr (tracked_v<T> || !copyable_v<T>) {
    return &rules_of<T>;
  } else {
    return nullptr;
  }
}

/// The kind of node that holds a value of type T: a literal, or a persisted result.
template <class T>
inline constexpr node_type value_node{
    &value_type_of<T>, nullptr,        std::is_trivially_destructible_v<T> ? nullptr : &destroy_value<T>,
    &literal_label<T>, alignof(T),     false,
    sizeof(T),         rules_for<T>(), wire_type_of<T>};

/// Records a value; `construct` makes it at the address it is given. The reference passes to the caller.
template <class T, class Construct>
node const* record_value(std::source_location place, node_extras const* extras, Construct&& construct) {
  return node::record_value(value_node<T>, place, extras, construct);
}

template <class T>
concept tuple_like = requires { std::tuple_size<T>::value; };

}  // namespace detail

/// A `T` that has not been computed yet: a handle of a node in a graph. Operators, `[]`, `then`, `call` and `->*`
/// record further nodes; nothing runs before `compute`.
///
/// Threads  copy, read and extend one from several threads at once; assign to one from one thread at a time
/// Shape    one pointer; copies name the same node. Default-constructed or moved-from it is empty, and recording or
///          computing with it is a graph_error
/// Cost     a copy counts one reference
template <class T>
class [[nodiscard]] lazy {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>, "a lazy value has a plain type: lazy<int>, not lazy<int&>");

 public:
  using value_type = T;

  lazy() = default;
  lazy(lazy const&) = default;
  lazy(lazy&&) = default;
  lazy& operator=(lazy const&) & = default;
  lazy& operator=(lazy&&) & = default;
  ~lazy() = default;

  /// A literal: it computes to itself, and is no task.
  template <class U>
    requires(!detail::is_lazy<std::remove_cvref_t<U>> && !std::is_void_v<T> && std::convertible_to<U, T> &&
             !detail::views_temporary<T, U &&>)
  lazy(U&& value, std::source_location place = std::source_location::current())  // NOLINT: implicit, as `T x = 1`
      : node_{detail::record_value<T>(place, nullptr,
                                      [&](void* at) { ::new (at) T(static_cast<T>(std::forward<U>(value))); })} {}

  // A view of a temporary: the literal would refer to what ends with this statement. Keep what it views in a variable.
  template <class U>
    requires(!detail::is_lazy<std::remove_cvref_t<U>> && detail::views_temporary<T, U &&> && std::convertible_to<U, T>)
  lazy(U&& value, std::source_location = {}) = delete;  // the literal would refer to a temporary that ends here

  /// Runs what this value needs and returns it. Every call runs anew, as in Dask.
  ///
  /// Errors  a task's own exception; graph_error, config_error, cancelled, resource_error
  T compute() const;
  /// The same, as the options say: `x.compute({.scheduler = threads{4}, .stop = token})`.
  T compute(compute_options const& options) const;
  /// The same, on this scheduler: `x.compute(threads{4})`.
  template <class Scheduler>
  T compute(Scheduler const& scheduler) const;

  /// Runs now and returns a handle whose value is already there: it is not computed again, by any later graph.
  lazy persist() const;
  /// The same, as the options say.
  lazy persist(compute_options const& options) const;
  /// The same, on this scheduler.
  template <class Scheduler>
  lazy persist(Scheduler const& scheduler) const;

  /// Draws the graph into a file; its suffix says the format. Errors: config_error, resource_error.
  void visualize(std::string_view path = "dally.svg") const;
  /// The same, as the options say: `x.visualize("x.dot", {.rankdir = "LR"})`.
  void visualize(std::string_view path, visualize_options const& options) const;

  /// Who this value is: the same for all handles of one node. Use it for maps: `==` records.
  [[nodiscard]] dally::key key() const { return detail::node_of(*this)->key(); }
  /// The label of its task.
  [[nodiscard]] std::string name() const { return detail::node_of(*this)->label(); }

  /// This call recorded anew, its arguments shared, to run after `others`; this handle's node is unchanged. The new one
  /// has a key of its own.
  template <class... Others>
  [[nodiscard]] lazy after(lazy<Others> const&... others) const;

  /// `delayed(f)(x, args...)`; of a lazy<void>, `f(args...)` afterwards.
  template <class Fn, class... Args>
  [[nodiscard]] auto then(Fn&& f, Args&&... args) const;
  template <class Fn = detail::overloaded_name, class... Args>
  detail::refused_name<Fn> then(Fn f, Args&&... args) const = delete;

  /// Records a call of a member function: `x.call(&S::method, args...)`.
  template <class Method, class... Args>
  [[nodiscard]] auto call(Method method, Args&&... args) const;
  template <class Method = detail::overloaded_name, class... Args>
  detail::refused_name<Method> call(Method method, Args&&... args) const = delete;

  /// Records `x[i]`; the index may be lazy.
  template <class Index>
  [[nodiscard]] auto operator[](Index&& index) const;

  // Compilers quote the line of a deleted function: it says why.
  template <class = void>
  detail::the_compute_options_are_scheduler_observers_and_stop compute(...) const =
      delete;  // .scheduler, .observers, .stop
  template <class = void>
  detail::the_compute_options_are_scheduler_observers_and_stop persist(...) const =
      delete;  // .scheduler, .observers, .stop

  void operator=(lazy const&) && = delete;  // a recorded value cannot be assigned to: let a task make the changed one

  explicit operator bool() const = delete;  // a lazy has no value yet: compute() it first, or record the choice

  void begin() const = delete;  // a lazy has no elements yet: compute() it first, or unpack a lazy tuple or array
  void end() const = delete;    // a lazy has no elements yet: compute() it first, or unpack a lazy tuple or array

  /// Of a pure call its content hash, else that of this node alone: an argument of further pure calls.
  friend token token_of(lazy const& x) { return detail::node_of(x)->content(); }

 private:
  template <class U>
  friend node const* detail::node_of(lazy<U> const& x);
  template <class U>
  friend bool detail::is_empty(lazy<U> const& x);
  template <class U>
  friend node const* detail::take_node(lazy<U>& x);
  template <class U>
  friend lazy<U> detail::make_lazy(node const* owned);

  node_ref node_;
};

template <class U>
lazy(U) -> lazy<U>;
template <class U>
lazy(U, std::source_location) -> lazy<U>;

/// What is done with lazies: `dally::map`, `dally::compute` and their like, for qualified calls and `using namespace
/// dally`. Their arguments alone do not find them, so that a program's own `map` of lazies is never mistaken for
/// dally's.
namespace verbs {}
using namespace verbs;  // which argument-dependent lookup ignores

/// Whether two handles name the same node: `a.key() == b.key()`.
template <class T, class U>
[[nodiscard]] bool same_node(lazy<T> const& a, lazy<U> const& b) {
  return detail::node_of(a) == detail::node_of(b) || a.key() == b.key();
}

/// Prints the handle's name, of an empty one `(empty lazy)`; records nothing.
template <class Traits, class T>
std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out, lazy<T> const& x) {
  return detail::is_empty(x) ? out << "(empty lazy)" : out << x.name();
}

namespace detail {

[[noreturn, gnu::cold]] DALLY_FUNCTION void throw_empty_handle() {
  throw_saying<graph_error>(
      "an empty lazy was used: it was default-constructed or moved from; assign a recorded value first");
}

template <class T>
node const* node_of(lazy<T> const& x) {
  if (!x.node_) [[unlikely]]
    throw_empty_handle();
  return x.node_.get();
}

template <class T>
bool is_empty(lazy<T> const& x) {
  return !x.node_;
}

template <class T>
node const* take_node(lazy<T>& x) {
  if (!x.node_) [[unlikely]]
    throw_empty_handle();
  return x.node_.detach();
}

template <class T>
lazy<T> make_lazy(node const* owned) {
  lazy<T> made;
  made.node_ = node_ref{owned};
  return made;
}

template <class T>
inline constexpr bool names_graph<lazy<T>> = true;

}  // namespace detail

/// Inside a recorded argument: nothing, since what a lazy stands for comes with the call. As a result it is refused.
template <class T>
struct codec<lazy<T>> {
  static void encode(archive_writer&, lazy<T> const&) {}
  static lazy<T> decode(archive_reader&) { return {}; }
};

}  // namespace dally
