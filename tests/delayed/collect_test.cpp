// Many lazies as one.

#include <dally/dally.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <ranges>
#include <span>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/recorded.hpp"

using dally::collect;
using dally::compute;
using dally::delayed;
using dally::lazy;
using dally::synchronous;
using dally::tests::contains;
using dally::tests::counted;
using dally::tests::recorded_node;

namespace {

auto value(auto const& x) { return x.compute(synchronous{}); }

lazy<int> number(int x) {
  return delayed([](int i) { return i; })(x);
}
lazy<std::string> letter(std::size_t i) {
  return delayed([](std::size_t c) { return std::string(1, static_cast<char>('a' + c)); })(i);
}
std::string join(std::string const& a, std::string const& b) { return '(' + a + b + ')'; }

/// What a balanced reduction of n letters writes: its shape.
std::string shape(std::size_t n) {
  std::vector<std::string> level;
  for (std::size_t i = 0; i < n; ++i) level.push_back(std::string(1, static_cast<char>('a' + i)));
  while (level.size() > 1) {
    std::vector<std::string> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(join(level[i], level[i + 1]));
    if (level.size() % 2 != 0) next.push_back(level.back());
    level = next;
  }
  return level.front();
}

std::size_t depth_of(std::string const& written) {
  std::size_t depth = 0, most = 0;
  for (char const c : written) {
    if (c == '(') most = std::max(most, ++depth);
    if (c == ')') --depth;
  }
  return most;
}

}  // namespace

TEST_CASE("a range of lazies becomes a lazy vector", "[collect]") {
  std::vector<lazy<int>> const several{number(1), number(2), number(3)};
  auto all = collect(several);
  static_assert(std::is_same_v<decltype(all), lazy<std::vector<int>>>);
  CHECK(value(all) == std::vector{1, 2, 3});
  CHECK(recorded_node(all)->dependencies().size() == 3);
  CHECK(value(collect(std::vector<lazy<int>>{})).empty());
  CHECK(value(collect(std::list<lazy<int>>(several.begin(), several.end()))) == std::vector{1, 2, 3});
  CHECK(value(collect(std::deque<lazy<int>>(several.begin(), several.end()))) == std::vector{1, 2, 3});
  CHECK(value(collect(std::array{several[2], several[0]})) == std::vector{3, 1});
  CHECK(value(collect(std::span{several}.subspan(1))) == std::vector{2, 3});
  CHECK(value(collect(several)[1] + 1) == 3);
}

TEST_CASE("a tuple of lazies becomes a lazy tuple", "[collect]") {
  auto both = collect(std::tuple{number(1), letter(1)});
  static_assert(std::is_same_v<decltype(both), lazy<std::tuple<int, std::string>>>);
  CHECK(value(both) == std::tuple{1, std::string{"b"}});
  auto [i, s] = both;
  CHECK(value(s) == "b");
  CHECK(value(i) == 1);
  CHECK(value(collect(std::pair{number(1), 5})) == std::pair{1, 5});
  CHECK(value(collect(std::map<int, lazy<int>>{{1, number(2)}})) == std::map<int, int>{{1, 2}});
}

TEST_CASE("tasks without a value are collected into one of which others can wait", "[collect]") {
  std::vector<int> order;
  auto note = delayed([&order](int i) { order.push_back(i); });
  auto all = collect(std::vector{note(1), note(2), note(3)});
  static_assert(std::is_same_v<decltype(all), lazy<void>>);
  all.then([&order] { order.push_back(4); }).compute(synchronous{});
  CHECK(order == std::vector{1, 2, 3, 4});
  collect(std::vector<lazy<void>>{}).compute(synchronous{});
  CHECK_THROWS_AS(collect(std::vector<lazy<void>>(2)), dally::graph_error);
}

