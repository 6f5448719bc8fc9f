// A recorded call: its number, its key, its end.

#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/recorded.hpp"
#include "support/sanitizers.hpp"

using dally::delayed;
using dally::lazy;
using dally::node;
using dally::node_block;
using dally::tests::counted;
using dally::tests::recorded_node;

namespace {

int same(int x) { return x; }
int add(int x, int y) { return x + y; }

constexpr int deep = dally::tests::sanitized ? 200'000 : 1'000'000;

/// Ends what `make` returns on a thread of 256 KiB stack, where a recursion of some thousand calls would be fatal.
template <typename Make>
void end_on_a_small_stack(Make make) {
  auto run = [](void* argument) -> void* {
    auto ended = (*static_cast<Make*>(argument))();
    return nullptr;
  };
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, std::size_t{256} << 10) == 0);
  pthread_t thread;
  REQUIRE(pthread_create(&thread, &attributes, run, &make) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
}

struct chained {
  lazy<chained> next;
  counted here;
};

/// Throws when it is copied for the `copies_left`-th time, and notes where.
struct throws_when_copied {
  explicit throws_when_copied(int copies) : copies_left{copies} {}
  throws_when_copied(throws_when_copied const& other) : copies_left{other.copies_left - 1} {
    last_address = this;
    if (copies_left < 0) throw std::length_error{"no copy"};
  }
  int copies_left;
  static inline void const* last_address = nullptr;
};

}  // namespace

TEST_CASE("nodes die without recursion, however deep the graph", "[node]") {
  SECTION("a chain of dependencies") {
    end_on_a_small_stack([] {
      lazy<int> x{0};
      for (int i = 0; i < deep; ++i) x = delayed(add)(x, i);
      return x;
    });
  }
  SECTION("callables that hold handles") {
    end_on_a_small_stack([] {
      lazy<int> x = delayed(same)(0);
      for (int i = 0; i < deep; ++i) x = delayed([held = std::move(x)] { return 1; })();
      return x;
    });
  }
  SECTION("literals that hold handles") {
    end_on_a_small_stack([] {
      lazy<chained> x;
      for (int i = 0; i < deep; ++i) x = lazy<chained>{chained{std::move(x), counted{i}}};
      return x;
    });
    CHECK(counted::live() == 0);
  }
  SECTION("arguments that hold handles in memory of their own") {
    end_on_a_small_stack([] {
      auto first = [](std::map<int, int> const& m) { return m.begin()->second; };
      lazy<int> x = delayed(same)(0);
      for (int i = 0; i < deep / 4; ++i) x = delayed(first)(std::map<int, lazy<int>>{{i, x}, {i + 1, x}});
      return x;
    });
  }
  SECTION("a wide graph of deep branches, ended from a handle in its midst") {
    end_on_a_small_stack([] {
      std::vector<lazy<int>> ends;
      lazy<int> x{0};
      for (int i = 0; i < deep / 10; ++i) {
        x = delayed(add)(x, i);
        if (i % 1000 == 0) ends.push_back(delayed(add)(x, x));
      }
      return ends;
    });
  }
}

