#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "dally/core/block_cache.hpp"
#include "dally/core/error.hpp"
#include "dally/core/key.hpp"
#include "dally/core/text.hpp"
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

/// Whether a text begins like `&lt;` or `&#60;`, which Graphviz draws as another character.
[[gnu::cold]] inline bool starts_entity(std::string_view text) {
  std::size_t const end = text.find_first_of("; &\n", 1);
  return end != text.npos && end > 1 && text[end] == ';';
}

/// Text for a quoted DOT string: quotes, backslashes and entities escaped, line ends as \n, other control characters
/// and bytes that are no UTF-8 as U+FFFD.
[[gnu::cold]] inline std::string dot_quoted(std::string_view text) {
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
    } else if (c == '&') {
      quoted += starts_entity(text.substr(i)) ? "&amp;" : "&";
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
[[gnu::cold]] inline std::string color_of_kind(std::string_view kind) {
  std::uint32_t hash = 2166136261U;
  for (char const c : kind) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return joined({"\"0.", decimal(100 + hash % 900), " 0.35 0.95\""});
}

/// DOT text as it grows: statements of nodes and edges.
class dot_text {
 public:
  [[gnu::cold]] explicit dot_text(visualize_options const& options) : options_{options} {
    std::string_view const rankdir = options.rankdir;
    if (rankdir != "BT" && rankdir != "TB" && rankdir != "LR" && rankdir != "RL") {
      refuse<config_error>({"rankdir \"", rankdir, "\": allowed are BT, TB, LR, RL"});
    }
    if (options.max_nodes == 0) refuse<config_error>({"max_nodes 0: at least 1 is needed to draw anything"});
    put({"digraph dally {\n  rankdir=", rankdir, ";\n  node [fontname=\"Helvetica\"];\n"});
  }

  /// A node named by a letter and a number.
  [[gnu::cold]] void node(char const* letter, std::size_t id, char const* shape, std::string_view label,
                          char const* more = "") {
    put({"  ", letter, decimal(id), " [shape=", shape, ", label=", dot_quoted(label), more, "];\n"});
  }
  /// A task, or many of one kind, in the colour of the kind if that is wanted.
  [[gnu::cold]] void task(char const* letter, std::size_t id, char const* shape, std::string_view label,
                          std::string_view kind) {
    std::string const color =
        options_.color == coloring::kind ? joined({", style=filled, fillcolor=", color_of_kind(kind)}) : std::string{};
    node(letter, id, shape, label, color.c_str());
  }
  [[gnu::cold]] void edge(char const* from_letter, std::size_t from, char const* to_letter, std::size_t to) {
    put({"  ", from_letter, decimal(from), " -> ", to_letter, decimal(to), ";\n"});
  }
  [[gnu::cold]] void put(std::initializer_list<std::string_view> pieces) { text_ += joined(pieces); }
  [[gnu::cold]] std::string end() {
    put({"}\n"});
    return std::move(text_);
  }

 private:
  visualize_options const& options_;
  std::string text_;
};

/// Every task as a circle, its result as a box, literals as boxes; an edge for each use.
[[gnu::cold]] inline std::string dot_of_tasks(plan const& graph, visualize_options const& options) {
  dot_text text{options};
  scratch_array<bool> is_output{graph.size()};
  for (node_id n = 0; n < graph.size(); ++n) is_output[n] = false;
  for (std::uint32_t const edge : graph.outputs()) {
    if ((edge & constant_edge) == 0) is_output[edge] = true;
  }
  std::size_t literals = 0;
  auto const literal = [&](node const& value) {
    bool const named = options.show_values || value.extras() != nullptr;
    text.node("v", literals, "box", named ? value.label() : std::string{});
    return literals++;
  };
  for (node_id n = 0; n < graph.size(); ++n) {
    std::string const label = graph.task(n).label();
    text.task("t", n, "circle", label, label);
    text.node("d", n, "box", "", is_output[n] ? ", penwidth=2" : "");
    text.edge("t", n, "d", n);
    std::size_t k = 0;
    for (std::uint32_t const edge : graph.edges(n)) {
      bool const constant = (edge & constant_edge) != 0;
      std::size_t const from = constant ? literal(*graph.task(n).dependencies()[k].from()) : edge;
      text.edge(constant ? "v" : "d", from, "t", n);
      ++k;
    }
  }
  for (std::size_t i = 0; i < graph.outputs().size(); ++i) {
    if ((graph.outputs()[i] & constant_edge) != 0) literal(graph.output(i));
  }
  return text.end();
}

/// Counts numbers, and remembers in which order they first came.
class pair_counts {
 public:
  [[gnu::cold]] explicit pair_counts(std::uint32_t most)
      : values_{most}, times_{most}, table_{std::bit_ceil(std::size_t{most} * 2 + 1)} {
    for (std::size_t i = 0; i < table_.size(); ++i) table_[i] = 0;
  }
  /// Counts a value; its place among the different ones.
  [[gnu::cold]] std::uint32_t count(std::uint64_t value) {
    std::size_t const mask = table_.size() - 1;
    for (std::size_t i = (value * 0x9e3779b97f4a7c15U) >> 32 & mask;; i = (i + 1) & mask) {
      if (table_[i] == 0) {
        values_[size_] = value;
        times_[size_] = 0;
        table_[i] = ++size_;
      }
      std::uint32_t const place = table_[i] - 1;
      if (values_[place] != value) continue;
      ++times_[place];
      return place;
    }
  }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t operator[](std::uint32_t place) const noexcept { return values_[place]; }
  [[nodiscard]] std::uint32_t times(std::uint32_t place) const noexcept { return times_[place]; }

 private:
  scratch_array<std::uint64_t> values_;
  scratch_array<std::uint32_t> times_;
  scratch_array<std::uint32_t> table_;  // open addressing: place + 1
  std::uint32_t size_ = 0;
};

/// Tasks of one label as one box that counts them, and edges that count the uses between them.
///
/// Order  kinds by their first task, edges by their first use, so that the same graph gives the same text
[[gnu::cold]] inline std::string dot_of_kinds(plan const& graph, visualize_options const& options) {
  dot_text text{options};
  std::uint32_t const size = graph.size();
  std::uint32_t edge_count = 0;
  for (node_id n = 0; n < size; ++n) edge_count += static_cast<std::uint32_t>(graph.edges(n).size());
  pair_counts kinds{size};
  pair_counts uses{edge_count};
  scratch_array<std::uint32_t> kind_of{size};
  scratch_array<node_id> first_task{size};
  for (node_id n = 0; n < size; ++n) {
    std::string const label = graph.task(n).label();
    std::uint64_t hash = 14695981039346656037U;  // FNV-1a
    for (char const c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    std::uint32_t const k = kinds.count(hash);
    kind_of[n] = k;
    if (kinds.times(k) == 1) first_task[k] = n;
    for (std::uint32_t const edge : graph.edges(n)) {
      if ((edge & constant_edge) == 0) uses.count(std::uint64_t{kind_of[edge]} << 32 | k);
    }
  }
  text.put({"  label=\"", decimal(size), " tasks, drawn by kind: more than max_nodes = ", decimal(options.max_nodes),
            "\";\n"});
  for (std::uint32_t k = 0; k < kinds.size(); ++k) {
    std::string const label = graph.task(first_task[k]).label();
    text.task("k", k, "box", joined({decimal(kinds.times(k)), " \xc3\x97 ", label}), label);
  }
  for (std::uint32_t u = 0; u < uses.size(); ++u) {
    text.put({"  k", decimal(uses[u] >> 32), " -> k", decimal(uses[u] & 0xffff'ffffU), " [label=\"",
              decimal(uses.times(u)), "\"];\n"});
  }
  return text.end();
}

[[gnu::cold]] inline std::string dot_of(plan const& graph, visualize_options const& options) {
  return graph.size() > options.max_nodes ? dot_of_kinds(graph, options) : dot_of_tasks(graph, options);
}

/// Writes a whole file or none: beside it first, then renamed.
///
/// Errors  config_error for a path that cannot be written, resource_error when the disk refuses; no file is left
[[gnu::cold]] inline void write_file(std::string const& path, std::string_view text) {
  struct stat existing = {};
  // What is no file, a pipe or a device, cannot be replaced and is written to.
  bool const special = ::stat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode);
  // What a link leads to is replaced, not the link.
  char* const real = special ? nullptr : ::realpath(path.c_str(), nullptr);
  std::string const replaced = real != nullptr ? real : path;
  std::free(real);
  std::string target = joined({replaced, special ? "" : ".XXXXXX"});
  int const file = special ? ::open(path.c_str(), O_WRONLY | O_CLOEXEC) : ::mkostemp(target.data(), O_CLOEXEC);
  if (file < 0) refuse<config_error>({"cannot write \"", path, "\": ", std::strerror(errno)});
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
  if (!special && failed == 0 && ::rename(target.c_str(), replaced.c_str()) != 0) failed = errno;
  if (failed == 0) return;
  if (!special) ::unlink(target.c_str());
  throw resource_error{joined({"writing \"", path, "\" failed: ", std::strerror(failed)}), failed};
}

/// How <dally/visualize.hpp> enters: turns DOT text into the bytes of a picture.
using picture_renderer = std::string (*)(std::string const& dot, std::string_view format);
inline constinit picture_renderer render_picture = nullptr;

[[gnu::cold]] inline void draw(std::string_view path, plan const& graph, visualize_options const& options) {
  std::string const target{path};
  std::string_view const file = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  std::size_t const dot = file.rfind('.');
  std::string_view const suffix = dot == file.npos ? std::string_view{} : file.substr(dot + 1);
  if (suffix == "dot" || suffix == "gv") return write_file(target, dot_of(graph, options));
  if (suffix != "svg" && suffix != "png" && suffix != "pdf") {
    refuse<config_error>({"\"", target, "\": the suffix says the format; allowed are .dot, .gv, .svg, .png, .pdf"});
  }
  if (render_picture == nullptr) {
    refuse<config_error>({"\"", target,
                          "\": .svg, .png and .pdf need #include <dally/visualize.hpp> and the target "
                          "dally::graphviz (-lgvc -lcgraph); .dot and .gv need nothing"});
  }
  write_file(target, render_picture(dot_of(graph, options), suffix));
}

template <class... Args>
plan plan_of(Args const&... args) {
  scratch_list<node const*> nodes;
  [[maybe_unused]] auto const visit = [&](auto const& x) { nodes.push_back(detail::node_of(x)); };
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
