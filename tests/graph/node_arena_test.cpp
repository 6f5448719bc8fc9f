// Where nodes lie: blocks of 2 MiB, in the order of recording, used again.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <latch>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/recorded.hpp"

using dally::delayed;
using dally::lazy;
using dally::node;
using dally::node_block;
using dally::tests::counted;
using dally::tests::recorded_node;

namespace {

int same(int x) { return x; }
int add(int x, int y) { return x + y; }

bool in_order(node const* a, node const* b) {
  node_block const &first = node_block::of(a), &second = node_block::of(b);
  bool const higher = &first == &second ? a < b : first.serial() < second.serial();
  return first.origin() == second.origin() && higher && a->number() < b->number();
}

template <typename T>
std::set<node_block const*> blocks_of(std::vector<lazy<T>> const& nodes) {
  std::set<node_block const*> blocks;
  for (auto const& x : nodes) {
    if (!recorded_node(x)->is_value()) blocks.insert(&node_block::of(recorded_node(x)));
  }
  return blocks;
}

struct fat {
  std::array<char, 3 << 20> bytes;
};

struct alignas(64) cache_line {
  int value;
};
struct alignas(4096) page {
  int value;
};

template <typename T>
std::uintptr_t misalignment(T const& x) {
  return reinterpret_cast<std::uintptr_t>(&x) % alignof(T) + (x.value == 7 ? 0 : 1);
}

}  // namespace

TEST_CASE("one thread's nodes ascend in memory, in their blocks' serials and in number", "[node_arena]") {
  std::vector<lazy<int>> nodes{delayed(same)(0)};
  int wrong = 0;
  auto record = [&](lazy<int> x) {
    wrong += in_order(recorded_node(nodes.back()), recorded_node(x)) ? 0 : 1;
    nodes.push_back(std::move(x));
  };
  for (int i = 0; i < 50'000; ++i) {
    record(delayed(add)(nodes.back(), nodes[nodes.size() / 2]));
    record(delayed(same, {.name = "named"})(i));
    lazy const literal{i};  // has a number of the arena's, but lies elsewhere
    wrong += recorded_node(literal)->number() > recorded_node(nodes.back())->number() ? 0 : 1;
    record(delayed(same)(literal));
    if (i % 100 == 0) record(delayed(add)(lazy{i}, delayed(same)(i)).then(same));
    if (i % 500 == 0) record(delayed([](std::string const&, page const& p) { return p.value; })("text", page{}));
  }
  CHECK(wrong == 0);
  CHECK(blocks_of(nodes).size() >= 4);
}

