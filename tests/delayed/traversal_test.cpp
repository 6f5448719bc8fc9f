// Lazies inside containers, nested to any depth.

#include <dally/dally.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/recorded.hpp"

using dally::compute;
using dally::delayed;
using dally::lazy;
using dally::synchronous;
using dally::tests::contains;
using dally::tests::counted;

namespace {

lazy<int> number(int x) {
  return delayed([](int i) { return i; })(x);
}
lazy<std::string> word(char const* x) {
  return delayed([](char const* s) { return std::string{s}; })(x);
}

/// The container as a task gets it, recorded from an lvalue and from an rvalue, and as compute gives it.
template <typename Plain, typename Container>
bool arrives_as(Plain const& expected, Container lazies) {
  static_assert(std::is_same_v<dally::detail::plain_t<Container>, Plain>);
  auto const copy = lazies;
  auto read = delayed([](Plain const& p) { return p; })(lazies);
  auto owned = delayed([](Plain p) { return p; })(std::move(lazies));
  auto [a, b, c] = compute(synchronous{}, read, owned, copy);
  return a == expected && b == expected && c == expected;
}

}  // namespace

TEST_CASE("every sequence of lazies arrives as the sequence of values", "[traversal]") {
  auto a = number(1), b = number(2);
  CHECK(arrives_as(std::vector{1, 2, 1}, std::vector{a, b, a}));
  CHECK(arrives_as(std::vector<int>{}, std::vector<lazy<int>>{}));
  auto generic = delayed([](auto&& v) {
    static_assert(std::is_same_v<std::remove_cvref_t<decltype(v)>, std::vector<int>>);
    return std::move(v);
  });
  CHECK(generic(std::vector{b, a}).compute(synchronous{}) == std::vector{2, 1});
  CHECK(arrives_as(std::array{2, 1, 2}, std::array{b, a, b}));
  CHECK(arrives_as(std::array<std::string, 1>{"x"}, std::array{word("x")}));
  CHECK(arrives_as(std::deque{1, 2}, std::deque{a, b}));
  CHECK(arrives_as(std::list{2, 2, 1}, std::list{b, b, a}));
  CHECK(arrives_as(std::vector{true, false}, std::vector{a<b, a> b}));
  CHECK(arrives_as(std::vector<std::string>{"p", "q"}, std::vector{word("p"), word("q")}));
}

TEST_CASE("maps of lazies keep their keys and their order", "[traversal]") {
  auto a = number(1), b = number(2);
  CHECK(
      arrives_as(std::map<std::string, int>{{"x", 1}, {"y", 2}}, std::map<std::string, lazy<int>>{{"y", b}, {"x", a}}));
  using descending = std::map<int, lazy<int>, std::greater<>>;
  CHECK(arrives_as(std::map<int, int, std::greater<>>{{1, 1}, {2, 2}}, descending{{1, a}, {2, b}}));
  CHECK(arrives_as(std::unordered_map<int, int>{{7, 1}, {8, 2}, {9, 1}},
                   std::unordered_map<int, lazy<int>>{{7, a}, {8, b}, {9, a}}));
  CHECK(arrives_as(std::multimap<int, int>{{7, 1}, {7, 2}}, std::multimap<int, lazy<int>>{{7, a}, {7, b}}));
  // A comparison with a state keeps it.
  struct by_digit {
    int base;
    bool operator()(int x, int y) const { return x % base < y % base; }
  };
  std::map<int, lazy<int>, by_digit> odd{by_digit{10}};
  odd.emplace(19, a);
  odd.emplace(21, b);
  odd.emplace(31, b);  // the same key
  auto first = delayed([](std::map<int, int, by_digit> const& m) { return m.begin()->first * 100 + (int)m.size(); });
  CHECK(first(odd).compute(synchronous{}) == 2102);
}

TEST_CASE("pairs, tuples and optionals of lazies and plain values", "[traversal]") {
  auto a = number(1), b = number(2);
  CHECK(arrives_as(std::pair{1, std::string{"p"}}, std::pair{a, std::string{"p"}}));
  CHECK(arrives_as(std::pair{'c', 2}, std::pair{'c', b}));
  CHECK(arrives_as(std::tuple{1, 5.5, std::string{"w"}}, std::tuple{a, 5.5, word("w")}));
  CHECK(arrives_as(std::tuple{2}, std::tuple{b}));
  CHECK(arrives_as(std::optional{2}, std::optional{b}));
  CHECK(arrives_as(std::optional<int>{}, std::optional<lazy<int>>{}));
}

