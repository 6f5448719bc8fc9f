#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "dally/core/block_cache.hpp"
#include "dally/core/error.hpp"
#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/core/key.hpp"
#include "dally/core/process_list.hpp"
#include "dally/core/text.hpp"
#include "dally/delayed/lazy.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/graph/plan.hpp"
#include "dally/os/files.hpp"
#include "dally/visualize/collapse.hpp"
#include "dally/visualize/picture.hpp"

namespace dally {

namespace detail {

/// How many bytes the character of UTF-8 at the beginning has; 0 where there is none.
[[gnu::cold]] DALLY_FUNCTION std::size_t character_size(std::string_view text) {
  auto const at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned const first = at(0);
  if (first < 0x80) return 1;
  std::size_t const size = first < 0xc2 || first > 0xf4 ? 0U : first < 0xe0 ? 2U : first < 0xf0 ? 3U : 4U;
  if (size == 0 || size > text.size()) return 0;
  std::uint32_t code = first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if (at(i) >> 6 != 2) return 0;
    code = code << 6 | (at(i) & 0x3fU);
  }
  // Not what fewer bytes can say, nor half a pair of UTF-16.
  if (size == 3 && (code < 0x800 || code >> 11 == 0x1b)) return 0;
  if (size == 4 && (code < 0x10000 || code > 0x10ffff)) return 0;
  return size;
}

enum class label_kind : unsigned char {
  given,   ///< to Graphviz as it is
  quoted,  ///< in DOT text
  title,   ///< of the graph, in DOT text: line ends as an entity, for readers who know no \n
};

/// Writes a label the way Graphviz shows it as it is: backslashes and entities escaped, line ends as \n, other control
/// characters and bytes that are no UTF-8 as U+FFFD; for DOT text, quotes escaped too.
[[gnu::cold]] DALLY_FUNCTION_APART void put_label(growing_text& to, std::string_view text, label_kind kind) {
  for (std::size_t size = 0; !text.empty(); text.remove_prefix(size)) {
    char const c = text[0];
    size = character_size(text);
    char const* replaced = c != '\n' ? nullptr : kind == label_kind::title ? "&#10;" : "\\n";
    if (size == 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
      replaced = "\xef\xbf\xbd";
      size = 1;
    }
    if (replaced != nullptr) {
      to.print(replaced);
      continue;
    }
    if (c == '\\' || (c == '"' && kind != label_kind::given)) to.put("\\", 1);
    to.put(text.data(), size);
    // What looks like an entity, as `&lt;`, would be drawn as the character that it means.
    if (c == '&') {
      std::size_t i = 1;
      while (i < text.size() && text[i] != ' ' && text[i] != '&' && text[i] != '\n' && text[i] != ';') ++i;
      if (i > 1 && i < text.size() && text[i] == ';') to.put("amp;", 4);
    }
  }
}

/// Writes a picture as DOT text that other readers understand too, some of which know a part of the language only: a
/// setting of the graph is a statement of its own, nothing follows the last statement, and a title breaks its lines by
/// an entity.
class dot_text final : public picture_sink {
 public:
  explicit dot_text(growing_text& to) : to_{to} {}

  [[gnu::cold]] DALLY_FUNCTION void begin(visualize_options const& options, std::string_view engine,
                                          std::string_view note) override {
    to_.print("digraph dally {\n  node [%s];\n  edge [%s]", node_look, edge_look);
    setting("rankdir", options.rankdir);
    for (std::string_view rest = graph_look; !rest.empty();) {
      std::size_t const size = rest.find(", ");
      to_.print(";\n  %v", rest.data(), size < rest.size() ? size : rest.size());
      rest.remove_prefix(size < rest.size() ? size + 2 : rest.size());
    }
    if (!engine.empty()) setting("layout", engine);
    if (note.empty()) return;
    to_.print(";\n  label=\"");
    put_label(to_, note, label_kind::title);
    to_.print("\"");
  }
  [[gnu::cold]] DALLY_FUNCTION void box(box_name name, char const* look, std::string_view label, char const* color,
                                        std::string_view tooltip) override {
    to_.print(color == nullptr ? ";\n  %c%u [%s, label=\"" : ";\n  %c%u [%s, fillcolor=\"%s\", label=\"", name.letter(),
              name.number(), look, color);
    put_label(to_, label, label_kind::quoted);
    if (!tooltip.empty()) {
      to_.print("\", tooltip=\"");
      put_label(to_, tooltip, label_kind::quoted);
    }
    to_.print("\"]");
  }
  [[gnu::cold]] DALLY_FUNCTION void arrow(box_name from, box_name to, std::uint32_t count) override {
    to_.print(count == 1 ? ";\n  %c%u -> %c%u" : ";\n  %c%u -> %c%u [label=\"%n\"]", from.letter(), from.number(),
              to.letter(), to.number(), count);
  }
  void end() { to_.print("\n}\n"); }

 private:
  [[gnu::cold]] DALLY_FUNCTION void setting(char const* name, std::string_view value) {
    to_.print(";\n  %s=%v", name, value.data(), value.size());
  }

