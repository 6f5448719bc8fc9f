#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "dally/core/error.hpp"
#include "dally/core/key.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// What the colours of a picture tell.
enum class coloring : unsigned char {
  none,
  kind,  ///< tasks of one label have one colour
};

/// How to draw a graph. An aggregate: name the fields.
struct visualize_options {
  std::string_view rankdir = "BT";  ///< where the outputs lie: "BT" (above the inputs, as Dask), "TB", "LR", "RL"
  std::size_t max_nodes = 400;      ///< of more tasks, those of one label are drawn as one counted box
  coloring color = coloring::none;
  bool show_values = false;  ///< write literals into their boxes
};

namespace detail {

/// Text for a quoted DOT string: quotes and backslashes escaped, line ends as \n, other control characters and bytes
/// that are no UTF-8 as U+FFFD.
inline std::string dot_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size();) {
    auto const c = static_cast<unsigned char>(text[i]);
    std::size_t length = c < 0x80 ? 1 : c >= 0xf0 && c < 0xf5 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
    if (c >= 0xf5 || i + length > text.size()) length = 0;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) length = 0;
    }
    if (length > 2) {
      auto const second = static_cast<unsigned char>(text[i + 1]);
      bool const overlong = (c == 0xe0 && second < 0xa0) || (c == 0xf0 && second < 0x90);
      bool const outside = (c == 0xed && second > 0x9f) || (c == 0xf4 && second > 0x8f);
      if (overlong || outside) length = 0;
    }
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += text[i];
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (length == 0 || (c < 0x20 && c != '\t') || c == 0x7f) {
      quoted += "\xef\xbf\xbd";
    } else {
      quoted.append(text.substr(i, length));
    }
    i += length == 0 ? 1 : length;
  }
  quoted += '"';
  return quoted;
}

/// A light colour that depends on the text alone (FNV-1a for the hue).
inline std::string color_of_kind(std::string_view kind) {
  std::uint32_t hash = 2166136261U;
  for (char const c : kind) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return fmt::format("\"0.{:03} 0.35 0.95\"", hash % 1000);
}

inline void check_rankdir(std::string_view rankdir) {
  for (std::string_view const allowed : {"BT", "TB", "LR", "RL"}) {
    if (rankdir == allowed) return;
  }
  throw config_error{fmt::format("rankdir \"{}\": allowed are BT, TB, LR, RL", rankdir)};
}

inline std::string dot_header(visualize_options const& options) {
  check_rankdir(options.rankdir);
  if (options.max_nodes == 0) throw config_error{"max_nodes 0: at least 1 is needed to draw anything"};
  return fmt::format("digraph dally {{\n  rankdir={};\n  node [fontname=\"Helvetica\"];\n", options.rankdir);
}

inline std::string fill(visualize_options const& options, std::string_view kind) {
  return options.color == coloring::kind ? fmt::format(", style=filled, fillcolor={}", color_of_kind(kind)) : "";
}

/// Every task as a circle, its result as a box, literals as boxes; an edge for each use.
inline std::string dot_of_tasks(plan const& graph, visualize_options const& options) {
  std::string text = dot_header(options);
  auto const out = std::back_inserter(text);
  std::vector<bool> is_output(graph.size());
  for (std::uint32_t const edge : graph.outputs()) {
    if ((edge & constant_edge) == 0) is_output[edge] = true;
  }
  std::size_t literals = 0;
  auto const literal = [&](node const& value) {
    std::string const label = options.show_values || value.options() != nullptr ? dot_quoted(value.label()) : "\"\"";
    fmt::format_to(out, "  v{} [shape=box, label={}];\n", literals, label);
    return literals++;
  };
  for (node_id n = 0; n < graph.size(); ++n) {
    std::string const label = graph.task(n).label();
    fmt::format_to(out, "  t{} [shape=circle, label={}{}];\n", n, dot_quoted(label), fill(options, label));
    fmt::format_to(out, "  d{} [shape=box, label=\"\"{}];\n", n, is_output[n] ? ", penwidth=2" : "");
    fmt::format_to(out, "  t{} -> d{};\n", n, n);
    std::size_t k = 0;
    for (std::uint32_t const edge : graph.edges(n)) {
      dependency const taken = graph.task(n).dependencies()[k++];
      if ((edge & constant_edge) != 0) {
        std::size_t const v = literal(*taken.from());
        fmt::format_to(out, "  v{} -> t{};\n", v, n);
      } else {
        fmt::format_to(out, "  d{} -> t{};\n", edge, n);
      }
    }
  }
  for (std::size_t i = 0; i < graph.outputs().size(); ++i) {
    if ((graph.outputs()[i] & constant_edge) != 0) literal(graph.output(i));
  }
  text += "}\n";
  return text;
}

