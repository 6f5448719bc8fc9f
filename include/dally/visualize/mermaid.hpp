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

  /// Whether Mermaid takes so much: it refuses more, unless the page's own configuration says otherwise.
  [[nodiscard]] bool can_be_shown() const noexcept { return arrows_ <= 500 && characters(to_.view()) <= 50'000; }

  [[gnu::cold]] DALLY_FUNCTION void begin(visualize_options const& options, std::string_view,
                                          std::string_view note) override {
    if (!note.empty()) {
      // What stands here is shown as it is, in one line. A note has no quotes.
      to_.print("---\ntitle: \"");
      for (char const& c : note.substr(0, note.size() - 1)) to_.put(c == '\n' ? " " : &c, 1);
      to_.print("\"\n---\n");
    }
    to_.print("flowchart %v\n", options.rankdir.data(), options.rankdir.size());
  }
  [[gnu::cold]] DALLY_FUNCTION void box(box_name name, char const* look, std::string_view label, char const* color,
                                        std::string_view) override {
    // Rounded instead of an ellipse: a stadium takes forty kilobytes of SVG.
    char const* shape = std::strstr(look, "ellipse") != nullptr ? "(\"" : "((\"";
    if (std::strstr(look, "box") != nullptr) shape = "[\"";
    to_.print("  %c%u%s", name.letter(), name.number(), shape);
    if (label.empty()) to_.print(" ");  // a box needs some text
    put_text(label);
    to_.print(*shape == '[' ? "\"]\n" : shape[1] == '"' ? "\")\n" : "\"))\n");
    if (color != nullptr) to_.print("  style %c%u fill:%s\n", name.letter(), name.number(), color);
    if (std::strstr(look, "penwidth") != nullptr) {
      to_.print("  style %c%u stroke-width:3px\n", name.letter(), name.number());
    }
  }
  [[gnu::cold]] DALLY_FUNCTION void arrow(box_name from, box_name to, std::uint32_t count) override {
    ++arrows_;
    to_.print("  %c%u --", from.letter(), from.number());
    if (count != 1) to_.print(" \"%n\" --", count);
    to_.print("> %c%u\n", to.letter(), to.number());
  }

 private:
  /// Writes what means something to Mermaid or HTML as an entity. Mermaid's own, as `#58;`, only where nothing else
  /// will do: where a page has switched HTML labels off, Mermaid shows them as they stand.
  [[gnu::cold]] DALLY_FUNCTION_APART void put_text(std::string_view text) {
    std::string_view const all = text;
    for (std::size_t size = 0; !text.empty(); text.remove_prefix(size)) {
      auto const c = static_cast<unsigned char>(text[0]);
      size = character_size(text);
      if (size == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
        to_.print("\xef\xbf\xbd");
        size = 1;
      } else if (c == '\n') {
        to_.print("<br/>");
      } else if (c == '<' || c == '>' || c == '&') {
        to_.print(c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;");
      } else if (means_something(all.substr(0, all.size() - text.size()), text)) {
        to_.print("#%u;", unsigned{c});
      } else {
        to_.put(text.data(), size);
      }
    }
  }
  /// Whether Mermaid takes the first character of `text` for more than itself behind `before`.
  [[gnu::cold]] DALLY_FUNCTION static bool means_something(std::string_view before, std::string_view text) {
    switch (text[0]) {
      case '"':
      case '`':  // Markdown, if it comes first
        return true;
      case '#': {  // an entity, as #quot;
        std::size_t const end = text.find_first_of("; #&", 1);
        return end != text.npos && text[end] == ';';
      }
      case '$':  // $$formula$$
        return text.starts_with("$$") || before.ends_with('$');
      case '%':  // %%{directive}
        return text.starts_with("%%{");
      case ':':  // fa:icon; style...:...#...; loses its last character, in whatever line
        return before.find("fa") != before.npos || before.find("style") != before.npos ||
               before.find("classDef") != before.npos;
      case ' ':
      case '\t':  // a statement, wherever it stands
        return before.ends_with("direction");
      default:
        return false;
    }
  }

  growing_text& to_;
  std::size_t arrows_ = 0;
};

/// More tasks than these are hard to read as Mermaid draws them, forty of a fan-in fill a screen.
inline constexpr std::size_t mermaid_tasks = 50;

[[gnu::cold]] DALLY_FUNCTION_APART std::string mermaid_of(scratch_list<node const*> const& nodes,
                                                          visualize_options const& options) {
  plan const graph{nodes.data(), nodes.size()};
  growing_text text;
  mermaid_text whole{text};
  describe(whole, graph, options);
  if (!whole.can_be_shown() && graph.size() > mermaid_tasks && options.max_nodes <= default_options.max_nodes) {
    visualize_options fewer = options;
    fewer.max_nodes = mermaid_tasks;
    text.clear();
    mermaid_text collapsed{text};
    describe(collapsed, graph, fewer);
  }
  return std::string{text.view()};
}

}  // namespace detail

namespace verbs {

/// The graph that the arguments need as a flowchart in Mermaid's language, for Markdown: a circle for each task (a
/// rounded box if its name is long), a box for each result and literal. The same graph gives the same text.
///
/// Of more than 50 tasks, those of one kind are drawn as one. With options, of more than max_nodes, and of more than 50
/// where the text would have more than Mermaid shows: 500 arrows, 50,000 characters. A max_nodes above its default of
/// 400 asks for more all the same, for pages that raise Mermaid's maxEdges and maxTextSize.
///
/// Cost  linear
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
[[nodiscard]] std::string to_mermaid(Args const&... args) {
  return detail::mermaid_of(detail::nodes_of(args...), {.max_nodes = detail::mermaid_tasks});
}
template <class... Args>
  requires(detail::holds_lazy<Args> && ...)
[[nodiscard]] std::string to_mermaid(visualize_options const& options, Args const&... args) {
  return detail::mermaid_of(detail::nodes_of(args...), detail::heeded(options));
}

}  // namespace verbs

}  // namespace dally
