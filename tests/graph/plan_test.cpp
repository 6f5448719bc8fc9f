// A plan against a dull recomputation from the nodes.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/recorded.hpp"

using dally::constant_edge;
using dally::delayed;
using dally::lazy;
using dally::node;
using dally::node_id;
using dally::plan;
using dally::tests::counted;
using dally::tests::recorded_node;
using dally::tests::recorded_nodes;

namespace {

int same(int x) { return x; }
int add(int x, int y) { return x + y; }

plan plan_of(std::vector<node const*> const& outputs) { return plan{outputs.data(), outputs.size()}; }
template <typename T>
plan plan_of(lazy<T> const& x) {
  return plan_of(std::vector{recorded_node(x)});
}

std::vector<node const*> tasks_of(plan const& p) {
  std::vector<node const*> tasks;
  for (node_id n = 0; n < p.size(); ++n) tasks.push_back(&p.task(n));
  return tasks;
}

std::vector<std::uint32_t> list(dally::node_ids ids) { return {ids.begin(), ids.end()}; }

/// What is wrong with a plan; empty if nothing is.
std::string fault_of(plan const& p, std::vector<node const*> const& outputs) {
  auto const tasks = tasks_of(p);
  if (std::set<node const*>(tasks.begin(), tasks.end()) != dally::tests::tasks_needed(outputs)) return "tasks";
  if (std::set<node const*>(tasks.begin(), tasks.end()).size() != tasks.size()) return "a task twice";
  auto stands_for = [&](std::uint32_t edge, node const* from) {
    if ((edge & constant_edge) != 0) return from->is_value() && p.constants()[edge & ~constant_edge] == from->payload();
    return edge < p.size() && tasks[edge] == from;
  };
  std::vector<std::uint32_t> uses(p.size());
  std::vector<std::vector<std::uint32_t>> dependents(p.size());
  std::vector<node_id> ready;
  bool chain = true, tracked = false;
  std::uint32_t sinks = 0;
  std::vector<std::pair<std::size_t, std::size_t>> slots;
  for (node_id n = 0; n < p.size(); ++n) {
    auto const dependencies = tasks[n]->dependencies();
    auto const edges = p.edges(n);
    if (edges.size() != dependencies.size()) return "number of edges";
    bool follows = n == 0;
    std::uint32_t waits_for = 0;
    for (std::size_t k = 0; k < edges.size(); ++k) {
      if (!stands_for(edges[k], dependencies[k].from())) return "edge";
      if ((edges[k] & constant_edge) != 0) continue;
      if (edges[k] >= n) return "order";
      follows = follows || edges[k] + 1 == n;
      ++waits_for;
      ++uses[edges[k]];
      dependents[edges[k]].push_back(n);
    }
    chain = chain && follows;
    if (waits_for != p.linked().waits_for[n]) return "waits_for";
    if (waits_for == 0) ready.push_back(n);
    auto const& result = *tasks[n]->type().result;
    tracked = tracked || result.tracked;
    std::size_t const at = p.places()[n];
    if (at % (result.boxed ? alignof(void*) : result.alignment) != 0) return "alignment of a slot";
    slots.emplace_back(at, at + (result.boxed ? sizeof(void*) : result.size));
  }
  for (node_id n = 0; n < p.size(); ++n) {
    if (list(p.dependents(n)) != dependents[n]) return "dependents";
    sinks += dependents[n].empty() ? 1 : 0;
  }
  if (chain != p.is_chain()) return "is_chain";
  auto const& links = p.linked();
  if (ready != std::vector<node_id>(links.ready, links.ready + links.ready_count)) return "ready";
  if (sinks != p.linked().sinks) return "sinks";
  std::sort(slots.begin(), slots.end());
  for (std::size_t i = 1; i < slots.size(); ++i) {
    if (slots[i - 1].second > slots[i].first) return "slots overlap";
  }
  if (!slots.empty() && slots.back().second > p.slot_bytes()) return "slot_bytes";
  if (p.outputs().size() != outputs.size()) return "number of outputs";
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (&p.output(i) != outputs[i] || !stands_for(p.outputs()[i], outputs[i])) return "output";
    if ((p.outputs()[i] & constant_edge) == 0) ++uses[p.outputs()[i]];
  }
  if (tracked != (p.uses() != nullptr)) return "whether uses are counted";
  for (node_id n = 0; tracked && n < p.size(); ++n) {
    if (p.uses()[n] != uses[n]) return "uses";
  }
  return "";
}