/// Tasks of one label as one box that counts them, and edges that count the uses between them.
inline std::string dot_of_kinds(plan const& graph, visualize_options const& options) {
  std::string text = dot_header(options);
  auto const out = std::back_inserter(text);
  // Labels in the order of their first task, so that the same graph gives the same text.
  std::vector<std::string> kinds;
  std::vector<std::size_t> counts;
  std::vector<std::pair<std::string, std::uint32_t>> known;  // sorted by label
  std::vector<std::uint32_t> kind_of(graph.size());
  for (node_id n = 0; n < graph.size(); ++n) {
    std::string label = graph.task(n).label();
    auto const at = std::lower_bound(known.begin(), known.end(), label,
                                     [](auto const& entry, std::string const& l) { return entry.first < l; });
    if (at != known.end() && at->first == label) {
      kind_of[n] = at->second;
    } else {
      kind_of[n] = static_cast<std::uint32_t>(kinds.size());
      known.insert(at, {label, kind_of[n]});
      kinds.push_back(std::move(label));
      counts.push_back(0);
    }
    ++counts[kind_of[n]];
  }
  std::vector<std::uint64_t> uses;
  for (node_id n = 0; n < graph.size(); ++n) {
    for (std::uint32_t const edge : graph.edges(n)) {
      if ((edge & constant_edge) == 0) uses.push_back(std::uint64_t{kind_of[edge]} << 32 | kind_of[n]);
    }
  }
  std::sort(uses.begin(), uses.end());
  fmt::format_to(out, "  label=\"{} tasks, drawn by kind: above max_nodes = {}\";\n", graph.size(), options.max_nodes);
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    fmt::format_to(out, "  k{} [shape=box, label={}{}];\n", k,
                   dot_quoted(fmt::format("{} \xc3\x97 {}", counts[k], kinds[k])), fill(options, kinds[k]));
  }
  for (std::size_t i = 0; i < uses.size();) {
    std::size_t same = i;
    while (same < uses.size() && uses[same] == uses[i]) ++same;
    fmt::format_to(out, "  k{} -> k{} [label=\"{}\"];\n", uses[i] >> 32, uses[i] & 0xffff'ffffU, same - i);
    i = same;
  }
  text += "}\n";
  return text;
}

inline std::string dot_of(plan const& graph, visualize_options const& options) {
  return graph.size() > options.max_nodes ? dot_of_kinds(graph, options) : dot_of_tasks(graph, options);
}

