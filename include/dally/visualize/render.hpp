#pragma once

#include <gvc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

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
  /// What stands above the picture before the note of whoever describes it.
  explicit graphviz_graph(std::string above = {})
      : graph_{::agopen(readable("dally"), Agdirected, nullptr)}, above_{std::move(above)} {
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
    // No box over another, where an engine leaves that open. Not in texts: other builds of Graphviz take ten times as
    // long.
    set_default(AGRAPH, "overlap", "prism");
    std::string const title = above_ + std::string{note};
    if (!title.empty()) set_default(AGRAPH, "label", escaped(title));
  }
  void box(box_name name, char const* look, std::string_view label, char const* color,
           std::string_view tooltip) override {
    Agnode_t* const made = at(name);
    each_attribute(look, [&](std::string const& attribute, std::string const& value) { set(made, attribute, value); });
    if (color != nullptr) set(made, "fillcolor", color);
    set(made, "label", escaped(label));
    if (!tooltip.empty()) set(made, "tooltip", escaped(tooltip));
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
  // cgraph takes char* for what it only reads.
  static char* readable(char const* text) { return const_cast<char*>(text); }
  static std::string escaped(std::string_view label) {
    growing_text text;
    put_label(text, label, label_kind::given);
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
  std::string above_;
};

/// Random numbers of C's that a library seeds and draws are not the program's: they begin anew here, and the program's
/// go on afterwards where they were. Another thread that draws meanwhile disturbs both.
class own_random_numbers {
 public:
  own_random_numbers() noexcept : program_{::initstate(1, state_, sizeof state_)} {
    unsigned short seed[3] = {0x330e, 1, 0};
    std::memcpy(program48_, ::seed48(seed), sizeof program48_);
  }
  own_random_numbers(own_random_numbers const&) = delete;
  own_random_numbers& operator=(own_random_numbers const&) = delete;
  ~own_random_numbers() {
    ::seed48(program48_);
    ::setstate(program_);
  }

 private:
  char state_[128];
  char* program_;
  unsigned short program48_[3];
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
    double const scale = draw(to, graph, options, format, {}, 1);
    if (scale == 1) return;
    visualize_options shown = options;
    std::string above;
    // Text of 14 points can still be read at half its size.
    constexpr std::size_t few = 60;
    if (scale < 0.5 && graph.size() > few && graph.size() <= options.max_nodes) {
      shown.max_nodes = few;
      above = "As .png, all tasks would be too small to read; .svg shows them.\n";
    }
    double const better = shown.max_nodes == options.max_nodes ? scale : draw(to, graph, shown, format, above, 1);
    if (better == 1) return;
    above += "Drawn at " + std::to_string(static_cast<int>(100 * better)) +
             " % of its size, for .png has no more room; .svg has.\n";
    draw(to, graph, shown, format, above, 0);
  }

 private:
  /// Draws all, and returns 1; or, if that is less than `least`, nothing, and returns by what the picture would be
  /// scaled to have room.
  static double draw(growing_text& to, plan const& graph, visualize_options const& options, std::string_view format,
                     std::string above, double least) {
    graphviz_graph picture{std::move(above)};
    describe(picture, graph, options);
    Agraph_t* const drawn = picture.graph();
    char name[] = "size", layout[] = "layout", dot[] = "dot";
    // A bitmap with more than 8,000 pixels a side would take gigabytes.
    constexpr double most = 80;  // inches
    char largest[] = "80,80";
    bool const bitmap = format == "png";
    if (bitmap) ::agattr(drawn, AGRAPH, name, largest);
    GVC_t* const gvc = context();
    char const* const chosen = ::agget(drawn, layout);
    char const* const engine = chosen == nullptr ? dot : chosen;
    {
      own_random_numbers const those_of_layouts;
      if (::gvLayout(gvc, drawn, engine) != 0) fail({"cannot lay out by ", engine});
    }
    struct laid_out {
      GVC_t* gvc;
      Agraph_t* drawn;
      ~laid_out() { ::gvFreeLayout(gvc, drawn); }
    } const layout_guard{gvc, drawn};
    if (bitmap) {
      boxf const extent = GD_bb(drawn);  // points
      double const room = most * 72 / std::max(extent.UR.x - extent.LL.x, extent.UR.y - extent.LL.y);
      if (room < least) return room;
    }
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
    return 1;
  }

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