struct nothing {};
struct alignas(64) cache_line {
  int value;
};
struct large {
  std::array<int, 100> values;
};

/// Tasks of every size and alignment of result, each from an int and back to one.
template <typename T>
lazy<int> by_way_of(lazy<int> const& x) {
  auto there = delayed([](int) { return T{}; })(x);
  return delayed([](T const&, int i) { return i; })(there, x);
}

struct graph_maker {
  std::mt19937 random;
  bool owning;  // whether results that own memory are among the nodes

  lazy<int> operator()(std::vector<lazy<int>> const& known) {
    auto const pick = [&] { return known[random() % known.size()]; };
    switch (random() % (owning ? 12 : 10)) {
      case 0:
        return lazy{static_cast<int>(random() % 100)};
      case 1:
        return delayed(same)(3);
      case 2:
        return by_way_of<char>(pick());
      case 3:
        return by_way_of<double>(pick());
      case 4:
        return by_way_of<nothing>(pick());
      case 5:
        return pick().then([](int) {}).then([] { return 1; });
      case 6:
        return by_way_of<long double>(pick());
      case 7:
        return delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); })(
            std::vector{pick(), known.back(), pick()});
      case 10:
        return by_way_of<std::string>(pick());
      case 11:
        return random() % 2 == 0 ? by_way_of<cache_line>(pick()) : by_way_of<large>(pick());
      default:
        return delayed(add)(pick(), random() % 2 == 0 ? pick() : lazy{1});
    }
  }
};

std::vector<node const*> some_of(std::vector<lazy<int>> const& nodes, std::mt19937& random) {
  std::vector<node const*> outputs;
  auto const wanted = 1 + random() % 4;
  for (unsigned i = 0; i < wanted; ++i) outputs.push_back(recorded_node(nodes[random() % nodes.size()]));
  return outputs;
}

}  // namespace

TEST_CASE("a plan holds what its outputs need, each node after its dependencies, and nothing else", "[plan]") {
  auto const seed = GENERATE(range(0U, 60U));
  CAPTURE(seed);
  graph_maker make{std::mt19937{seed}, seed % 2 == 0};
  std::vector<lazy<int>> nodes{lazy{0}, delayed(same)(1)};
  auto const size = seed % 10 == 0 ? 20'000U : 5 + seed * 7;
  while (nodes.size() < size) nodes.push_back(make(nodes));
  for (int round = 0; round < 4; ++round) {
    auto const outputs = some_of(nodes, make.random);
    plan const p = plan_of(outputs);
    CHECK(fault_of(p, outputs) == "");
    CHECK(tasks_of(plan_of(outputs)) == tasks_of(p));
    std::vector<node const*> elsewhere;
    std::thread{[&] { elsewhere = tasks_of(plan_of(outputs)); }}.join();
    CHECK(elsewhere == tasks_of(p));
  }
}

TEST_CASE("a plan of nodes that four threads recorded on shared handles is as right", "[plan]") {
  auto const seed = GENERATE(range(0U, 10U));
  CAPTURE(seed);
  std::mutex lock;
  std::vector<lazy<int>> shared{lazy{0}, delayed(same)(1)};
  std::vector<std::thread> recorders;
  for (unsigned t = 0; t < 4; ++t) {
    recorders.emplace_back([&, t] {
      graph_maker make{std::mt19937{seed * 4 + t}, seed % 2 == 0};
      for (int i = 0; i < 300; ++i) {
        std::vector<lazy<int>> known;
        {
          std::lock_guard const hold{lock};
          known = shared;
        }
        auto x = make(known);
        std::lock_guard const hold{lock};
        shared.push_back(std::move(x));
      }
    });
  }
  for (auto& r : recorders) r.join();
  std::mt19937 random{seed};
  for (int round = 0; round < 20; ++round) {
    auto const outputs = some_of(shared, random);
    plan const p = plan_of(outputs);
    CHECK(fault_of(p, outputs) == "");
    CHECK(tasks_of(plan_of(outputs)) == tasks_of(p));
    if (seed % 2 != 0) {
      // Small results: as recorded, which numbers tell.
      auto const tasks = tasks_of(p);
      CHECK(std::is_sorted(tasks.begin(), tasks.end(),
                           [](node const* a, node const* b) { return a->number() < b->number(); }));
    }
  }
}