/// Writes a whole file or none: beside it first, then renamed.
///
/// Errors  config_error for a path that cannot be written, resource_error when the disk refuses; no file is left
inline void write_file(std::string const& path, std::string_view text) {
  struct stat existing = {};
  // What is no file, a pipe or a device, cannot be replaced and is written to.
  bool const special = ::stat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode);
  std::string target = special ? path : path + ".XXXXXX";
  int const file = special ? ::open(path.c_str(), O_WRONLY | O_CLOEXEC) : ::mkostemp(target.data(), O_CLOEXEC);
  if (file < 0) throw config_error{fmt::format("cannot write \"{}\": {}", path, std::strerror(errno))};
  int failed = 0;
  while (!text.empty() && failed == 0) {
    ssize_t const written = ::write(file, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      failed = errno;
    }
  }
  if (!special) {
    mode_t const mask = ::umask(0);
    ::umask(mask);
    if (failed == 0 && ::fchmod(file, 0666 & ~mask) != 0) failed = errno;
  }
  if (::close(file) != 0 && failed == 0) failed = errno;
  if (!special && failed == 0 && ::rename(target.c_str(), path.c_str()) != 0) failed = errno;
  if (failed == 0) return;
  if (!special) ::unlink(target.c_str());
  throw resource_error{fmt::format("writing \"{}\" failed: {}", path, std::strerror(failed)), failed};
}

/// How <dally/visualize.hpp> enters: turns DOT text into the bytes of a picture.
using picture_renderer = std::string (*)(std::string const& dot, std::string_view format);
inline constinit picture_renderer render_picture = nullptr;

inline void draw(std::string_view path, plan const& graph, visualize_options const& options) {
  std::size_t const slash = path.rfind('/');
  std::string_view const file = slash == path.npos ? path : path.substr(slash + 1);
  std::size_t const dot = file.rfind('.');
  std::string_view const suffix = dot == file.npos ? std::string_view{} : file.substr(dot + 1);
  if (suffix == "dot" || suffix == "gv") return write_file(std::string{path}, dot_of(graph, options));
  if (suffix == "svg" || suffix == "png" || suffix == "pdf") {
    if (render_picture == nullptr) {
      throw config_error{fmt::format(
          "\"{}\": to draw .{} files include <dally/visualize.hpp> and link dally::graphviz (-lgvc -lcgraph); .dot and "
          ".gv files need nothing",
          path, suffix)};
    }
    return write_file(std::string{path}, render_picture(dot_of(graph, options), suffix));
  }
  throw config_error{fmt::format("\"{}\": the suffix says the format; allowed are .dot, .gv, .svg, .png, .pdf", path)};
}

template <class... Args>
plan plan_of(Args const&... args) {
  std::vector<node const*> nodes;
  auto const visit = [&](auto const& x) { nodes.push_back(node_of(x)); };
  (each_lazy{visit}(args), ...);
  return plan{nodes.data(), nodes.size()};
}

}  // namespace detail

/// The graph that the arguments need as DOT text: a circle for each task, a box for each result and literal. The same
/// graph gives the same text.
///
/// Cost  linear; all of it, however large: visualize_options::max_nodes counts only where options are given
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
[[nodiscard]] std::string to_dot(Args const&... args) {
  return detail::dot_of_tasks(detail::plan_of(args...), {});
}
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
[[nodiscard]] std::string to_dot(visualize_options const& options, Args const&... args) {
  return detail::dot_of(detail::plan_of(args...), options);
}

/// Draws the graph that the arguments need into a file; its suffix says the format.
///
/// Errors  config_error: suffix, path, options, or a format whose header is not included; resource_error: the disk.
///         A file is written whole or not at all
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
void visualize(std::string_view path, Args const&... args) {
  detail::draw(path, detail::plan_of(args...), {});
}
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
void visualize(std::string_view path, visualize_options const& options, Args const&... args) {
  detail::draw(path, detail::plan_of(args...), options);
}

template <class T>
void lazy<T>::visualize(std::string_view path) const {
  detail::draw(path, detail::plan_of(*this), {});
}
template <class T>
void lazy<T>::visualize(std::string_view path, visualize_options const& options) const {
  detail::draw(path, detail::plan_of(*this), options);
}

}  // namespace dally

/// A key prints as to_string gives it.
template <>
struct fmt::formatter<dally::key> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(dally::key const& k, Context& context) const {
    return fmt::formatter<std::string_view>::format(to_string(k), context);
  }
};