TEST_CASE("collecting moves what nobody else uses", "[collect]") {
  auto make = delayed([](int i) { return counted{i}; });
  std::vector parts{make(1), make(2), make(3)};
  auto all = collect(parts);
  counted::reset();
  CHECK(value(delayed([](std::vector<counted> const& v) { return v.size(); })(all)) == 3);
  CHECK(counted::copies() == 0);
  CHECK(value(all).size() == 3);
  CHECK(counted::copies() == 0);
  CHECK(counted::live() == 0);
  auto boxes = collect(std::vector{delayed([] { return std::make_unique<int>(1); })()});
  CHECK(value(delayed([](std::vector<std::unique_ptr<int>> const& v) { return *v.at(0); })(boxes)) == 1);
}

TEST_CASE("tree_reduce has the shape of a balanced tree, which depends on the length alone", "[collect]") {
  auto const n = GENERATE(range(std::size_t{1}, std::size_t{34}));
  CAPTURE(n);
  std::vector<lazy<std::string>> letters;
  for (std::size_t i = 0; i < n; ++i) letters.push_back(letter(i));
  auto reduced = dally::tree_reduce(letters, join);
  static_assert(std::is_same_v<decltype(reduced), lazy<std::string>>);
  auto const written = value(reduced);
  CHECK(written == shape(n));
  CHECK(written == dally::tree_reduce(letters, join).compute(dally::threads{2}));
  std::size_t least = 0;
  while ((std::size_t{1} << least) < n) ++least;
  CHECK(depth_of(written) == least);
  CHECK(dally::tests::tasks_needed({recorded_node(reduced)}).size() == n + n - 1);
  auto with_initial = dally::tree_reduce(letters, join, "=");
  CHECK(value(with_initial) == "(=" + shape(n) + ')');
  CHECK(value(dally::tree_reduce(letters, join, lazy<std::string>{"-"})) == "(-" + shape(n) + ')');
}

TEST_CASE("tree_reduce of nothing is an error, or the initial value", "[collect]") {
  std::vector<lazy<int>> const none;
  auto add = [](int a, int b) { return a + b; };
  CHECK_THROWS_AS(dally::tree_reduce(none, add), dally::graph_error);
  CHECK_THROWS_WITH(dally::tree_reduce(none, add), contains("empty") && contains("initial"));
  CHECK(value(dally::tree_reduce(none, add, 7)) == 7);
  CHECK(value(dally::tree_reduce(std::array{number(1), number(2)}, add, short{0})) == 3);
}

TEST_CASE("tree_reduce with generic, mutable and move-only operations", "[collect]") {
  std::vector<lazy<int>> numbers;
  for (int i = 0; i < 100; ++i) numbers.push_back(number(i));
  CHECK(value(dally::tree_reduce(numbers, std::plus<>{})) == 4950);
  CHECK(value(dally::tree_reduce(numbers, [](auto a, auto b) { return a + b; })) == 4950);
  CHECK(value(dally::tree_reduce(numbers, [n = 0](int a, int b) mutable { return a + b + n++; })) == 4950);
  CHECK(value(dally::tree_reduce(numbers, [p = std::make_unique<int>(0)](int a, int b) { return a + b + *p; })) ==
        4950);
  // The handles of the range are still whole.
  CHECK(value(numbers[50]) == 50);
  auto reduced = dally::tree_reduce(numbers, std::plus<>{});
  CHECK(recorded_node(reduced)->place().line() == __LINE__ - 1);
}

TEST_CASE("the lesson's answers agree", "[collect][lazy]") {
  std::vector<lazy<int>> output;
  for (int i = 0; i < 100; ++i) output.push_back(number(i));
  auto chain = std::accumulate(output.begin(), output.end(), lazy{0});
  auto total = delayed([](std::vector<int> const& v) { return std::accumulate(v.begin(), v.end(), 0); })(output);
  CHECK(compute(synchronous{}, chain, total, dally::tree_reduce(output, std::plus<>{})) ==
        std::tuple{4950, 4950, 4950});
}

