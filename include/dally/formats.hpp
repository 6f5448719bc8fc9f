#pragma once

/// fmt's formatters: `fmt::format("{} {:>20}", x.key(), error)`. Keys, handles, errors, options and what observers are
/// told print as text, which may be aligned in a width.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "dally/compute.hpp"
#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/key.hpp"
#include "dally/core/text.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/observer.hpp"
#include "dally/graph/node.hpp"
#include "dally/visualize/picture.hpp"

namespace dally {

namespace detail {

inline std::string text_of(key const& k) { return to_string(k); }
inline std::string text_of(error const& e) { return e.what(); }

template <class T>
std::string text_of(lazy<T> const& x) {
  return is_empty(x) ? "(empty lazy)" : x.name();
}

[[gnu::cold]] DALLY_FUNCTION std::string text_of(outcome how) {
  return how == outcome::done ? "done" : how == outcome::failed ? "failed" : "skipped";
}

/// As messages name a task: `"increment" (file.cpp:12)`.
[[gnu::cold]] DALLY_FUNCTION std::string text_of(failed_task const& task) {
  std::string_view file = task.place.file_name();
  file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0
  return joined({"\"", task.name, "\" (", file, ":", decimal(task.place.line()), ")"});
}

[[gnu::cold]] DALLY_FUNCTION std::string text_of(task_options const& options) {
  bool const said = options.pure.or_else(true) == options.pure.or_else(false);
  std::string text = joined({"{.name = \"", options.name, "\""});
  auto const add = [&](bool shown, char const* field, std::string_view value, char const* unit = "") {
    if (shown) text = joined({text, field, value, unit});
  };
  add(said, ", .pure = ", options.pure ? "true" : "false");
  add(options.retries != 0, ", .retries = ", decimal(options.retries));
  add(options.crash_retries >= 0, ", .crash_retries = ", decimal(static_cast<std::uint64_t>(options.crash_retries)));
  add(options.timeout.count() > 0, ", .timeout = ", decimal(static_cast<std::uint64_t>(options.timeout.count())), "ns");
  add(options.here, ", .here = ", "true");
  return joined({text, "}"});
}

[[gnu::cold]] DALLY_FUNCTION std::string text_of(visualize_options const& options) {
  return joined({"{.rankdir = \"", options.rankdir, "\", .max_nodes = ", decimal(options.max_nodes),
                 options.color == coloring::kind ? ", .color = kind" : ", .color = none",
                 options.show_values ? ", .show_values = true" : ", .show_values = false", ", .engine = \"",
                 options.engine, "\"}"});
}

/// A scheduler has no name, and a token no state of its own: they are given or not.
[[gnu::cold]] DALLY_FUNCTION std::string text_of(compute_options const& options) {
  return joined({"{.scheduler = ", options.scheduler ? "given" : "none",
                 ", .observers = ", decimal(options.observers.size()),
                 ", .stop = ", options.stop.stop_possible() ? "given" : "none", "}"});
}

/// What texts need of fmt's specifications: `[[fill]align][width]`, as in `{:>20}`; a width counts characters.
template <class T>
struct text_formatter {
  char fill = ' ';
  char align = '<';
  unsigned width = 0;

  constexpr auto parse(fmt::format_parse_context& context) {
    auto at = context.begin();
    auto const aligns = [&](std::ptrdiff_t i) {
      return context.end() - at > i && (at[i] == '<' || at[i] == '>' || at[i] == '^');
    };
    if (aligns(1) && *at != '{') fill = *at++;
    if (aligns(0)) align = *at++;
    for (; at != context.end() && *at >= '0' && *at <= '9' && width < 100'000; ++at) {
      width = width * 10 + static_cast<unsigned>(*at - '0');
    }
    return at;  // fmt refuses what is not the end
  }

  template <class Context>
  auto format(T const& value, Context& context) const {
    std::string const text = text_of(value);
    unsigned characters = 0;
    for (char const c : text) characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    unsigned const room = width > characters ? width - characters : 0;
    unsigned const before = align == '>' ? room : align == '^' ? room / 2 : 0;
    auto out = context.out();
    for (unsigned i = 0; i < before; ++i) *out++ = fill;
    for (char const c : text) *out++ = c;
    for (unsigned i = before; i < room; ++i) *out++ = fill;
    return out;
  }
};

}  // namespace detail

}  // namespace dally

// Each type by itself: fmt's own header for exceptions has a template for all of them.
template <>
struct fmt::formatter<dally::key> : dally::detail::text_formatter<dally::key> {};

// <fmt/ranges.h> would take a lazy pair, which structured bindings unpack, for a tuple of lazies.
FMT_BEGIN_NAMESPACE
template <typename T>
struct is_tuple_like;
template <class T>
struct is_tuple_like<dally::lazy<T>> {
  static constexpr bool value = false;
};
FMT_END_NAMESPACE
template <class T>
struct fmt::formatter<dally::lazy<T>> : dally::detail::text_formatter<dally::lazy<T>> {};
template <>
struct fmt::formatter<dally::error> : dally::detail::text_formatter<dally::error> {};
template <>
struct fmt::formatter<dally::graph_error> : dally::detail::text_formatter<dally::graph_error> {};
template <>
struct fmt::formatter<dally::config_error> : dally::detail::text_formatter<dally::config_error> {};
template <>
struct fmt::formatter<dally::cancelled> : dally::detail::text_formatter<dally::cancelled> {};
template <>
struct fmt::formatter<dally::resource_error> : dally::detail::text_formatter<dally::resource_error> {};
template <>
struct fmt::formatter<dally::task_failure> : dally::detail::text_formatter<dally::task_failure> {};
template <>
struct fmt::formatter<dally::not_serializable> : dally::detail::text_formatter<dally::not_serializable> {};
template <>
struct fmt::formatter<dally::remote_error> : dally::detail::text_formatter<dally::remote_error> {};
template <>
struct fmt::formatter<dally::killed_worker> : dally::detail::text_formatter<dally::killed_worker> {};
template <>
struct fmt::formatter<dally::task_timeout> : dally::detail::text_formatter<dally::task_timeout> {};
template <>
struct fmt::formatter<dally::outcome> : dally::detail::text_formatter<dally::outcome> {};
template <>
struct fmt::formatter<dally::failed_task> : dally::detail::text_formatter<dally::failed_task> {};
template <>
struct fmt::formatter<dally::task_options> : dally::detail::text_formatter<dally::task_options> {};
template <>
struct fmt::formatter<dally::visualize_options> : dally::detail::text_formatter<dally::visualize_options> {};
template <>
struct fmt::formatter<dally::compute_options> : dally::detail::text_formatter<dally::compute_options> {};
