// Marks beside nodes, against std::set.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/catch2.hpp"
#include "support/recorded.hpp"

using dally::delayed;
using dally::lazy;
using dally::node;
using dally::node_block;
using dally::node_marks;
using dally::tests::recorded_node;

namespace {

int add(int x, int y) { return x + y; }

struct in_memory_order {
  bool operator()(node const* a, node const* b) const {
    auto const first = node_block::of(a).serial(), second = node_block::of(b).serial();
    return first != second ? first < second : a < b;
  }
};
using node_set = std::set<node const*, in_memory_order>;

/// A random graph of nodes of several sizes, over several blocks.
std::vector<lazy<int>> random_graph(std::mt19937& random, std::size_t size) {
  auto fat = [](int x, std::array<char, 900> const&) { return x; };
  std::vector<lazy<int>> nodes{delayed(add)(1, 2)};
  while (nodes.size() < size) {
    auto pick = [&] { return nodes[nodes.size() - 1 - random() % std::min<std::size_t>(nodes.size(), 500)]; };
    // The smallest there are, side by side.
    for (std::size_t i = random() % 100 == 0 ? 12 : 0; i != 0; --i) nodes.push_back(delayed([] { return 1; })());
    switch (random() % 4) {
      case 0:
        nodes.push_back(delayed(fat)(pick(), std::array<char, 900>{}));
        break;
      case 1:
        nodes.push_back(delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); })(
            std::vector{pick(), pick(), pick(), pick()}));
        break;
      case 2:
        nodes.push_back(delayed(fat)(nodes[random() % nodes.size()], std::array<char, 900>{}));
        break;
      default:
        nodes.push_back(delayed(add)(pick(), pick()));
    }
  }
  return nodes;
}

std::vector<node const*> numbered(node_marks& marks) {
  std::vector<node const*> order;
  marks.each_downwards([&](node const* n, auto const&) {
    order.push_back(n);
    return true;
  });
  std::reverse(order.begin(), order.end());
  marks.rank_all();
  return order;
}

}  // namespace

TEST_CASE("marks are those of a set, and ranks its order", "[node_marks]") {
  auto const seed = GENERATE(range(0U, 10U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  auto const nodes = random_graph(random, 8'000);
  node_marks marks;
  for (int round = 0; round < 3; ++round) {
    node_set twin;
    auto const wanted = random() % (random() % 2 == 0 ? 50 : 6'000);
    int wrong = 0;
    for (std::size_t i = 0; i < wanted; ++i) {
      node const* const n = recorded_node(nodes[random() % nodes.size()]);
      wrong += marks.mark(n) == twin.insert(n).second ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(numbered(marks) == std::vector<node const*>(twin.begin(), twin.end()));
    std::uint32_t rank = 0;
    node_marks::ranks rank_of{marks};
    for (node const* const n : twin) {
      wrong += marks.rank(n) == rank && rank_of(n) == rank ? 0 : 1;
      ++rank;
    }
    for (int i = 0; i < 100 && !twin.empty(); ++i) {  // from block to block
      node const* const n = recorded_node(nodes[random() % nodes.size()]);
      if (twin.contains(n)) wrong += rank_of(n) == marks.rank(n) ? 0 : 1;
    }
    CHECK(wrong == 0);
    marks.clear();
    CHECK(numbered(marks).empty());
  }
}

TEST_CASE("ranks are right where nodes stand as close as they can", "[node_marks]") {
  std::vector<lazy<int>> nodes;
  node_marks marks;
  for (int i = 0; i < 1'000; ++i) {
    // Those that keep something stand five places before the next, all others four.
    nodes.push_back(i % 100 == 0 ? delayed([i] { return i; })() : delayed([] { return 1; })());
    marks.mark(recorded_node(nodes.back()));
  }
  REQUIRE(numbered(marks).size() == nodes.size());
  node_marks::ranks rank_of{marks};
  int wrong = 0;
  std::uint32_t rank = 0;
  for (auto const& x : nodes) {
    wrong += marks.rank(recorded_node(x)) == rank && rank_of(recorded_node(x)) == rank ? 0 : 1;
    ++rank;
  }
  CHECK(wrong == 0);
}

TEST_CASE("the way down visits every ancestor once, the highest first", "[node_marks]") {
  auto const seed = GENERATE(range(100U, 110U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  auto const nodes = random_graph(random, 8'000);
  node_marks marks;
  for (int round = 0; round < 3; ++round) {
    std::vector<node const*> outputs;
    for (unsigned i = 0; i <= random() % 5; ++i) outputs.push_back(recorded_node(nodes[random() % nodes.size()]));
    for (node const* const n : outputs) marks.mark(n);
    std::vector<node const*> visited;
    bool const to_the_end = marks.each_downwards([&](node const* n, auto& place) {
      visited.push_back(n);
      for (dally::dependency const d : n->dependencies()) {
        if (!d.from()->is_value()) marks.mark(d.from(), place);
      }
      return true;
    });
    CHECK(to_the_end);
    auto const needed = dally::tests::tasks_needed(outputs);
    node_set const twin(needed.begin(), needed.end());
    CHECK(visited == std::vector<node const*>(twin.rbegin(), twin.rend()));
    CHECK(numbered(marks) == std::vector<node const*>(twin.begin(), twin.end()));
    marks.clear();
  }
}

TEST_CASE("the way down can be given up, and marks can be used again afterwards", "[node_marks]") {
  std::mt19937 random{7};
  auto const nodes = random_graph(random, 8'000);
  node_marks marks;
  for (int limit : {1, 2, 100, 3'000}) {
    // Of one, which might be a leaf, there might be too little to visit.
    for (auto last = nodes.end() - 20; last != nodes.end(); ++last) marks.mark(recorded_node(*last));
    int visits = 0;
    bool const to_the_end = marks.each_downwards([&](node const* n, auto& place) {
      for (dally::dependency const d : n->dependencies()) marks.mark(d.from(), place);
      return ++visits < limit;
    });
    CHECK(!to_the_end);
    CHECK(visits == limit);
    marks.clear();
    CHECK(numbered(marks).empty());
    CHECK(marks.mark(recorded_node(nodes.front())));
    CHECK(!marks.mark(recorded_node(nodes.front())));
    CHECK(numbered(marks).size() == 1);
    marks.clear();
  }
}

TEST_CASE("marks of dead blocks do not show in blocks that are used again", "[node_marks]") {
  node_marks marks;
  for (unsigned round = 0; round < 10; ++round) {
    std::mt19937 random{round};
    auto const nodes = random_graph(random, 5'000);
    std::size_t fresh = 0;
    for (auto const& x : nodes) fresh += marks.mark(recorded_node(x)) ? 1 : 0;
    CHECK(fresh == nodes.size());
    CHECK(numbered(marks).size() == nodes.size());
    marks.clear();
  }
}

TEST_CASE("marks serve more blocks than they keep", "[node_marks]") {
  // 100 blocks with one marked node each, which keeps its block alive.
  std::vector<lazy<int>> kept;
  auto big = [](std::array<char, 600 << 10> const&) { return 0; };
  auto const bytes = std::make_unique<std::array<char, 600 << 10>>();
  std::set<node_block const*> blocks;
  while (blocks.size() < 100) {
    kept.push_back(delayed(big)(*bytes));
    blocks.insert(&node_block::of(recorded_node(kept.back())));
  }
  node_marks marks;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = kept.size(); i-- > 0;) CHECK(marks.mark(recorded_node(kept[i])));
    auto const order = numbered(marks);
    CHECK(order == dally::tests::recorded_nodes(kept));
    marks.clear();
  }
}
