#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "dally/core/token.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/traversal.hpp"

namespace dally::detail {

/// Calls `visit` with every lazy in a value of the caller's own, which it may assign to, in each_lazy's order.
template <class V, class Visit>
void each_own_lazy(V& v, Visit& visit) {
  if constexpr (is_lazy<V>) {
    visit(v);
  } else if constexpr (!holds_lazy<V>) {
  } else if constexpr (is_variant<V>) {
    std::visit([&](auto& part) { detail::each_own_lazy(part, visit); }, v);
  } else if constexpr (requires { typename V::mapped_type; }) {
    for (auto& entry : v) detail::each_own_lazy(entry.second, visit);
  } else if constexpr (requires { typename V::value_type; } && optional_shape<V>) {
    if (v.has_value()) detail::each_own_lazy(*v, visit);
  } else if constexpr (requires { typename V::value_type; }) {
    for (auto& e : v) detail::each_own_lazy(e, visit);
  } else if constexpr (tuple_like<V>) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      using std::get;
      (detail::each_own_lazy(get<I>(v), visit), ...);
    }(std::make_index_sequence<std::tuple_size<V>::value>{});
  } else {
    auto const visit_part = [&]<class Part>(Part& part) {
      static_assert(!std::is_const_v<Part>,
                    "dally: to persist the lazies in a type of your own, they must be told apart from copies: let its "
                    "traversal take any reference, `static void each(auto& value, auto&& visit)`");
      if constexpr (!std::is_const_v<Part>) detail::each_own_lazy(part, visit);
    };
    traversal<V>::each(v, visit_part);
  }
}

}  // namespace dally::detail