TEST_CASE("plans are right in blocks that are used again", "[plan]") {
  for (unsigned round = 0; round < 8; ++round) {
    graph_maker make{std::mt19937{round}, round % 2 == 0};
    std::vector<lazy<int>> nodes{lazy{0}, delayed(same)(1)};
    while (nodes.size() < 20'000) nodes.push_back(make(nodes));
    std::vector<node const*> const outputs{recorded_node(nodes.back()), recorded_node(nodes[10'000])};
    CHECK(fault_of(plan_of(outputs), outputs) == "");
    if (round % 3 == 0) {
      std::thread{[&] { nodes.clear(); }}.join();
    }
  }
}

TEST_CASE("while results are small the plan's order is that of recording", "[plan]") {
  std::vector<lazy<int>> loads, sums;
  for (int i = 0; i < 1000; ++i) loads.push_back(delayed(same)(i));
  for (std::size_t i = 0; i < 1000; ++i) sums.push_back(delayed(add)(loads[999 - i], i == 0 ? lazy{0} : sums.back()));
  std::vector<node const*> expected = recorded_nodes(loads);
  for (node const* const n : recorded_nodes(sums)) expected.push_back(n);
  CHECK(tasks_of(plan_of(sums.back())) == expected);
}

TEST_CASE("when results own memory few of them are alive at once", "[plan]") {
  constexpr int loads = 200;
  struct {
    int now = 0, most = 0;
  } alive;
  auto load = [&](int i) {
    counted result{i};
    alive.most = std::max(alive.most, counted::live());
    return result;
  };
  std::vector<lazy<counted>> loaded;
  for (int i = 0; i < loads; ++i) loaded.push_back(delayed(load)(i));
  auto reduce = [&](int sum, counted const& c) { return sum + c.value(); };

  SECTION("in a chain of reductions") {
    lazy<int> total{0};
    for (auto const& c : loaded) total = delayed(reduce)(total, c);
    CHECK(total.compute(dally::synchronous{}) == loads * (loads - 1) / 2);
    CHECK(alive.most <= 2);
  }
  SECTION("in a chain of reductions of owning results") {
    auto merge = [&](counted const& a, counted const& b) {
      counted result{a.value() + b.value()};
      alive.most = std::max(alive.most, counted::live());
      return result;
    };
    lazy<counted> total = loaded.front();
    for (std::size_t i = 1; i < loads; ++i) total = delayed(merge)(total, loaded[i]);
    CHECK(total.compute(dally::synchronous{}).value() == loads * (loads - 1) / 2);
    CHECK(alive.most <= 3);
  }
  SECTION("in a tree") {
    auto merge = [&](counted const& a, counted const& b) { return counted{a.value() + b.value()}; };
    CHECK(dally::tree_reduce(loaded, merge).compute(dally::synchronous{}).value() == loads * (loads - 1) / 2);
    CHECK(alive.most <= 10);
  }
  SECTION("in chains of their own") {
    std::vector<lazy<int>> ends;
    for (auto const& c : loaded) ends.push_back(delayed(reduce)(0, c) + 1);
    CHECK(dally::compute(dally::synchronous{}, ends).size() == loads);
    CHECK(alive.most <= 2);
  }
  loaded.clear();
  CHECK(counted::live() == 0);
}

TEST_CASE("the order does not depend on which argument the running total is", "[plan]") {
  constexpr int loads = 200;
  int most = 0;
  auto load = [&](int i) {
    counted result{i};
    most = std::max(most, counted::live());
    return result;
  };
  std::vector<lazy<counted>> loaded;
  for (int i = 0; i < loads; ++i) loaded.push_back(delayed(load)(i));
  auto reduce = [&](counted const& c, int sum) { return sum + c.value(); };
  lazy<int> total{0};
  for (auto const& c : loaded) total = delayed(reduce)(c, total);
  CHECK(total.compute(dally::synchronous{}) == loads * (loads - 1) / 2);
  CHECK(most <= 3);
}

TEST_CASE("of branches of one height the first argument's comes first, of others the highest", "[plan][order]") {
  auto load = delayed([](int i) { return counted{i}; });
  auto pass = delayed([](counted const& c) { return c; });
  auto sum = delayed([](std::vector<counted> const& v) { return static_cast<int>(v.size()); });
  std::vector<lazy<counted>> leaves;
  for (int i = 0; i < 30; ++i) leaves.push_back(load(i));
  for (std::size_t const width : {2U, 16U, 17U, 30U}) {
    CAPTURE(width);
    std::vector<lazy<counted>> const backwards(leaves.rend() - static_cast<std::ptrdiff_t>(width), leaves.rend());
    auto expected = recorded_nodes(backwards);
    auto total = sum(backwards);
    expected.push_back(recorded_node(total));
    CHECK(tasks_of(plan_of(total)) == expected);
  }
  auto high = pass(pass(leaves[2]));
  auto middle = pass(leaves[1]);
  auto both = delayed([](counted const&, counted const&, counted const&) { return 0; })(leaves[0], middle, high);
  auto const tasks = tasks_of(plan_of(both));
  REQUIRE(tasks.size() == 7);
  CHECK(tasks[0] == recorded_node(leaves[2]));
  CHECK(tasks[2] == recorded_node(high));
  CHECK(tasks[3] == recorded_node(leaves[1]));
  CHECK(tasks[5] == recorded_node(leaves[0]));
}

TEST_CASE("the places of results of one size are reckoned, not looked up", "[plan]") {
  struct three {
    int values[3];
  };
  auto const chain_of = [](auto first) {
    using value = decltype(first);
    lazy<value> x = delayed([](value const& v) { return v; })(first);
    for (int i = 0; i < 9; ++i) x = x.then([](value const& v) { return v; });
    return x;
  };
  auto const check = [](auto const& x, bool looked_up, std::size_t bytes) {
    plan const p = plan_of(x);
    CHECK(fault_of(p, {recorded_node(x)}) == "");
    CHECK((p.places().table != nullptr) == looked_up);
    CHECK(p.slot_bytes() == bytes);
  };
  check(chain_of(1), false, 40);
  check(chain_of(1.5), false, 80);
  check(chain_of(large{}), false, 80);             // in a box
  check(chain_of(three{}), true, 120);             // no power of two
  check(by_way_of<double>(lazy{1}), true, 8 + 4);  // of different sizes
}

TEST_CASE("results of 32 MiB together are not small any more", "[plan]") {
  using block = std::array<char, 1 << 20>;
  auto const order_is_recorded = [](std::size_t loads) {
    std::vector<lazy<block>> loaded;
    for (std::size_t i = 0; i < loads; ++i) loaded.push_back(delayed([] { return block{}; })());
    lazy<int> total{0};
    for (auto const& b : loaded) total = delayed([](int sum, block const& read) { return sum + read[0]; })(total, b);
    auto const tasks = tasks_of(plan_of(total));
    return std::is_sorted(tasks.begin(), tasks.end(),
                          [](node const* a, node const* b) { return a->number() < b->number(); });
  };
  CHECK(order_is_recorded(31));
  CHECK(!order_is_recorded(33));
}

TEST_CASE("a chain is told from what is none", "[plan]") {
  lazy<int> chain = delayed(same)(0);
  CHECK(plan_of(chain).is_chain());
  for (int i = 0; i < 100; ++i) chain = delayed(add)(lazy{1}, chain);
  CHECK(plan_of(chain).is_chain());
  auto skipping = delayed(add)(chain, chain);
  CHECK(plan_of(skipping).is_chain());
  auto a = delayed(add)(chain, 1), b = delayed(add)(chain, 2);
  CHECK(!plan_of(a + b).is_chain());
  CHECK(!plan_of(delayed(same)(1) + delayed(same)(2)).is_chain());
  CHECK(plan_of(lazy{1}).is_chain());
  CHECK(plan_of(lazy{1}).size() == 0);
}

TEST_CASE("literals and persisted values are constants, not tasks", "[plan]") {
  lazy literal{5};
  auto persisted = delayed(add)(1, 2).persist(dally::synchronous{});
  auto x = delayed(add)(literal, persisted);
  std::vector<node const*> const outputs{recorded_node(literal), recorded_node(x), recorded_node(persisted),
                                         recorded_node(x)};
  plan const p = plan_of(outputs);
  CHECK(fault_of(p, outputs) == "");
  CHECK(p.size() == 1);
  CHECK(*static_cast<int const*>(p.constants()[p.edges(0)[1] & ~constant_edge]) == 3);
  CHECK(p.outputs()[1] == 0);
  CHECK(p.outputs()[3] == 0);
}

TEST_CASE("a plan keeps its outputs alive, and nothing after its end", "[plan]") {
  auto make = [](counted const& c) { return c.value(); };
  {
    std::optional<plan> p;
    {
      auto x = delayed(make)(counted{1});
      node const* const output = recorded_node(x);
      p.emplace(&output, 1);
    }
    CHECK(counted::live() == 1);
    CHECK(p->task(0).label().starts_with("lambda at plan_test.cpp:"));
  }
  CHECK(counted::live() == 0);
}
