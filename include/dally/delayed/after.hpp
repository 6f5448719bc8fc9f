#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "dally/delayed/delayed.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/graph/node.hpp"
#include "dally/serialize/codec.hpp"

namespace dally {

namespace detail {

/// A call that another node has recorded, recorded anew to wait for more: the payload is that node.
struct recorded_again {
  node_ref call;

  static recorded_again const& of(node const& self) noexcept {
    return *static_cast<recorded_again const*>(self.payload());
  }
  static node const* invoke(node const& self, inputs const& in, void* at) {
    // The first dependencies are those of the call, in their order; it does not look at the others.
    node const& call = *of(self).call;
    return call.type().invoke(call, in, at);
  }
  static std::string label(node const& self) { return of(self).call->label(); }
};

template <class T, bool WritesThrough>
inline constexpr node_type again_node{&value_type_of<T>,
                                      &recorded_again::invoke,
                                      &destroy_value<recorded_again>,
                                      &recorded_again::label,
                                      alignof(recorded_again),
                                      WritesThrough,
                                      sizeof(recorded_again),
                                      rules_for<T>(),
                                      wire_type_of<T>,
                                      &again_call_wire,
                                      &continue_run};

/// Hands its first argument on.
template <class T>
struct pass_on {
  static constexpr std::string_view task_label = "wait_on";
  static constexpr bool hands_on = true;
  T operator()(T value, std::monostate const&) const { return value; }
};

/// Ends when everything it waits for has.
struct gate {
  static constexpr std::string_view task_label = "wait_on";
  template <class... T>
  void operator()(T const&...) const {}
};

/// The same node as a lazy with a value, for a lazy<void> too.
template <class T>
lazy<stored_t<T>> with_value(lazy<T> const& x) {
  node const* const n = detail::node_of(x);
  n->retain();
  return make_lazy<stored_t<T>>(n);
}

}  // namespace detail

template <class T>
template <class... Others>
lazy<T> lazy<T>::after(lazy<Others> const&... others) const {
  using stored = stored_t<T>;
  node const* const recorded = detail::node_of(*this);
  if (recorded->is_value()) {
    // A value is no call: what waits is the task that hands it on.
    auto const all =
        detail::record<detail::gate>(recorded->place(), nullptr, detail::gate{}, detail::with_value(others)...);
    auto waited = detail::record<detail::pass_on<stored>>(recorded->place(), nullptr, detail::pass_on<stored>{},
                                                          detail::with_value(*this), detail::with_value(all));
    return detail::make_lazy<T>(detail::take_node(waited));
  }
  dependency_list const inputs = recorded->dependencies();
  node const* const more[] = {detail::node_of(others)..., nullptr};
  node_extras same;
  bool const has_extras = recorded->extras() != nullptr;
  if (has_extras) same = {.options = recorded->extras()->options, .retries = recorded->extras()->retries};
  same.options.pure = false;
  return detail::make_lazy<T>(node::record(
      recorded->type().writes_through ? detail::again_node<stored, true> : detail::again_node<stored, false>,
      recorded->place(), has_extras ? &same : nullptr, inputs.size() + sizeof...(Others),
      [&](void* at) noexcept {
        recorded->retain();
        ::new (at) detail::recorded_again{node_ref{recorded}};
      },
      [&](dependency* row) noexcept {
        detail::dependency_writer writer{row, row + inputs.size() + sizeof...(Others)};
        for (dependency const d : inputs) {
          d.from()->retain();
          writer.write(d);
        }
        for (std::size_t i = 0; i < sizeof...(Others); ++i) {
          more[i]->retain();
          writer.write({more[i], false});
        }
        return writer.highest;
      }));
}

namespace verbs {

/// A tuple of lazies with the same values, none of which is there before all of `lazies` are.
///
/// Cost  one task each and one for all; a value is moved on if nothing else takes it, else copied
/// Source  Dask's graph_manipulation.wait_on
template <class... T>
[[nodiscard]] std::tuple<lazy<T>...> wait_on(lazy<T> const&... lazies) {
  static_assert(sizeof...(T) > 0, "dally: wait_on takes at least one lazy");
  std::source_location const place = detail::node_of(std::get<0>(std::tie(lazies...)))->place();
  auto const all = detail::record<detail::gate>(place, nullptr, detail::gate{}, detail::with_value(lazies)...);
  auto const pass = [&]<class U>(lazy<U> const& x) {
    using passed_on = detail::pass_on<stored_t<U>>;
    auto passed =
        detail::record<passed_on>(place, nullptr, passed_on{}, detail::with_value(x), detail::with_value(all));
    return detail::make_lazy<U>(detail::take_node(passed));
  };
  return std::tuple<lazy<T>...>{pass(lazies)...};
}

}  // namespace verbs

}  // namespace dally
