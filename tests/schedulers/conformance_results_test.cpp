// What every scheduler makes of results: which are copied, where they are read, how containers of them are kept.

#include <array>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <valarray>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/schedulers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::flatten;
using dally::lazy;
using dally::persist;
using dally::tests::counted;
using dally::tests::shared_counter;

namespace {

using ints = std::vector<int>;

int twice(int x) { return 2 * x; }
int sum(dally::refs<int> all) { return std::accumulate(all.begin(), all.end(), 0); }
int sum_counted(dally::refs<counted> all) {
  int total = 0;
  for (counted const& x : all) total += x.value();
  return total;
}
int sum_owned(dally::refs<std::unique_ptr<int>> const& all) {
  int total = 0;
  for (std::size_t i = 0; i < all.size(); ++i) total += *all[i];
  return total;
}

/// Copying one records a task.
struct expression {
  lazy<int> value;
  explicit expression(lazy<int> v) : value{std::move(v)} {}
  expression(expression const& other) : value{delayed(twice)(other.value)} {}
};

/// A callable whose copies record what they add.
struct adder {
  lazy<int> added;
  explicit adder(lazy<int> x) : added{std::move(x)} {}
  adder(adder const& other) : added{delayed(twice)(other.added)} {}
  int operator()(int x) const { return x + 1; }
};

/// A type of the user's with a lazy that persist may replace.
struct stage {
  lazy<int> a;
  ints rest;
};

}  // namespace

template <>
struct dally::traversal<expression> {
  using plain = int;
  static int rebuild(expression const& e, auto&& value_of) { return value_of(e.value); }
  static void each(expression const& e, auto&& visit) { visit(e.value); }
};
template <>
struct dally::traversal<stage> {
  using plain = int;
  static int rebuild(stage const& s, auto&& value_of) { return value_of(s.a); }
  static void each(auto& s, auto&& visit) { visit(s.a); }
};

DALLY_TEST_ON_EVERY_LOCAL_SCHEDULER("an argument's copy constructor may record tasks, which the call then takes") {
  expression const e{delayed(twice)(5)};
  auto once = delayed([](int v) { return v + 1; })(e);
  CHECK(once.compute(scheduler) == 21);
  CHECK((once + delayed([](int v) { return v; })(e)).compute(scheduler) == 41);
  auto with_more = delayed([](int a, ints const& b, int c) { return a + static_cast<int>(b.size()) + c; })(
      e, std::vector<lazy<int>>{once, once}, delayed(twice)(once));
  CHECK(with_more.compute(scheduler) == 20 + 2 + 42);
  // Results that own memory are ordered otherwise.
  auto owning = delayed([](int v) { return ints(static_cast<std::size_t>(v), 1); })(e);
  CHECK(owning.compute(scheduler).size() == 20);
  CHECK(delayed([](ints const& v, int n) { return static_cast<int>(v.size()) + n; })(owning, e).compute(scheduler) ==
        40);
  // As a task of its own inside another run, too.
  auto inner = delayed([&e](int x) { return delayed([](int v, int y) { return v + y; })(e, x); })(1);
  CHECK(flatten(inner).compute(scheduler) == 21);
}

DALLY_TEST_ON_EVERY_LOCAL_SCHEDULER("so may a callable's, and one of a container's elements") {
  adder const f{delayed(twice)(1)};
  CHECK(delayed(f)(delayed(twice)(3)).compute(scheduler) == 7);
  std::vector<expression> all;
  all.reserve(2);
  all.emplace_back(delayed(twice)(5));
  all.emplace_back(lazy{3});
  CHECK(delayed([](ints const& v) { return v.at(0) + v.at(1); })(all).compute(scheduler) == 20 + 6);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a function of refs reads the results of a container of lazies where they lie") {
  std::vector<lazy<counted>> all;
  for (int i = 1; i <= 20; ++i) all.push_back(delayed([](int x) { return counted{x}; })(i));
  auto total = delayed(sum_counted)(all);
  std::vector<lazy<int>> less;
  for (auto const& x : all) less.push_back(delayed([](counted const& c, int t) { return c.value() - t; })(x, total));
  counted::reset();
  auto const got = dally::compute(scheduler, less);
  CHECK(got.front() == 1 - 210);
  CHECK(got.back() == 20 - 210);
  CHECK(counted::copies() == 0);
}

DALLY_TEST_ON_EVERY_SCHEDULER(
    "refs read the lazies of any container, in their order, and values that lie side by side") {
  auto const at = [](int i) { return delayed(twice)(i); };
  auto const value = [&](auto const& all) { return delayed(sum)(all).compute(scheduler); };
  CHECK(value(dally::map(twice, ints{1, 2, 3})) == 12);
  CHECK(value(std::deque<lazy<int>>{at(1), lazy{5}}) == 7);
  CHECK(value(std::list<lazy<int>>{at(1), at(1)}) == 4);
  CHECK(value(std::array<lazy<int>, 2>{at(4), at(5)}) == 18);
  CHECK(value(std::map<int, lazy<int>>{{1, at(1)}, {2, at(2)}}) == 6);
  CHECK(value(std::tuple{at(1), at(2), at(3)}) == 12);
  CHECK(value(std::optional{at(8)}) == 16);
  CHECK(value(std::vector{std::vector{at(1), at(2)}, {}, {at(3)}}) == 12);
  CHECK(value(std::vector<lazy<int>>{}) == 0);
  CHECK(value(persist(dally::map(twice, ints{1, 2, 3}))) == 12);
  CHECK(value(ints{1, 2}) == 3);
  CHECK(value(delayed([](int n) { return ints(static_cast<std::size_t>(n), 7); })(3)) == 21);
  auto const order = [](dally::refs<int> all) { return ints(all.begin(), all.end()); };
  CHECK(delayed(order)(std::vector{std::vector{at(3)}, {at(1), at(2)}}).compute(scheduler) == ints{6, 2, 4});
}