TEST_CASE("the calls that map records have the place of their caller, or of their wrapped function",
          "[collect][place]") {
  auto const sum = [](auto const&... x) { return (x + ... + 0); };
  std::vector const a{1, 2};
  std::array const b{lazy{3}, lazy{4}};
  std::list const c{5, 6};
  auto const line = __LINE__ + 1;
  auto one = dally::map(sum, a);
  auto two = dally::map(sum, a, b);
  auto three = dally::map(sum, a, b, c);
  auto const wrapped = delayed(sum);
  auto by_wrapped = dally::map(wrapped, a, b, c, a, c);
  auto place = [](lazy<int> const& x) { return recorded_node(x)->place(); };
  CHECK(place(one.at(0)).line() == line);
  CHECK(place(two.at(1)).line() == line + 1);
  CHECK(place(three.at(0)).line() == line + 2);
  CHECK(place(by_wrapped.at(0)).line() == line + 3);
  CHECK(std::string{place(one.at(0)).file_name()}.ends_with("collect_test.cpp"));
  CHECK(one.at(0).name() == "lambda at collect_test.cpp:" + std::to_string(line));
  CHECK(compute(synchronous{}, one, two, three, by_wrapped) ==
        std::tuple{std::vector{1, 2}, std::vector{4, 6}, std::vector{9, 12}, std::vector{15, 20}});
  CHECK(compute(synchronous{}, dally::map(sum, a, b, c, a, c)) == std::vector{15, 20});
}

TEST_CASE("map ends with the shortest of its ranges", "[collect]") {
  std::vector<int> const three{1, 2, 3};
  std::list<int> const two{10, 20};
  auto const add = [](int x, int y) { return x + y; };
  CHECK(compute(synchronous{}, dally::map(add, three, two)) == std::vector{11, 22});
  CHECK(compute(synchronous{}, dally::map(add, two, three)) == std::vector{11, 22});
  CHECK(dally::map(add, three, std::vector<int>{}).empty());
  int const plain[] = {7, 8};
  CHECK(compute(synchronous{}, dally::map(add, plain, two)) == std::vector{17, 28});
}

TEST_CASE("map, tree_reduce and collect read views that begin when asked, and what can be read but once", "[collect]") {
  auto const twice = [](int x) { return 2 * x; };
  std::vector<int> const numbers{1, 2, 3, 4, 5};
  auto odd = dally::map(twice, numbers | std::views::filter([](int x) { return x % 2 == 1; }));
  REQUIRE(odd.size() == 3);
  CHECK(value(odd[2]) == 10);
  std::istringstream text{"1 2 3"};
  auto read = dally::map(std::plus{}, std::views::istream<int>(text), std::views::iota(10));
  REQUIRE(read.size() == 3);
  CHECK(value(read[2]) == 3 + 12);
  CHECK(dally::map(std::plus{}, std::views::iota(0), numbers | std::views::take_while([](int x) { return x < 4; }))
            .size() == 3);

  auto const all = [](auto const&) { return true; };
  CHECK(value(dally::tree_reduce(odd | std::views::filter(all), std::plus{})) == 18);
  CHECK(value(collect(odd | std::views::take_while(all))) == std::vector{2, 6, 10});
  std::istringstream more{"4 5"};
  int recorded = 0;
  auto calls = std::views::istream<int>(more) | std::views::transform([&](int x) {
                 ++recorded;
                 return delayed(twice)(x);
               });
  CHECK(value(dally::tree_reduce(calls, std::plus{}, 1)) == 19);
  CHECK(recorded == 2);
}

TEST_CASE("map moves the elements of a container that it is given, and reads others as const", "[collect]") {
  auto const read = [](std::unique_ptr<int> const& p) { return *p; };
  std::vector<std::unique_ptr<int>> owned;
  owned.push_back(std::make_unique<int>(7));
  CHECK(value(dally::map(read, std::move(owned))[0]) == 7);
  std::vector<bool> bits{true, false};
  auto turned = dally::map([](bool x) { return !x; }, bits);
  bits[1] = true;  // was copied
  CHECK(value(turned[1]));
  CHECK(!value(dally::map([](bool x) { return !x; }, std::vector<bool>{true})[0]));
  std::vector<counted> kept(1);
  counted::reset();
  static_cast<void>(dally::map([](counted const& c) { return c.value(); }, kept));
  CHECK(counted::copies() == 1);
}
