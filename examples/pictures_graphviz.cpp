// A graph as a picture: small ones task by task, large ones as far as an eye can follow. One file of the program
// includes <dally/visualize.hpp> and links dally::graphviz; then .svg, .png and .pdf are suffixes like .dot.

#include <dally/dally.hpp>
#include <dally/visualize.hpp>

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

int load(int part) { return part; }
int clean(int part) { return part; }
int count(int part) { return part % 7; }
int add(int x, int y) { return x + y; }
std::string report(int total) { return "total " + std::to_string(total); }

dally::lazy<std::string> pipeline(int parts) {
  std::vector<dally::lazy<int>> counts;
  for (int part = 0; part < parts; ++part) {
    counts.push_back(dally::delayed(load)(part).then(clean).then(count));
  }
  return dally::delayed(report)(dally::tree_reduce(counts, add));
}

int main() {
  auto const directory = std::filesystem::temp_directory_path() / "dally-pictures";
  std::filesystem::create_directories(directory);
  auto const draw = [&](auto const& graph, std::string const& name, dally::visualize_options const& options) {
    graph.visualize((directory / name).string(), options);
    std::cout << name << ": " << (std::filesystem::file_size(directory / name) > 1000 ? "drawn" : "empty?") << "\n";
  };
  // 4 parts: every task is a circle, every result a box.
  draw(pipeline(4), "small.svg", {.color = dally::coloring::kind});
  // 20,000 parts: one ellipse for those of one name and depth, numbers at the arrows.
  draw(pipeline(20'000), "large.png", {.rankdir = "LR", .color = dally::coloring::kind});
  std::filesystem::remove_all(directory);
  // For Markdown, as text:
  std::cout << dally::to_mermaid(dally::visualize_options{.show_values = true},
                                 dally::lazy{1}.then(add, dally::lazy{2}));
}

// Output:
//   small.svg: drawn
//   large.png: drawn
//   flowchart BT
//     t0(("add"))
//     d0[" "]
//     style d0 stroke-width:3px
//     t0 --> d0
//     v0["1"]
//     v0 --> t0
//     v1["2"]
//     v1 --> t0
