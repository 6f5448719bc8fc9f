// Writes pictures for other programs to read, and what they should find in them.
//
//   pictures DIRECTORY    NAME.dot, NAME.mmd, and NAME.txt: a line of JSON for each box, [name, label, filling or ""],
//                         and each arrow, [from, to, label]

#include <dally/dally.hpp>

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "as_json.hpp"

using dally::delayed;
using dally::lazy;
using dally::visualize_options;

namespace {

int same(int x) { return x; }

/// Writes down what is drawn.
class listing final : public dally::picture_sink {
 public:
  explicit listing(std::ofstream& to) : to_{to} {}
  void begin(visualize_options const&, std::string_view, std::string_view) override {}
  void box(dally::box_name name, char const*, std::string_view label, char const* color, std::string_view) override {
    to_ << '[' << of(name) << ", " << as_json(label) << ", " << as_json(color != nullptr ? color : "") << "]\n";
  }
  void arrow(dally::box_name from, dally::box_name to, std::uint32_t count) override {
    std::string digits = count == 1 ? "" : std::to_string(count);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
    to_ << '[' << of(from) << ", " << of(to) << ", " << as_json(digits) << "]\n";
  }

 private:
  static std::string of(dally::box_name name) { return as_json(name.letter() + std::to_string(name.number())); }
  std::ofstream& to_;
};

void write(std::string const& name, visualize_options const& options, std::vector<lazy<int>> const& outputs) {
  std::ofstream{name + ".dot"} << dally::to_dot(options, outputs);
  std::ofstream{name + ".mmd"} << dally::to_mermaid(options, outputs);
  std::ofstream text{name + ".txt"};
  listing all{text};
  std::vector<dally::node const*> nodes;
  for (auto const& x : outputs) nodes.push_back(dally::detail::node_of(x));
  dally::plan const graph{nodes.data(), nodes.size()};
  dally::detail::describe(all, graph, options);
}

}  // namespace

int main(int, char** argv) {
  std::string const directory = std::string{argv[1]} + "/";
  std::vector<lazy<int>> hostile;
  for (std::string const name : {"plain",
                                 "two words",
                                 "a \"quoted\" word",
                                 "back\\slash",
                                 "ends in \\",
                                 "\\\"",
                                 "line\nbreak",
                                 "<b>bold</b>",
                                 "<",
                                 "graph",
                                 "digraph",
                                 "subgraph",
                                 "node",
                                 "edge",
                                 "strict",
                                 "end",
                                 "a -> b; }",
                                 "/* // #",
                                 "# line",
                                 "&lt; &#65;",
                                 "a & b",
                                 "%s%n",
                                 "caf\xc3\xa9",
                                 "\xe2\x82\xac",
                                 "*bold* _em_ ~~no~~",
                                 "`code",
                                 "1. item",
                                 "- item",
                                 "#35; #quot;",
                                 "%%{init}%%",
                                 "%% comment",
                                 "style:x#y;",
                                 "classDef a:b#c;",
                                 "click t0 \"http:\"",
                                 "$$x^2$$",
                                 "@{ shape: cat }",
                                 "fa:fa-car",
                                 "direction LR",
                                 "[link](http:x)",
                                 "std::vector<std::pair<int, std::string>>",
                                 "{a|b}",
                                 "a=b",
                                 "--",
                                 "lambda at file.cpp:12",
                                 "operator()(int&&)"}) {
    hostile.push_back(delayed(same, {.name = name})(1));
  }
  write(directory + "hostile", {.color = dally::coloring::kind}, hostile);
  std::vector<lazy<int>> few;
  for (int i = 0; i < 40; ++i) few.push_back(delayed(same, {.name = "part " + std::to_string(i)})(i));
  auto const total = [](std::vector<int> const& all) { return static_cast<int>(all.size()); };
  write(directory + "middle", {.rankdir = "LR", .results = dally::shown_results::ends}, {delayed(total)(few)});
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 999; ++i) parts.push_back(delayed(same, {.name = "part " + std::to_string(i)})(i));
  std::vector<lazy<int>> const sum{delayed(total, {.name = "a \"sum\"\nof <all>"})(parts)};
  write(directory + "whole", {.max_nodes = 1000, .engine = "dot"}, sum);
  write(directory + "collapsed", {.color = dally::coloring::kind}, sum);
}