TEST_CASE("containers of containers of lazies", "[traversal]") {
  auto a = number(1), b = number(2);
  using plain = std::vector<std::map<std::string, std::pair<int, std::vector<std::optional<int>>>>>;
  using recorded = std::vector<std::map<std::string, std::pair<lazy<int>, std::vector<std::optional<lazy<int>>>>>>;
  CHECK(arrives_as(plain{{{"a", {1, {2, std::nullopt}}}}, {}, {{"b", {2, {}}}}},
                   recorded{{{"a", {a, {b, std::nullopt}}}}, {}, {{"b", {b, {}}}}}));
  CHECK(arrives_as(std::vector<std::vector<std::vector<int>>>{{{1}, {}, {2, 1}}, {}},
                   std::vector<std::vector<std::vector<lazy<int>>>>{{{a}, {}, {b, a}}, {}}));
  CHECK(arrives_as(std::array<std::deque<int>, 2>{std::deque{1, 2}, std::deque<int>{}},
                   std::array<std::deque<lazy<int>>, 2>{std::deque{a, b}, std::deque<lazy<int>>{}}));
  CHECK(arrives_as(std::list<std::tuple<int, std::array<int, 2>>>{{1, {2, 1}}},
                   std::list<std::tuple<lazy<int>, std::array<lazy<int>, 2>>>{{a, {b, a}}}));
  CHECK(arrives_as(
      std::unordered_map<int, std::optional<std::vector<int>>>{{1, std::nullopt}, {2, std::vector{1}}},
      std::unordered_map<int, std::optional<std::vector<lazy<int>>>>{{1, std::nullopt}, {2, std::vector{a}}}));
  CHECK(arrives_as(std::optional<std::pair<int, int>>{{1, 2}}, std::optional<std::pair<lazy<int>, lazy<int>>>{{a, b}}));
}

TEST_CASE("a container becomes one edge a lazy, and plain elements none", "[traversal]") {
  auto a = number(1), b = number(2);
  auto f = delayed([](auto const&...) { return 0; });
  auto edges = [](lazy<int> const& x) { return dally::tests::recorded_node(x)->dependencies().size(); };
  CHECK(edges(f(std::vector{a, b, a})) == 3);
  CHECK(edges(f(std::tuple{a, 5, std::optional{b}, std::vector<lazy<int>>{}})) == 2);
  CHECK(edges(f(std::map<int, std::vector<lazy<int>>>{{1, {a, b}}, {2, {}}, {3, {a}}})) == 3);
  CHECK(edges(f(std::vector{1, 2}, std::map<int, int>{})) == 0);
  CHECK(edges(f(std::array{a, b}, a)) == 3);
}

TEST_CASE("a list that was changed after recording does not change what was recorded", "[traversal]") {
  std::vector<lazy<int>> list{number(1), number(2)};
  auto sum = delayed([](std::vector<int> const& v) { return v[0] * 10 + v[1]; })(list);
  std::map<int, lazy<int>> table{{0, list[0]}};
  auto from_table = delayed([](std::map<int, int> const& m) { return m.at(0); })(table);
  list[0] = number(9);
  list.push_back(number(3));
  table.at(0) = number(8);
  CHECK(compute(synchronous{}, sum, from_table) == std::tuple{12, 1});
}

TEST_CASE("a function may return a reference into a container that was made for it", "[traversal]") {
  std::vector words{word("a text that is too long for the small buffer of a string"), word("b")};
  std::string const expected = words[0].compute(synchronous{});
  auto first = [](std::vector<std::string> const& v) -> std::string const& { return v.front(); };
  CHECK(delayed(first)(words).compute(synchronous{}) == expected);
  auto generic = [](auto&& v) -> auto&& { return v.front(); };
  CHECK(delayed(generic)(words).compute(synchronous{}) == expected);
  auto own = [](std::pair<std::string, int>&& p) -> std::string&& { return std::move(p.first); };
  CHECK(delayed(own)(std::pair{words[0], 1}).compute(synchronous{}) == expected);
}

TEST_CASE("containers of move-only values", "[traversal]") {
  auto box = delayed([](int x) { return std::make_unique<int>(x); });
  auto sum = [](std::vector<std::unique_ptr<int>> const& v) { return *v.at(0) + *v.at(1); };
  CHECK(delayed(sum)(std::vector{box(1), box(2)}).compute(synchronous{}) == 3);
  auto owned = [](std::map<int, std::unique_ptr<int>> m) { return *m.at(7); };
  std::map<int, lazy<std::unique_ptr<int>>> boxes;
  boxes.emplace(7, box(3));
  CHECK(delayed(owned)(boxes).compute(synchronous{}) == 3);
}