TEST_CASE("a node's callable, arguments and name end with its last handle or dependent, once", "[node]") {
  REQUIRE(counted::live() == 0);
  auto value = [](counted const& c, int) { return c.value(); };
  {
    auto x = delayed(value, {.name = std::string(100, 'n')})(counted{1}, 2);
    CHECK(counted::live() == 1);
    auto y = delayed(add)(x, 1);
    x = lazy<int>{};
    CHECK(counted::live() == 1);
    auto held = delayed([c = counted{3}](int i) { return c.value() + i; })(y);
    CHECK(counted::live() == 2);
    y = held;
    CHECK(held.compute(dally::synchronous{}) == 5);
    CHECK(counted::live() == 2);
  }
  CHECK(counted::live() == 0);
  {
    auto literal = lazy{counted{4}};
    auto copy = literal;
    literal = lazy<counted>{};
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a call whose argument cannot be copied records nothing and leaves nothing behind", "[node]") {
  auto use = [](counted const& a, throws_when_copied const&, int b) { return a.value() + b; };
  auto b = delayed(same)(1);
  counted const a{5};
  throws_when_copied const bad{0};
  auto const before = recorded_node(b)->number();
  std::set<node_block const*> blocks;
  for (int i = 0; i < 100'000; ++i) {
    bool threw = false;
    try {
      static_cast<void>(delayed(use, {.name = "refused"})(a, bad, std::move(b)));
    } catch (std::length_error const&) {
      threw = true;
    }
    if (!threw || counted::live() != 1) FAIL("round " << i);
    blocks.insert(&node_block::of(throws_when_copied::last_address));
  }
  CHECK(counted::live() == 1);
  // Its memory is used again: 100,000 calls of 80 bytes and more are at least four blocks.
  CHECK(blocks.size() <= 3);
  // An argument that should have been moved in is still whole.
  CHECK(b.compute(dally::synchronous{}) == 1);
  auto after = delayed(use)(a, throws_when_copied{10}, b);
  CHECK(after.compute(dally::synchronous{}) == 6);
  CHECK(recorded_node(after)->number() > before);
}

TEST_CASE("a name that is given is kept, whatever is aligned behind it", "[node]") {
  struct alignas(128) wide {
    int value;
  };
  auto read = [](wide const& w, char c) { return w.value + c; };
  for (int i = 0; i < 100; ++i) {
    auto x = delayed(read, {.name = "task " + std::to_string(i)})(wide{i}, 'a');
    CHECK(x.name() == "task " + std::to_string(i));
    CHECK(x.compute(dally::synchronous{}) == i + 'a');
  }
}

TEST_CASE("a node's dependencies are those of its arguments, in order", "[node]") {
  auto a = delayed(same)(1), b = delayed(same)(2);
  lazy c{3};
  auto f = [](int, std::vector<int> const&, int, std::map<int, int> const&, std::string const&) { return 0; };
  auto x = delayed(f)(b, std::vector{a, c, a}, 5, std::map<int, lazy<int>>{{2, b}, {1, a}}, lazy<std::string>{"s"});
  auto const all = recorded_node(x)->dependencies();
  std::vector<node const*> const expected{recorded_node(b), recorded_node(a), recorded_node(c),
                                          recorded_node(a), recorded_node(a), recorded_node(b)};
  REQUIRE(all.size() == 7);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(all[i].from() == expected[i]);
  CHECK(all[6].from()->is_value());
  CHECK(all[2].from()->is_value());
  CHECK(!recorded_node(x)->is_value());
}

TEST_CASE("keys are unique, over threads and over memory that is used again", "[node][key]") {
  constexpr int threads = 4, rounds = 5, nodes = 20'000;
  std::vector<std::vector<dally::key>> keys(threads);
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::thread> recorders;
    for (std::size_t t = 0; t < threads; ++t) {
      recorders.emplace_back([&mine = keys[t]] {
        lazy<int> x{0};
        for (int i = 0; i < nodes; ++i) {
          x = delayed(same, {.name = "x"})(x);
          mine.push_back(x.key());
        }
      });
    }
    for (auto& r : recorders) r.join();
  }
  std::unordered_set<dally::key> different;
  for (auto const& of_thread : keys) {
    for (auto const& k : of_thread) {
      different.insert(k);
    }
  }
  constexpr std::size_t total = std::size_t{threads} * rounds * nodes;
  CHECK(different.size() == total);
}

TEST_CASE("a key begins with the task's label and is that of every handle", "[node][key]") {
  auto x = delayed(same)(1);
  auto const k = x.key();
  CHECK(k.name() == x.name());
  auto copy = x;
  CHECK(copy.key() == k);
  x = lazy<int>{};
  CHECK(copy.key() == k);
  auto persisted = copy.persist(dally::synchronous{});
  CHECK(persisted.key() != k);
  CHECK(persisted.name() == k.name());
}