  growing_text& to_;
};

[[gnu::cold]] DALLY_FUNCTION void write_dot(growing_text& to, plan const& graph, visualize_options const& options) {
  dot_text text{to};
  describe(text, graph, options);
  text.end();
}

/// Writes a whole file or none: beside it first, then renamed.
///
/// Errors  config_error for a path that cannot be written, resource_error when the disk refuses; no file is left
[[gnu::cold]] DALLY_FUNCTION_WITHIN void write_file(char const* path, std::string_view text) {
  bool const special = os::is_special(path);  // cannot be replaced, and is written to
  // What a link leads to is replaced, not the link.
  struct freed {
    char* text;
    ~freed() { std::free(text); }
  } const real{special ? nullptr : ::realpath(path, nullptr)};
  char const* const target = real.text != nullptr ? real.text : path;
  growing_text beside;
  std::FILE* file = nullptr;
  auto number = static_cast<unsigned>(os::process_id());
  do {
    beside.clear();
    beside.print(special ? "%s" : "%s.%u", target, number++);
    file = std::fopen(beside.c_str(), special ? "we" : "wxe");
  } while (file == nullptr && errno == EEXIST);
  bool const opened = file != nullptr;
  bool good = opened && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  int failed = errno;
  if (opened && std::fclose(file) != 0 && good) {
    good = false;
    failed = errno;
  }
  if (good) {
    if (special || std::rename(beside.c_str(), target) == 0) return;
    failed = errno;
  }
  if (opened && !special) std::remove(beside.c_str());
  errno = failed;
  refuse(opened ? &throw_refused : &throw_saying<config_error>,
         opened ? "writing \"%s\" failed: %s" : "cannot write \"%s\": %s", path, std::strerror(failed));
}

/// How <dally/visualize.hpp> enters: writes the bytes of a picture.
using picture_renderer = void (*)(growing_text& to, plan const& graph, visualize_options const& options,
                                  std::string_view format);
DALLY_EXPORT inline constinit process_list<picture_renderer> renderers{};

[[gnu::cold]] DALLY_FUNCTION_WITHIN void draw(std::string_view path, plan const& graph,
                                              visualize_options const& options) {
  growing_text file, picture;
  file.put(path);
  char const* suffix = std::strrchr(file.c_str(), '.');
  if (suffix == nullptr || std::strchr(suffix, '/') != nullptr) suffix = ".";
  static constexpr char formats[5][4] = {"dot", "gv", "svg", "png", "pdf"};
  unsigned format = 0;
  while (format < 5 && std::strcmp(suffix + 1, formats[format]) != 0) ++format;
  if (format < 2) {
    write_dot(picture, graph, options);
  } else if (format < 5 && !renderers.empty()) {
    (*renderers.begin())(picture, graph, options, formats[format]);
  } else {
    refuse(&throw_saying<config_error>, "\"%s\": %s", file.c_str(),
           format == 5 ? "the suffix says the format; allowed are .dot, .gv, .svg, .png, .pdf"
                       : ".svg, .png and .pdf need #include <dally/visualize.hpp> and the target "
                         "dally::graphviz (-lgvc -lcgraph); .dot and .gv need nothing");
  }
  write_file(file.c_str(), picture.view());
}

/// The nodes of all lazies in the arguments.
template <class... Args>
scratch_list<node const*> nodes_of(Args const&... args) {
  scratch_list<node const*> nodes;
  [[maybe_unused]] auto const visit = [&](auto const& x) { nodes.push_back(detail::node_of(x)); };
  (each_lazy{visit}(args), ...);
  return nodes;
}

[[gnu::cold]] DALLY_FUNCTION_APART void draw_nodes(std::string_view path, node const* const* nodes, std::size_t count,
                                                   visualize_options const& options) {
  draw(path, plan{nodes, count}, options);
}
[[gnu::cold]] DALLY_FUNCTION_APART std::string dot_of(scratch_list<node const*> const& nodes,
                                                      visualize_options const& options) {
  growing_text text;
  write_dot(text, plan{nodes.data(), nodes.size()}, options);
  return std::string{text.view()};
}

}  // namespace detail

namespace verbs {

/// The graph that the arguments need as DOT text: a circle for each task (an ellipse if its name is long), a box for
/// each result and literal. The same graph gives the same text. Names of more than 72 bytes are shortened in the
/// middle; a task's tooltip has some 300 of them, and file and line.
///
/// Cost  linear; all of it, however large: visualize_options::max_nodes counts only where options are given
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
[[nodiscard]] std::string to_dot(Args const&... args) {
  return detail::dot_of(detail::nodes_of(args...), {.max_nodes = ~std::size_t{0}});
}
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
[[nodiscard]] std::string to_dot(visualize_options const& options, Args const&... args) {
  return detail::dot_of(detail::nodes_of(args...), detail::heeded(options));
}

/// Draws the graph that the arguments need into a file; its suffix says the format. Without a path: dally.svg.
///
/// Errors  config_error: suffix, path, options, or a format whose header is not included; resource_error: the disk.
///         A file is written whole or not at all
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
void visualize(std::string_view path, visualize_options const& options, Args const&... args) {
  auto const nodes = detail::nodes_of(args...);
  detail::draw_nodes(path, nodes.data(), nodes.size(), detail::heeded(options));
}
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
void visualize(std::string_view path, Args const&... args) {
  auto const nodes = detail::nodes_of(args...);
  detail::draw_nodes(path, nodes.data(), nodes.size(), detail::default_options);
}
template <class First, class... Args>
  requires(detail::holds_lazy<First> && (detail::holds_lazy<Args> && ...))
void visualize(First const& first, Args const&... args) {
  visualize("dally.svg", first, args...);
}

}  // namespace verbs

template <class T>
void lazy<T>::visualize(std::string_view path, visualize_options const& options) const {
  node const* const output = detail::node_of(*this);
  detail::draw_nodes(path, &output, 1, detail::heeded(options));
}
template <class T>
void lazy<T>::visualize(std::string_view path) const {
  node const* const output = detail::node_of(*this);
  detail::draw_nodes(path, &output, 1, detail::default_options);
}

}  // namespace dally