namespace {

template <typename T>
struct counting_allocator {
  using value_type = T;
  counting_allocator() = default;
  template <typename U>
  counting_allocator(counting_allocator<U> const&) {}  // NOLINT
  T* allocate(std::size_t n) { return std::allocator<T>{}.allocate(n); }
  void deallocate(T* p, std::size_t n) { std::allocator<T>{}.deallocate(p, n); }
  friend bool operator==(counting_allocator, counting_allocator) { return true; }
};

struct scene {
  lazy<int> camera;
  std::vector<lazy<std::string>> meshes;
  double scale;
};
struct plain_scene {
  int camera;
  std::vector<std::string> meshes;
  double scale;
};

}  // namespace

template <>
struct dally::traversal<scene> {
  using plain = plain_scene;
  static plain rebuild(scene const& s, auto&& value_of) { return {value_of(s.camera), value_of(s.meshes), s.scale}; }
  static void each(scene const& s, auto&& visit) {
    visit(s.camera);
    visit(s.meshes);
  }
};

TEST_CASE("a container keeps the kind of its allocator", "[traversal]") {
  using recorded = std::vector<lazy<int>, counting_allocator<lazy<int>>>;
  CHECK(arrives_as(std::vector<int, counting_allocator<int>>{1, 2}, recorded{number(1), number(2)}));
}

TEST_CASE("a type of the user's own says where its lazies are", "[traversal]") {
  auto text = [](plain_scene const& s) {
    return std::to_string(s.camera) + s.meshes.at(0) + s.meshes.at(1) + (s.scale == 2.0 ? "!" : "?");
  };
  scene const s{number(4), {word("a"), word("b")}, 2.0};
  CHECK(delayed(text)(s).compute(synchronous{}) == "4ab!");
  CHECK(compute(synchronous{}, s).meshes == std::vector<std::string>{"a", "b"});
  auto several = [text](std::vector<plain_scene> const& v) { return text(v.at(0)) + text(v.at(1)); };
  CHECK(delayed(several)(std::vector{s, s}).compute(synchronous{}) == "4ab!4ab!");
}

namespace {

/// A list that does not always visit what it holds: `shown` of it, and all of it when it is rebuilt.
struct moody {
  std::vector<lazy<int>> parts;
  std::vector<int> shown;  // how many each visit shows, the last one's for good
  mutable std::size_t visits = 0;
};

}  // namespace

template <>
struct dally::traversal<moody> {
  using plain = std::vector<int>;
  static plain rebuild(moody const& m, auto&& value_of) { return value_of(m.parts); }
  static void each(moody const& m, auto&& visit) {
    auto const shown = m.shown.at(std::min(m.visits++, m.shown.size() - 1));
    for (int i = 0; i < shown; ++i) visit(m.parts.at(static_cast<std::size_t>(i) % m.parts.size()));
  }
};

TEST_CASE("a traversal that visits other lazies than it asks for is an error, not a wrong value", "[traversal]") {
  auto const size = delayed([](std::vector<int> const& v) { return v.size(); });
  std::vector<lazy<int>> const three{number(1), number(2), number(3)};
  CHECK(size(moody{three, {3}}).compute(synchronous{}) == 3);
  for (auto const& shown : {std::vector{3, 2}, std::vector{2, 3}, std::vector{0, 3}, std::vector{3, 0}}) {
    CHECK_THROWS_AS(size(moody{three, shown}), dally::graph_error);
    CHECK_THROWS_WITH(size(moody{three, shown}), contains("each()") && contains("rebuild()"));
  }
  CHECK_THROWS_AS(size(moody{three, {2}}).compute(synchronous{}), dally::graph_error);
  CHECK(size(three).compute(synchronous{}) == 3);
}

namespace {
// Visits what nobody holds: a task that is recorded when it is asked for its lazies.
struct late {
  lazy<int> held;
};
}  // namespace

template <>
struct dally::traversal<late> {
  using plain = int;
  static plain rebuild(late const& l, auto&& value_of) { return value_of(l.held); }
  static void each(late const& l, auto&& visit) {
    visit(l.held.then([](int x) { return x + 1; }));
  }
};

TEST_CASE("a traversal that records the lazies it visits is an error that says so", "[traversal]") {
  auto const same = delayed([](int x, counted const&) { return x; });
  auto const one = number(1);
  CHECK_THROWS_AS(same(late{one}, counted{1}), dally::graph_error);
  CHECK_THROWS_WITH(same(late{one}, counted{1}), contains("records tasks") && contains("each()"));
  CHECK(counted::live() == 0);
  CHECK(same(one, counted{1}).compute(synchronous{}) == 1);
}
