// Lists what Boost.Graph reads in a DOT file, as pictures.cpp does.

#include <fstream>
#include <iostream>
#include <string>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/graphviz.hpp>

#include "as_json.hpp"

struct box {
  std::string name, label, filling;
};
struct arrow {
  std::string label;
};

/// What Graphviz shows of a label.
std::string meaning(std::string const& text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && ++i < text.size()) {
      shown += text[i] == 'n' ? '\n' : text[i];
    } else {
      shown += text[i];
      if (text.compare(i, 5, "&amp;") == 0) i += 4;
    }
  }
  return shown;
}

void print(std::string const& a, std::string const& b, std::string const& c) {
  std::cout << '[' << as_json(a) << ", " << as_json(meaning(b)) << ", " << as_json(c) << "]\n";
}

int main(int, char** argv) {
  boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, box, arrow> graph;
  boost::dynamic_properties properties{boost::ignore_other_properties};
  properties.property("node_id", get(&box::name, graph));
  properties.property("label", get(&box::label, graph));
  properties.property("fillcolor", get(&box::filling, graph));
  properties.property("label", get(&arrow::label, graph));
  std::ifstream file{argv[1]};
  if (!boost::read_graphviz(file, graph, properties)) return 1;
  for (auto [v, end] = vertices(graph); v != end; ++v) print(graph[*v].name, graph[*v].label, graph[*v].filling);
  for (auto [e, end] = edges(graph); e != end; ++e) {
    print(graph[source(*e, graph)].name, graph[target(*e, graph)].name, graph[*e].label);
  }
}
