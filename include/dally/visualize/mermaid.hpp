#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "dally/core/function.hpp"
#include "dally/delayed/traversal.hpp"
#include "dally/graph/plan.hpp"
#include "dally/visualize/collapse.hpp"
#include "dally/visualize/dot.hpp"
#include "dally/visualize/picture.hpp"

namespace dally {

namespace detail {

/// Writes a picture as a Mermaid flowchart. Mermaid places the boxes itself: the engine does not count.
class mermaid_text final : public picture_sink {
 public:
  explicit mermaid_text(growing_text& to) : to_{to} {}

  [[gnu::cold]] DALLY_FUNCTION void begin(visualize_options const& options, std::string_view,
                                          std::string_view note) override {
    if (!note.empty()) {
      to_.print("---\ntitle: \"");
      put_text(note.substr(0, note.size() - 1));
      to_.print("\"\n---\n");
    }
    to_.print("flowchart %v\n", options.rankdir.data(), options.rankdir.size());
  }
  [[gnu::cold]] DALLY_FUNCTION void box(box_name name, char const* look, std::string_view label,
                                        char const* color) override {
    char const* shape = std::strstr(look, "ellipse") != nullptr ? "([\"" : "((\"";
    if (std::strstr(look, "box") != nullptr) shape = "[\"";
    to_.print("  %c%u%s", name.letter(), name.number(), shape);
    if (label.empty()) to_.print(" ");  // a box needs some text
    put_text(label);
    to_.print(*shape == '[' ? "\"]\n" : shape[1] == '[' ? "\"])\n" : "\"))\n");
    if (color != nullptr) to_.print("  style %c%u fill:%s\n", name.letter(), name.number(), color);
    if (std::strstr(look, "penwidth") != nullptr) {
      to_.print("  style %c%u stroke-width:3px\n", name.letter(), name.number());
    }
  }
  [[gnu::cold]] DALLY_FUNCTION void arrow(box_name from, box_name to, std::uint32_t count) override {
    to_.print("  %c%u --", from.letter(), from.number());
    if (count != 1) to_.print(" \"%n\" --", count);
    to_.print("> %c%u\n", to.letter(), to.number());
  }

 private:
  // All that could mean something to Mermaid, Markdown, HTML or YAML, as entities of Mermaid's.
  [[gnu::cold]] DALLY_FUNCTION_APART void put_text(std::string_view text) {
    for (std::size_t size = 0; !text.empty(); text.remove_prefix(size)) {
      auto const c = static_cast<unsigned char>(text[0]);
      size = character_size(text);
      bool const plain = c >= 0x80 || c == ' ' || c == ',' || c == '.' || (c >= '0' && c <= '9') ||
                         (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '+';
      if (size == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
        to_.print("\xef\xbf\xbd");
        size = 1;
      } else if (c == '\n') {
        to_.print("<br/>");
      } else if (plain) {
        to_.put(text.data(), size);
      } else {
        to_.print("#%u;", unsigned{c});
      }
    }
  }

  growing_text& to_;
};

[[gnu::cold]] DALLY_FUNCTION_APART std::string mermaid_of(scratch_list<node const*> const& nodes,
                                                          visualize_options const& options) {
  growing_text text;
  mermaid_text mermaid{text};
  describe(mermaid, plan{nodes.data(), nodes.size()}, options);
  return std::string{text.view()};
}

}  // namespace detail

namespace verbs {

/// The graph that the arguments need as a flowchart in Mermaid's language, for Markdown: a circle for each task, a box
/// for each result and literal. The same graph gives the same text.
///
/// Cost  linear; all of it, however large: visualize_options::max_nodes counts only where options are given
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
[[nodiscard]] std::string to_mermaid(Args const&... args) {
  return detail::mermaid_of(detail::nodes_of(args...), {.max_nodes = ~std::size_t{0}});
}
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
[[nodiscard]] std::string to_mermaid(visualize_options const& options, Args const&... args) {
  return detail::mermaid_of(detail::nodes_of(args...), detail::heeded(options));
}

}  // namespace verbs

}  // namespace dally
