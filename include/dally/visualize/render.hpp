#pragma once

#include <gvc.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>

#include "dally/core/error.hpp"
#include "dally/core/export.hpp"
#include "dally/core/process_list.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/plan.hpp"
#include "dally/visualize/collapse.hpp"
#include "dally/visualize/dot.hpp"
#include "dally/visualize/picture.hpp"

namespace dally::detail {

/// Builds a picture as a graph of cgraph's.
class graphviz_graph final : public picture_sink {
 public:
  graphviz_graph() : graph_{::agopen(readable("dally"), Agdirected, nullptr)} {
    if (graph_ == nullptr) throw resource_error{"Graphviz did not make a graph", 0};
  }
  graphviz_graph(graphviz_graph const&) = delete;
  graphviz_graph& operator=(graphviz_graph const&) = delete;
  ~graphviz_graph() { ::agclose(graph_); }

  [[nodiscard]] Agraph_t* graph() const noexcept { return graph_; }

  void begin(visualize_options const& options, std::string_view engine, std::string_view note) override {
    defaults(AGNODE, node_look);
    defaults(AGEDGE, edge_look);
    defaults(AGRAPH, graph_look);
    set_default(AGRAPH, "rankdir", std::string{options.rankdir});
    if (!engine.empty()) set_default(AGRAPH, "layout", std::string{engine});
    if (!note.empty()) set_default(AGRAPH, "label", escaped(note));
  }
  void box(box_name name, char const* look, std::string_view label, char const* color) override {
    Agnode_t* const made = at(name);
    each_attribute(look, [&](std::string const& attribute, std::string const& value) { set(made, attribute, value); });
    if (color != nullptr) set(made, "fillcolor", color);
    if (label.size() <= longest_label) return set(made, "label", escaped(label));
    // Begin and end of what nobody could read; all of it stands where a pointer rests on the box.
    std::size_t begin = longest_label * 2 / 3;
    std::size_t end = label.size() - longest_label / 3;
    while (begin > 0 && continues(label[begin])) --begin;
    while (end < label.size() && continues(label[end])) ++end;
    set(made, "label", escaped(label.substr(0, begin)) + "\xe2\x80\xa6" + escaped(label.substr(end)));
    set(made, "tooltip", escaped(label));
  }
  void arrow(box_name from, box_name to, std::uint32_t count) override {
    Agnode_t* const tail = at(from);
    Agedge_t* const made = ::agedge(graph_, tail, at(to), nullptr, 1);
    if (count == 1) return;
    growing_text text;
    text.print("%n", count);
    set(made, "label", text.c_str());
  }

 private:
  static constexpr std::size_t longest_label = 300;  // bytes; more than any that is made here

  static bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }  // a character of UTF-8
  // cgraph takes char* for what it only reads.
  static char* readable(char const* text) { return const_cast<char*>(text); }
  static std::string escaped(std::string_view label) {
    growing_text text;
    put_label(text, label, false);
    return std::string{text.view()};
  }
  // Of a list of DOT's, as `shape=box, color="#47617a"`.
  template <class Set>
  static void each_attribute(std::string_view look, Set&& set) {
    for (std::size_t size = 0; !look.empty(); look.remove_prefix(size)) {
      size = look.find(", ");
      std::string_view const one = look.substr(0, size);
      size = size == look.npos ? look.size() : size + 2;
      std::size_t const equals = one.find('=');
      std::string_view value = one.substr(equals + 1);
      if (value.starts_with('"')) value = value.substr(1, value.size() - 2);
      set(std::string{one.substr(0, equals)}, std::string{value});
    }
  }

  Agnode_t* at(box_name name) {
    growing_text text;
    text.print("%c%u", name.letter(), name.number());
    return ::agnode(graph_, readable(text.c_str()), 1);
  }
  void set_default(int of, std::string const& attribute, std::string const& value) {
    ::agattr(graph_, of, readable(attribute.c_str()), readable(value.c_str()));
  }
  void defaults(int of, char const* look) {
    each_attribute(look,
                   [&](std::string const& attribute, std::string const& value) { set_default(of, attribute, value); });
  }
  static void set(void* of, std::string const& attribute, std::string const& value) {
    ::agsafeset(of, readable(attribute.c_str()), readable(value.c_str()), readable(""));
  }