DALLY_TEST_ON_EVERY_SCHEDULER("refs only read: another task may take a move-only result") {
  std::vector<lazy<std::unique_ptr<int>>> all;
  for (int i = 0; i < 4; ++i) all.push_back(delayed([](int x) { return std::make_unique<int>(x); })(i));
  auto taken = delayed([](std::unique_ptr<int> p) { return *p; })(all[3]);
  auto total = delayed(sum_owned)(all);
  CHECK(dally::compute(scheduler, taken, total) == std::tuple(3, 6));
}

DALLY_TEST_ON_EVERY_LOCAL_SCHEDULER("expressions of inputs are evaluated before these end") {
  auto a = delayed([](double x) { return std::valarray<double>(x, 1000); })(1.5);
  auto b = delayed([](double x) { return std::valarray<double>(x, 1000); })(2.5);
  CHECK((a * b + a).then([](std::valarray<double> const& v) { return v.sum(); }).compute(scheduler) == 5250.0);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a container of lazies is persisted in one run, without a copy of any value") {
  shared_counter runs;
  auto made = dally::map(
      [&runs](int x) {
        runs.add();
        return counted{x};
      },
      ints{0, 1, 2, 3});
  counted::reset();
  std::vector<lazy<counted>> const kept = persist(scheduler, made);
  CHECK(runs.value() == 4);
  CHECK(counted::copies() == 0);
  REQUIRE(kept.size() == 4);
  for (int i = 0; i < 4; ++i) {
    CHECK(kept[static_cast<std::size_t>(i)].then([](counted const& c) { return c.value(); }).compute(scheduler) == i);
  }
  CHECK(runs.value() == 4);
  CHECK(same_node(persist(scheduler, kept)[2], kept[2]));
}

DALLY_TEST_ON_EVERY_SCHEDULER("persist keeps containers of every kind, and gives one node one value") {
  auto const x = delayed(twice)(1);
  auto const y = delayed(twice)(2);
  auto const [row, by_name, seven, again] =
      persist(scheduler, std::list{x, y, x}, std::map<int, lazy<int>>{{1, y}}, 7, x);
  CHECK(row.size() == 3);
  CHECK(same_node(row.front(), row.back()));
  CHECK(same_node(row.front(), again));
  CHECK(by_name.at(1).compute(scheduler) == 4);
  CHECK(seven == 7);

  using nested = std::tuple<std::optional<lazy<int>>, std::array<lazy<int>, 2>, std::variant<int, lazy<int>>>;
  nested const kept = persist(scheduler, nested{x, {x, y}, y});
  CHECK(dally::compute(scheduler, kept) ==
        std::tuple(std::optional{2}, std::array{2, 4}, std::variant<int, int>{std::in_place_index<1>, 4}));
  stage const own = persist(scheduler, stage{x, {1}});
  CHECK(!same_node(own.a, x));
  CHECK(own.a.compute(scheduler) == 2);
  CHECK(persist(scheduler, std::vector<lazy<int>>{}).empty());
  std::vector<lazy<std::unique_ptr<int>>> unique(2, delayed([](int v) { return std::make_unique<int>(v); })(6));
  auto const there = persist(scheduler, unique);
  CHECK(there[1].then([](std::unique_ptr<int> const& p) { return *p; }).compute(scheduler) == 6);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a container of lazies that a task returns is flattened") {
  auto grow = [](int n) {
    std::vector<lazy<int>> all;
    for (int i = 0; i < n; ++i) all.push_back(delayed(twice)(i));
    return all;
  };
  auto flat = flatten(delayed(grow)(4));
  static_assert(std::is_same_v<decltype(flat), lazy<ints>>);
  CHECK(flat.compute(scheduler) == ints{0, 2, 4, 6});
  CHECK(delayed(sum)(flat).compute(scheduler) == 12);
  CHECK(flatten(delayed(grow)(0)).compute(scheduler).empty());

  auto named = flatten(delayed([](int n) { return std::map<int, lazy<int>>{{n, delayed(twice)(n)}}; })(3));
  CHECK(named.compute(scheduler).at(3) == 6);
  auto parts = flatten(delayed([grow](int n) { return std::pair(std::optional(grow(n)), std::tuple(lazy{3})); })(2));
  CHECK(parts.compute(scheduler) == std::pair(std::optional(ints{0, 2}), std::tuple(3)));
  auto done = flatten(delayed([] { return std::vector{delayed([] {})(), delayed([] {})()}; })());
  static_assert(std::is_same_v<decltype(done), lazy<void>>);
  done.compute(scheduler);
}