TEST_CASE("a node's number is above those of what it depends on, whoever recorded that", "[node_arena]") {
  std::mutex lock;
  std::vector<lazy<int>> shared{lazy{1}};
  std::latch recording{4};  // each has an arena of its own before one of them ends
  auto record = [&](unsigned seed) {
    std::mt19937 random{seed};
    lazy<int> const first = delayed(same)(0);
    recording.arrive_and_wait();
    for (int i = 0; i < 5'000; ++i) {
      lazy<int> a, b;
      {
        std::lock_guard const hold{lock};
        a = shared[random() % shared.size()];
        b = shared.back();
      }
      auto x = delayed(add)(std::move(a), b);
      std::lock_guard const hold{lock};
      shared.push_back(std::move(x));
    }
  };
  std::vector<std::thread> recorders;
  for (unsigned t = 0; t < 4; ++t) recorders.emplace_back(record, t);
  for (auto& r : recorders) r.join();
  CHECK(shared.size() == 20'001);
  int wrong = 0;
  std::set<std::uint32_t> arenas;
  for (auto const& x : shared) {
    if (!recorded_node(x)->is_value()) arenas.insert(node_block::of(recorded_node(x)).origin().arena);
    for (dally::dependency const d : recorded_node(x)->dependencies()) {
      wrong += d.from()->number() < recorded_node(x)->number() ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
  CHECK(arenas.size() == 4);
}

TEST_CASE("blocks whose nodes have all died are used again", "[node_arena]") {
  std::set<node_block const*> seen;
  std::size_t first_round = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<lazy<int>> nodes{lazy{0}};
    for (int i = 0; i < 200'000; ++i) nodes.push_back(delayed(add)(nodes.back(), i));
    seen.merge(blocks_of(nodes));
    if (round == 0) first_round = seen.size();
  }
  CHECK(first_round >= 4);
  CHECK(seen.size() <= first_round + 2);
}

TEST_CASE("blocks are used again when what takes their nodes, in other blocks and any order, has died",
          "[node_arena]") {
  constexpr std::size_t size = 120'000;
  std::set<node_block const*> seen;
  std::size_t first_rounds = 0;
  for (int round = 0; round < 8; ++round) {
    std::vector<lazy<int>> takers;
    {
      std::vector<lazy<int>> leaves;
      for (std::size_t i = 0; i < size; ++i) leaves.push_back(delayed(same)(static_cast<int>(i)));
      for (std::size_t i = 0; i < size; ++i) {
        takers.push_back(delayed(add)(leaves[i * 7919 % size], leaves[(size - i) % size]));
      }
      seen.merge(blocks_of(leaves));
    }
    seen.merge(blocks_of(takers));
    for (std::size_t i = 0; i < size; i += 2) takers[i] = lazy<int>{};
    // What a living one takes is alive, in whatever block.
    std::size_t const last = size - 1;
    CHECK(takers[last].compute(dally::synchronous{}) == static_cast<int>(last * 7919 % size + 1));
    if (round == 1) first_rounds = seen.size();
  }
  CHECK(first_rounds >= 6);
  CHECK(seen.size() <= first_rounds + 2);
}

TEST_CASE("nodes of few inputs and many die once, over many blocks, in whatever order their handles end",
          "[node_arena]") {
  constexpr std::size_t size = 120'000;
  REQUIRE(counted::live() == 0);
  auto const window = GENERATE(values<std::size_t>({200, 100'000}));
  CAPTURE(window);
  std::mt19937 random{7};
  auto two = [](int a, int b) { return a ^ b; };
  auto three = [](int a, int b, int c) { return a ^ b ^ c; };
  auto all_of = [](std::vector<int> const& all, counted const&) { return static_cast<int>(all.size()); };
  std::set<node_block const*> seen;
  std::size_t first_rounds = 0;
  for (int round = 0; round < 4; ++round) {
    std::vector<lazy<int>> nodes;
    auto const some = [&] {
      std::size_t const reach = std::min(window, nodes.size());
      return nodes[nodes.size() - 1 - random() % reach];
    };
    for (std::size_t i = 0; i < size; ++i) {
      switch (nodes.empty() ? 0 : random() % 8) {
        case 0:
          nodes.push_back(delayed(same)(static_cast<int>(i)));
          break;
        case 1:
          nodes.push_back(delayed(same)(some()));
          break;
        case 2:
          nodes.push_back(delayed(two)(some(), some()));
          break;
        case 3:  // a handle in what is ended
          nodes.push_back(delayed([held = some()](int x) { return x; })(some()));
          break;
        case 4:
          nodes.push_back(delayed(all_of)(std::vector{some(), some(), some(), some(), some()}, counted{1}));
          break;
        default:
          nodes.push_back(delayed(three)(some(), some(), some()));
      }
    }
    seen.merge(blocks_of(nodes));
    auto last = nodes.back();
    std::shuffle(nodes.begin(), nodes.end(), random);
    if (round % 2 == 0) {
      nodes.clear();
    } else {  // two threads end what they share
      std::vector<lazy<int>> half(std::make_move_iterator(nodes.begin() + size / 2),
                                  std::make_move_iterator(nodes.end()));
      nodes.resize(size / 2);
      std::thread other{[&half] { half.clear(); }};
      nodes.clear();
      other.join();
    }
    static_cast<void>(last.compute(dally::synchronous{}));  // what it takes is alive
    last = lazy<int>{};
    CHECK(counted::live() == 0);
    if (round == 1) first_rounds = seen.size();
  }
  CHECK(first_rounds >= 4);
  CHECK(seen.size() <= first_rounds + 2);
}

TEST_CASE("the links and leaves of a fold die once, wherever they lie and whoever else holds some", "[node_arena]") {
  constexpr int size = 100'000;
  bool const leaves_first = GENERATE(true, false);
  CAPTURE(leaves_first);
  REQUIRE(counted::live() == 0);
  std::mt19937 random{11};
  std::set<node_block const*> seen;
  std::size_t first_rounds = 0;
  for (int round = 0; round < 8; ++round) {
    std::vector<lazy<int>> leaves;
    auto const leaf = [&](int i) {
      if (random() % 16 == 0) return delayed([](counted const&, int x) { return x; })(counted{1}, i);
      return random() % 16 == 0 ? lazy{i} : delayed(same)(i);
    };
    for (int i = 0; leaves_first && i < size; ++i) leaves.push_back(leaf(i % 100));
    std::vector<lazy<int>> held;
    std::vector<int> held_values;
    std::vector<lazy<int>> others;  // end by another thread, in odd rounds
    lazy<int> sum{0};
    int value = 0;
    for (int i = 0; i < size; ++i) {
      lazy<int> const one = leaves_first ? std::move(leaves[static_cast<std::size_t>(i)]) : leaf(i % 100);
      value += i % 100;
      switch (random() % 64) {
        case 0:  // taken from the other side
          sum = delayed(add)(one, sum);
          break;
        case 1:  // twice the same
          sum = delayed(add)(sum, delayed(add)(one, one));
          value += i % 100;
          break;
        case 2:
          sum = delayed(add)(sum, one).then(same);
          held.push_back(one);
          held_values.push_back(i % 100);
          break;
        case 3:  // a link in which something is to be ended
          sum = delayed([](counted const&, int x, int y) { return x + y; })(counted{1}, sum, one);
          break;
        default:
          sum = delayed(add)(sum, one);
      }
      if (random() % 8 == 0) others.push_back(random() % 2 == 0 ? one : sum);
      if (random() % 4096 == 0) {
        held.push_back(sum);
        held_values.push_back(value);
      }
      if (i % 1000 == 0) seen.merge(blocks_of(std::vector{sum, one}));
    }
    CHECK(sum.compute(dally::synchronous{}) == value);
    std::thread other;
    if (round % 2 == 0) {
      others.clear();
    } else {
      other = std::thread{[&others] { others.clear(); }};
    }
    sum = lazy<int>{};  // with it all that nothing else holds, up to the last link that something does
    if (other.joinable()) other.join();
    leaves.clear();
    int wrong = 0;
    while (!held.empty()) {
      wrong += held.back().compute(dally::synchronous{}) == held_values.back() ? 0 : 1;
      held.pop_back();
      held_values.pop_back();
    }
    CHECK(wrong == 0);
    CHECK(counted::live() == 0);
    if (round == 3) first_rounds = seen.size();
  }
  CHECK(first_rounds >= 4);
  CHECK(seen.size() <= first_rounds + 2);
}

TEST_CASE("one live node keeps its block from being used again", "[node_arena]") {
  std::vector<lazy<int>> survivors;
  std::set<node_block const*> theirs;
  for (int round = 0; round < 5; ++round) {
    std::vector<lazy<int>> nodes;
    for (int i = 0; i < 100'000; ++i) {
      nodes.push_back(delayed(add)(i, round));
      if (!theirs.contains(&node_block::of(recorded_node(nodes.back())))) continue;
      // Only the block that was open when the survivor of a round was chosen may go on.
      if (recorded_node(nodes.back())->number() < recorded_node(survivors.back())->number())
        FAIL("a block was used twice");
    }
    survivors.push_back(nodes[nodes.size() / 2]);
    theirs.insert(&node_block::of(recorded_node(survivors.back())));
  }
  for (int round = 0; round < 5; ++round) {
    CHECK(survivors[static_cast<std::size_t>(round)].compute(dally::synchronous{}) == 50'000 + round);
  }
  CHECK(theirs.size() == 5);
}

TEST_CASE("what is kept of each of many graphs, its results or inputs, keeps no block of theirs", "[node_arena]") {
  constexpr int requests = 600;
  constexpr int tasks = 1'000;  // 16 blocks together, if they were kept
  struct kept {
    std::vector<lazy<int>> values;
    std::vector<lazy<std::string>> texts;
    std::vector<lazy<std::vector<int>>> lists;
    std::set<node_block const*> seen;
  };
  auto const serve = [](kept& cache, int first) {
    for (int r = first; r < first + requests; ++r) {
      lazy const input{r};  // a literal
      std::vector<lazy<int>> all;
      for (int i = 0; i < tasks; ++i) all.push_back(delayed(add)(input, i));
      cache.seen.insert(&node_block::of(recorded_node(all.back())));
      cache.values.push_back(input);
      cache.values.push_back(delayed(add)(all[1], all[2]).persist(dally::synchronous{}));
      cache.texts.push_back(
          delayed([](int x) { return std::string(40, static_cast<char>('a' + x % 26)); })(all[3]).persist(
              dally::synchronous{}));
      cache.lists.push_back(dally::collect(std::vector{all[4], all[5]}).persist(dally::synchronous{}));
      for (auto& x : all) x = {};
    }
  };
  auto const check = [](kept const& cache, int first) {
    int wrong = 0;
    for (int i = 0; i < requests; ++i) {
      int const r = first + i;
      auto const at = static_cast<std::size_t>(i);
      wrong += cache.values[2 * at].compute(dally::synchronous{}) == r ? 0 : 1;
      wrong += cache.values[2 * at + 1].compute(dally::synchronous{}) == 2 * r + 3 ? 0 : 1;
      wrong += cache.texts[at].compute(dally::synchronous{})[0] == 'a' + (r + 3) % 26 ? 0 : 1;
      wrong += cache.lists[at].compute(dally::synchronous{}) == std::vector{r + 4, r + 5} ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(cache.seen.size() <= 8);  // those of other threads in turn
  };
  SECTION("by one thread") {
    kept cache;
    serve(cache, 0);
    check(cache, 0);
  }
  SECTION("by several, and given up by others") {
    std::vector<kept> caches(3);
    std::vector<std::thread> servers;
    for (int t = 0; t < 3; ++t)
      servers.emplace_back([&, t] { serve(caches[static_cast<std::size_t>(t)], t * requests); });
    for (auto& s : servers) s.join();
    for (int t = 0; t < 3; ++t) check(caches[static_cast<std::size_t>(t)], t * requests);
    std::thread{[&] { caches.clear(); }}.join();
  }
}

TEST_CASE("a value is its type's own alignment and dies with its last handle, whatever it holds", "[node_arena]") {
  REQUIRE(counted::live() == 0);
  {
    std::vector<lazy<page>> pages;
    std::vector<lazy<cache_line>> lines;
    for (int i = 0; i < 20; ++i) {
      pages.push_back(delayed([](page const& p) { return p; })(page{i}).persist(dally::synchronous{}));
      lines.emplace_back(cache_line{i});
    }
    for (int i = 0; i < 20; ++i) {
      auto const at = static_cast<std::size_t>(i);
      CHECK(reinterpret_cast<std::uintptr_t>(recorded_node(pages[at])->payload()) % alignof(page) == 0);
      CHECK(reinterpret_cast<std::uintptr_t>(recorded_node(lines[at])->payload()) % alignof(cache_line) == 0);
      CHECK(pages[at].compute(dally::synchronous{}).value == i);
      CHECK(lines[at].name() == recorded_node(lines[at])->label());
    }
  }
  // A chain of values, each of which holds the one before: ends without recursion.
  struct link {
    lazy<int> count;
    std::shared_ptr<lazy<link>> before;
    counted one{1};
  };
  {
    lazy<link> chain{link{lazy{0}, nullptr}};
    for (int i = 1; i < 200'000; ++i) chain = lazy<link>{link{lazy{i}, std::make_shared<lazy<link>>(chain)}};
    CHECK(counted::live() == 200'000);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a thread that ends leaves its arena to the next that records", "[node_arena]") {
  std::vector<lazy<int>> nodes;
  for (int t = 0; t < 20; ++t) {
    std::thread{[&] {
      for (int i = 0; i < 1000; ++i) nodes.push_back(delayed(same)(i));
    }}.join();
  }
  int wrong = 0;
  for (std::size_t i = 1; i < nodes.size(); ++i)
    wrong += in_order(recorded_node(nodes[i - 1]), recorded_node(nodes[i])) ? 0 : 1;
  CHECK(wrong == 0);
  // 20 threads' nodes fit the block that one thread would have used, or the next.
  CHECK(blocks_of(nodes).size() <= 2);
  CHECK(delayed([](std::vector<int> const& v) { return v.size(); })(nodes).compute(dally::synchronous{}) == 20'000);
}

TEST_CASE("threads that record at once have arenas of their own", "[node_arena]") {
  std::vector<std::vector<lazy<int>>> nodes(4);
  std::vector<std::thread> recorders;
  for (auto& mine : nodes) {
    recorders.emplace_back([&mine] {
      for (int i = 0; i < 20'000; ++i) mine.push_back(delayed(same)(i));
    });
  }
  for (auto& r : recorders) r.join();
  int wrong = 0;
  for (auto const& mine : nodes) {
    for (std::size_t i = 1; i < mine.size(); ++i)
      wrong += in_order(recorded_node(mine[i - 1]), recorded_node(mine[i])) ? 0 : 1;
  }
  CHECK(wrong == 0);
  // What one thread recorded may end on another.
  std::thread{[&] { nodes.clear(); }}.join();
}

TEST_CASE("a new thread's first block is used whole, though its beginning is enough for most", "[node_arena]") {
  constexpr std::size_t threads = 12;
  constexpr std::size_t left_before = 5;  // arenas of threads that have ended, at most: their blocks may be used
  std::vector<std::vector<lazy<int>>> nodes(threads);
  std::vector<std::thread> recorders;
  std::latch all_record{threads};
  for (auto& mine : nodes) {
    recorders.emplace_back([&] {
      mine.push_back(delayed(same)(0));
      all_record.arrive_and_wait();
      // Past its beginning once by small nodes, 144 KB, and once by a single one.
      for (int i = 0; i < 3'000; ++i) mine.push_back(delayed(same)(i));
      auto const first = [](std::array<char, 100'000> const& of) { return int{of[0]}; };
      for (int i = 0; i < 3; ++i) mine.push_back(delayed(first)(std::array<char, 100'000>{static_cast<char>(i)}));
    });
  }
  for (auto& r : recorders) r.join();
  std::size_t in_one_block = 0;
  for (auto const& mine : nodes) {
    int wrong = 0;
    for (std::size_t i = 1; i < mine.size(); ++i)
      wrong += in_order(recorded_node(mine[i - 1]), recorded_node(mine[i])) ? 0 : 1;
    CHECK(wrong == 0);
    in_one_block += blocks_of(mine).size() == 1 ? 1 : 0;
    CHECK(mine[1'500].compute(dally::synchronous{}) == 1'499);
    CHECK(mine.back().compute(dally::synchronous{}) == 2);
  }
  CHECK(in_one_block >= threads - left_before);
}

TEST_CASE("a node may be larger than a block", "[node_arena]") {
  auto const big = std::make_unique<fat>();
  for (std::size_t i = 0; i < big->bytes.size(); ++i) big->bytes[i] = static_cast<char>(i % 7);
  auto sum = [](fat const& f, int x) {
    for (char c : f.bytes) x += c;
    return x;
  };
  int expected = 0;
  for (char c : big->bytes) expected += c;
  lazy<int> x = delayed(same)(0);
  std::vector<lazy<int>> between;
  for (int i = 0; i < 5; ++i) {
    x = delayed(sum, {.name = "big"})(*big, x);
    between.push_back(delayed(same)(i));
    x = delayed(add)(x, between.back());
  }
  CHECK(x.name() == "add");
  CHECK(x.compute(dally::synchronous{}) == 5 * expected + 10);
  CHECK(x.compute(dally::threads{2}) == 5 * expected + 10);
  // Its blocks are used again as well.
  std::set<node_block const*> seen;
  for (int i = 0; i < 50; ++i) seen.insert(&node_block::of(recorded_node(delayed(sum)(*big, 1))));
  CHECK(seen.size() <= 3);
}

TEST_CASE("a node may have more dependencies than fit a block", "[node_arena]") {
  std::vector<lazy<int>> leaves(600'000, delayed(same)(1));
  auto count = [](std::vector<int> const& v) {
    std::size_t ones = 0;
    for (int x : v) ones += x == 1 ? 1 : 0;
    return ones;
  };
  auto x = delayed(count)(leaves);
  auto y = delayed(count)(std::move(leaves));
  CHECK((x + y).compute(dally::synchronous{}) == 1'200'000);
  x = {};
  CHECK(y.compute(dally::threads{2}) == 600'000);
}

TEST_CASE("arguments lie at their alignment", "[node_arena]") {
  lazy<int> shift{0};
  for (int i = 0; i < 300; ++i) {
    // Nodes of 8 bytes' more and less in between, so that alignment is no accident.
    shift = i % 2 == 0 ? delayed(same)(shift) : delayed(add)(shift, i);
    CHECK(delayed(misalignment<cache_line>)(cache_line{7}).compute(dally::synchronous{}) == 0);
    CHECK(delayed(misalignment<page>, {.name = "p"})(page{7}).compute(dally::synchronous{}) == 0);
    auto both = [](int, page const& p, char, cache_line const& c) { return misalignment(p) + misalignment(c); };
    CHECK(delayed(both)(shift, page{7}, 'x', cache_line{7}).compute(dally::synchronous{}) == 0);
    CHECK(delayed(misalignment<page>)(lazy{page{7}}).compute(dally::synchronous{}) == 0);
  }
}

TEST_CASE("recording inside a recording keeps both nodes whole", "[node_arena]") {
  // An argument that records while it is copied.
  struct recorder {
    recorder() = default;
    recorder(recorder const& other) : inner{delayed(add)(other.value, 1)}, value{other.value + 1} {}
    lazy<int> inner;
    int value = 0;
  };
  auto read = [](recorder const& r) { return r.value + r.inner.compute(dally::synchronous{}); };
  std::vector<lazy<int>> all;
  recorder const original;
  for (int i = 0; i < 50'000; ++i) all.push_back(delayed(read)(original));
  CHECK(all.front().compute(dally::synchronous{}) == 2);
  CHECK(all.back().compute(dally::synchronous{}) == 2);
  CHECK(blocks_of(all).size() >= 2);
}