  Agraph_t* graph_;
};

/// Graphviz, which is neither safe for threads nor silent.
class graphviz {
 public:
  /// Lays a picture out and draws it.
  ///
  /// Threads  any; they wait for each other. What the program itself does with Graphviz must not run meanwhile
  /// Errors   config_error: this Graphviz lacks the format; resource_error: it failed otherwise. Both quote it
  static void render(growing_text& to, plan const& graph, visualize_options const& options, std::string_view format) {
    std::lock_guard const one_at_a_time{mutex_};
    kept_quiet const silence;
    graphviz_graph picture;
    describe(picture, graph, options);
    Agraph_t* const drawn = picture.graph();
    char name[] = "size", largest[] = "80,80", layout[] = "layout", dot[] = "dot";
    // A bitmap with more than 8,000 pixels a side would take gigabytes.
    if (format == "png") ::agattr(drawn, AGRAPH, name, largest);
    GVC_t* const gvc = context();
    char const* const chosen = ::agget(drawn, layout);
    char const* const engine = chosen == nullptr ? dot : chosen;
    if (::gvLayout(gvc, drawn, engine) != 0) fail({"cannot lay out by ", engine});
    struct laid_out {
      GVC_t* gvc;
      Agraph_t* drawn;
      ~laid_out() { ::gvFreeLayout(gvc, drawn); }
    } const layout_guard{gvc, drawn};
    struct rendered {
      char* data = nullptr;
      ~rendered() {
        if (data != nullptr) ::gvFreeRenderData(data);
      }
    } bytes;
    std::string const format_name{format};
    std::size_t size = 0;
    if (!call(&::gvRenderData, gvc, drawn, format_name.c_str(), &bytes.data, size)) {
      fail({"cannot draw .", format});
    }
    to.put(bytes.data, size);
  }

 private:
  // What Graphviz would print is kept for errors.
  struct kept_quiet {
    agusererrf before = ::agseterrf([](char* text) noexcept {
      said_ += text;
      return 0;
    });
    kept_quiet() { said_.clear(); }
    kept_quiet(kept_quiet const&) = delete;
    kept_quiet& operator=(kept_quiet const&) = delete;
    ~kept_quiet() { ::agseterrf(before); }
  };

  // One for the process: what Graphviz holds for each, it does not give back.
  DALLY_EXPORT [[gnu::noinline]] static GVC_t* context() {
    static GVC_t* const the_one = ::gvContext();
    if (the_one == nullptr) throw resource_error{"Graphviz does not start", 0};
    return the_one;
  }
  // The size has type unsigned in older versions of Graphviz, std::size_t in newer ones.
  template <class Size>
  static bool call(int (*render)(GVC_t*, Agraph_t*, char const*, char**, Size*), GVC_t* gvc, Agraph_t* drawn,
                   char const* format, char** data, std::size_t& size) {
    Size bytes = 0;
    int const failed = render(gvc, drawn, format, data, &bytes);
    size = bytes;
    return failed == 0 && *data != nullptr;
  }
  [[noreturn]] static void fail(std::initializer_list<std::string_view> what) {
    std::string_view said = said_;
    while (said.ends_with('\n')) said.remove_suffix(1);
    std::string const text =
        joined({"this Graphviz ", joined(what),
                "; are its plugins installed (Debian, Ubuntu: libgvc6)? .dot files need none. It says: ", said});
    if (said.find("not recognized") != said.npos) throw config_error{text};
    throw resource_error{text, 0};
  }

  DALLY_EXPORT static constinit inline std::mutex mutex_;
  static inline std::string said_;
};

/// Registers the renderer before main.
inline process_list<picture_renderer>::entry const graphviz_is_here{renderers, &graphviz::render};

}  // namespace dally::detail
