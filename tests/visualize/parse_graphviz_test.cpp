// DOT text, read back by Graphviz itself; and a second file that includes the renderer.

#include <dally/dally.hpp>
#include <dally/visualize.hpp>

#include <cgraph.h>

#include <random>
#include <string>
#include <vector>

#include "support/catch2.hpp"

using dally::delayed;
using dally::lazy;
using dally::to_dot;
using dally::visualize_options;

namespace {

int same(int x) { return x; }

/// A graph that Graphviz read.
class parsed {
 public:
  explicit parsed(std::string const& text) : graph_{::agmemread(text.c_str())} {}
  parsed(parsed const&) = delete;
  parsed& operator=(parsed const&) = delete;
  ~parsed() {
    if (graph_ != nullptr) ::agclose(graph_);
  }
  [[nodiscard]] bool readable() const { return graph_ != nullptr; }
  [[nodiscard]] int nodes() const { return ::agnnodes(graph_); }
  [[nodiscard]] int edges() const { return ::agnedges(graph_); }
  [[nodiscard]] std::string of(std::string node, std::string attribute) const {
    char const* const value = ::agget(::agnode(graph_, node.data(), 0), attribute.data());
    return value == nullptr ? "" : value;
  }

 private:
  Agraph_t* graph_;
};

}  // namespace

TEST_CASE("node and edge counts match the graph, whatever the names hold", "[parse]") {
  std::vector<std::string> names{"plain",
                                 "two words",
                                 "a \"quoted\" word",
                                 "back\\slash",
                                 "\\",
                                 "\"",
                                 "\\\"",
                                 "ends in \\",
                                 "line\nbreak\r\n",
                                 "<b>bold</b>",
                                 "<",
                                 "<<<",
                                 "graph",
                                 "digraph",
                                 "strict",
                                 "node",
                                 "edge",
                                 "subgraph",
                                 "a -> b; }",
                                 "/* // #",
                                 "# line",
                                 "\xff\xfe",
                                 "\xc3",
                                 "\xed\xa0\x80",
                                 std::string{"nul\0nul", 7},
                                 "&lt;&#65;",
                                 "$(rm) `ls` ; |",
                                 "%s%n"};
  std::string large;
  while (large.size() < (1U << 20)) large += "x\"\\\n<b>&amp;";
  names.push_back(large);
  std::mt19937 random{7};
  for (int i = 0; i < 300; ++i) {
    std::string name = "x";
    for (int k = 0; k < 30; ++k) name += static_cast<char>(random());
    names.push_back(name);
  }
  std::vector<lazy<int>> all;
  for (auto const& name : names) {
    auto const task = delayed(same, {.name = name})(lazy{1});
    parsed const one{to_dot(task)};
    REQUIRE(one.readable());
    CHECK(one.nodes() == 3);
    CHECK(one.edges() == 2);
    CHECK((one.of("t0", "shape") == "circle" || one.of("t0", "shape") == "ellipse"));
    CHECK(one.of("d0", "shape") == "box");
    all.push_back(task);
  }
  auto const size = static_cast<int>(names.size());
  parsed const together{to_dot(all)};
  REQUIRE(together.readable());
  CHECK(together.nodes() == 3 * size);
  CHECK(together.edges() == 2 * size);
  parsed const collapsed{to_dot(visualize_options{.max_nodes = 64}, all)};
  REQUIRE(collapsed.readable());
  CHECK(collapsed.nodes() == 3);
  CHECK(collapsed.edges() == 2);
  for (std::string const rankdir : {"BT", "LR"}) {
    parsed const options{to_dot(visualize_options{.rankdir = rankdir, .color = dally::coloring::kind}, all.front())};
    REQUIRE(options.readable());
    CHECK(options.of("t0", "fillcolor").size() == 7);
  }
}

TEST_CASE("what Graphviz reads in the text is what the renderer builds", "[parse]") {
  std::vector<lazy<int>> row;
  for (int i = 0; i < 1000; ++i) row.push_back(delayed(same, {.name = "a \"\\\n\""})(lazy{i}));
  auto const sum = delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); }, {.name = "&lt;"})(row);
  dally::node const* const output = dally::detail::node_of(sum);
  dally::plan const graph{&output, 1};
  visualize_options const options{.color = dally::coloring::kind};
  dally::detail::graphviz_graph built;
  dally::detail::describe(built, graph, dally::detail::heeded(options));
  parsed const read{to_dot(options, sum)};
  REQUIRE(read.readable());
  CHECK(read.nodes() == ::agnnodes(built.graph()));
  CHECK(read.edges() == ::agnedges(built.graph()));
  for (Agnode_t* n = ::agfstnode(built.graph()); n != nullptr; n = ::agnxtnode(built.graph(), n)) {
    CAPTURE(::agnameof(n));
    for (std::string attribute : {"label", "tooltip", "shape", "fillcolor", "color", "fontname", "width", "penwidth"}) {
      CAPTURE(attribute);
      char const* const value = ::agget(n, attribute.data());
      CHECK((value == nullptr ? "" : value) == read.of(::agnameof(n), attribute));
    }
  }
}
