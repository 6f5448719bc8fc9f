// What every scheduler makes of what can be recorded: callables, arguments, containers, operators, handles.

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/schedulers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::tests::contains;
using dally::tests::counted;
using dally::tests::shared_counter;

namespace {

using ints = std::vector<int>;

int same(int x) { return x; }
int add(int x, int y) { return x + y; }
std::string text(char const* x) { return x; }

lazy<int> number(int x) { return delayed(same)(x); }

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("recording runs nothing, and compute returns what a direct call returns") {
  shared_counter calls;
  auto counting_add = [&calls](int x, int y) {
    calls.add();
    return add(x, y);
  };
  auto five = delayed(counting_add)(2, 3);
  static_assert(std::is_same_v<decltype(five), lazy<int>>);
  CHECK(calls.value() == 0);
  CHECK(five.compute(scheduler) == add(2, 3));
  CHECK(calls.value() == 1);
}

DALLY_TEST_ON_EVERY_SCHEDULER("lazy and plain arguments mix in any position") {
  auto join = [](std::string a, int b, std::string const& c, double d) {
    return a + std::to_string(b) + c + (d > 2 ? "yes" : "no");
  };
  CHECK(delayed(join)(delayed(text)("a"), 1, "c", 2.5).compute(scheduler) == "a1cyes");
  CHECK(delayed(join)("a", number(1), delayed(text)("c"), 1.5).compute(scheduler) == "a1cno");
  auto nested = number(0);
  for (int i = 0; i < 1000; ++i) nested = delayed(add)(1, nested);
  CHECK(nested.compute(scheduler) == 1000);
  auto x = number(4);
  CHECK(delayed(add)(x, x).compute(scheduler) == 8);
}

DALLY_TEST_ON_EVERY_SCHEDULER("arguments arrive by value, by reference wrapper and moved in") {
  std::vector<int> outside;
  auto push = [](ints& to, int x) { to.push_back(x); };
  dally::compute(scheduler, delayed(push, {.here = true})(std::ref(outside), number(7)));
  CHECK(outside == ints{7});

  auto read = [](std::unique_ptr<int> const& p) { return *p; };
  CHECK(delayed(read)(std::make_unique<int>(8)).compute(scheduler) == 8);

  auto rvalue = [](std::string&& s) { return std::move(s) + "!"; };
  CHECK(delayed(rvalue)(delayed(text)("moved")).compute(scheduler) == "moved!");

  // A recorded argument belongs to the graph: the task gets a copy, so that the next run finds it whole.
  auto take = [](std::string s) { return s; };
  auto taken = delayed(take)(std::string(100, 'x'));
  CHECK(taken.compute(scheduler) == std::string(100, 'x'));
  CHECK(taken.compute(scheduler) == std::string(100, 'x'));
}

DALLY_TEST_ON_EVERY_SCHEDULER("a plain value wrapped lazily computes to itself, and wrapping again changes nothing") {
  lazy five{5};
  lazy again{five};
  static_assert(std::is_same_v<decltype(again), lazy<int>>);
  CHECK(five.compute(scheduler) == 5);
  CHECK(dally::same_node(five, again));
  CHECK(lazy<double>{5}.compute(scheduler) == 5.0);
  lazy<std::string> converted = "text";
  CHECK(converted.compute(scheduler) == "text");
  auto wrapped = delayed(add);
  static_assert(std::is_same_v<decltype(delayed(wrapped)), decltype(wrapped)>);
  CHECK(delayed(wrapped)(1, 2).compute(scheduler) == 3);
}

DALLY_TEST_ON_EVERY_SCHEDULER("lazies in containers of every kind arrive as the same container of plain values") {
  auto one = number(1), two = number(2);
  auto of_vector = [](ints const& v) { return v == ints{1, 2, 1}; };
  CHECK(delayed(of_vector)(std::vector{one, two, one}).compute(scheduler));
  auto of_array = [](std::array<int, 2> const& a) { return a == std::array{2, 1}; };
  CHECK(delayed(of_array)(std::array{two, one}).compute(scheduler));
  auto of_deque = [](std::deque<int> const& d) { return d == std::deque{1, 2}; };
  CHECK(delayed(of_deque)(std::deque{one, two}).compute(scheduler));
  auto of_list = [](std::list<int> const& l) { return l == std::list{2, 2}; };
  CHECK(delayed(of_list)(std::list{two, two}).compute(scheduler));
  auto of_map = [](std::map<std::string, int> const& m) { return m == std::map<std::string, int>{{"a", 1}, {"b", 2}}; };
  CHECK(delayed(of_map)(std::map<std::string, lazy<int>>{{"a", one}, {"b", two}}).compute(scheduler));
  auto of_hashes = [](std::unordered_map<int, int> const& m) { return m.size() == 2 && m.at(7) == 1 && m.at(8) == 2; };
  CHECK(delayed(of_hashes)(std::unordered_map<int, lazy<int>>{{7, one}, {8, two}}).compute(scheduler));
  auto of_pair = [](std::pair<std::string, int> const& p) { return p == std::pair<std::string, int>{"p", 2}; };
  CHECK(delayed(of_pair)(std::pair{std::string{"p"}, two}).compute(scheduler));
  auto of_tuple = [](std::tuple<int, int, std::string> const& t) { return t == std::tuple(1, 5, "t"); };
  CHECK(delayed(of_tuple)(std::tuple{one, 5, delayed(text)("t")}).compute(scheduler));
  auto of_optional = [](std::optional<int> const& o) { return o.value_or(-1); };
  CHECK(delayed(of_optional)(std::optional{two}).compute(scheduler) == 2);
  CHECK(delayed(of_optional)(std::optional<lazy<int>>{}).compute(scheduler) == -1);
}

DALLY_TEST_ON_EVERY_SCHEDULER("lazies are found in containers nested to any depth") {
  using plain = std::vector<std::map<std::string, std::pair<int, std::vector<std::optional<int>>>>>;
  using recorded = std::vector<std::map<std::string, std::pair<int, std::vector<std::optional<lazy<int>>>>>>;
  auto check = [](plain const& p) { return p == plain{{{"a", {1, {2, std::nullopt}}}}, {}, {{"b", {3, {}}}}}; };
  CHECK(delayed(check)(recorded{{{"a", {1, {number(2), std::nullopt}}}}, {}, {{"b", {3, {}}}}}).compute(scheduler));
  auto all = [](std::vector<bool> const& v) { return std::all_of(v.begin(), v.end(), [](bool b) { return b; }); };
  CHECK(delayed(all)(std::vector<lazy<bool>>{number(1) < number(2), lazy{true}}).compute(scheduler));
}

DALLY_TEST_ON_EVERY_SCHEDULER("containers without lazies pass through untouched") {
  std::vector<counted> three;
  for (int i = 0; i < 3; ++i) three.emplace_back(i);
  counted::reset();
  auto size = [](std::vector<counted> const& v) { return v.size(); };
  CHECK(delayed(size)(std::move(three)).compute(scheduler) == 3);
  CHECK(counted::copies() == 0);
  auto empty = [](std::vector<std::string> const& v) { return v.empty(); };
  CHECK(delayed(empty)(std::vector<std::string>{}).compute(scheduler));
}

DALLY_TEST_ON_EVERY_SCHEDULER("a lazy in a variant arrives in the variant of values, in the same alternative") {
  using recorded = std::variant<std::string, lazy<int>, int, std::vector<lazy<int>>>;
  using plain = std::variant<std::string, int, int, ints>;
  auto index_and_value = [](plain const& v) {
    return std::pair{v.index(), v.index() == 0   ? -1
                                : v.index() == 1 ? std::get<1>(v)
                                : v.index() == 2 ? std::get<2>(v)
                                                 : std::get<3>(v).at(1)};
  };
  auto at = [&](recorded const& v) { return delayed(index_and_value)(v).compute(scheduler); };
  using found = std::pair<std::size_t, int>;
  CHECK(at(recorded{"text"}) == found{0, -1});
  CHECK(at(recorded{number(7)}) == found{1, 7});
  CHECK(at(recorded{std::in_place_index<2>, 8}) == found{2, 8});
  CHECK(at(recorded{std::vector{number(1), number(9)}}) == found{3, 9});
  CHECK(dally::compute(scheduler, recorded{number(7)}) == plain{std::in_place_index<1>, 7});
}

namespace {

struct photo {
  lazy<std::string> title;
  std::vector<lazy<int>> pixels;
  int scale;
};
struct plain_photo {
  std::string title;
  ints pixels;
  int scale;
};

/// A list of lazies that fails where it is told to: at the n-th visit, or when it is rebuilt.
struct fragile {
  std::vector<lazy<counted>> parts;
  int visit_that_throws = 0;
  bool rebuild_throws = false;
  int* visits = nullptr;
};

}  // namespace

template <>
struct dally::traversal<photo> {
  using plain = plain_photo;
  static plain rebuild(photo const& p, auto&& value_of) { return {value_of(p.title), value_of(p.pixels), p.scale}; }
  static void each(photo const& p, auto&& visit) {
    visit(p.title);
    visit(p.pixels);
  }
};

template <>
struct dally::traversal<fragile> {
  using plain = std::vector<counted>;
  static plain rebuild(fragile const& f, auto&& value_of) {
    plain values;
    for (auto const& part : f.parts) values.push_back(value_of(part));
    if (f.rebuild_throws) throw std::out_of_range{"rebuild"};
    return values;
  }
  static void each(fragile const& f, auto&& visit) {
    for (auto const& part : f.parts) visit(part);
    if (f.visits != nullptr && ++*f.visits == f.visit_that_throws) throw std::out_of_range{"each"};
  }
};

DALLY_TEST_ON_EVERY_SCHEDULER(
    "a type of the user's own that says where its lazies are arrives rebuilt of plain values") {
  photo const p{delayed(text)("sea"), {number(1), number(2)}, 10};
  auto describe = [](plain_photo const& q) {
    return q.title + std::to_string((q.pixels.at(0) + q.pixels.at(1)) * q.scale);
  };
  CHECK(delayed(describe)(p).compute(scheduler) == "sea30");
  CHECK(dally::compute(scheduler, p).pixels == ints{1, 2});
  auto all = [describe](std::map<int, plain_photo> const& album) {
    return describe(album.at(1)) + describe(album.at(2));
  };
  CHECK(delayed(all)(std::map<int, photo>{{1, p}, {2, p}}).compute(scheduler) == "sea30sea30");
}

DALLY_TEST_ON_EVERY_SCHEDULER(
    "a traversal that throws when the call is recorded leaves nothing recorded and nothing lost") {
  shared_counter calls;
  auto size = delayed(
      [](std::vector<counted> const& v, counted const& other) { return static_cast<int>(v.size()) + other.value(); });
  // The lazies are visited twice: to be counted, and to become dependencies.
  for (int const nth : {1, 2}) {
    CAPTURE(nth);
    auto owner = std::make_shared<int>(4);
    std::weak_ptr<int> const held = owner;  // by the tasks, those that should have been arguments too
    auto make = std::make_optional(delayed([&calls, owner](int x) {
      calls.add();
      return counted{x};
    }));
    int visits = 0;
    auto parts = std::make_optional<fragile>({{(*make)(1), (*make)(2)}, nth, false, &visits});
    auto other = (*make)(3);
    CHECK_THROWS_WITH(delayed([owner](std::vector<counted> const&, counted const&) { return *owner; })(*parts, other),
                      "each");
    CHECK(visits == nth);
    CHECK(calls.value() == 0);
    parts->visits = nullptr;
    CHECK(size(*parts, other).compute(scheduler) == 5);
    CHECK(calls.value() == 3);
    calls.reset();
    parts.reset();
    make.reset();
    other = {};
    owner.reset();
    CHECK(held.expired());
  }
  CHECK(counted::live() == 0);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a traversal that throws when the value is rebuilt is that task's failure") {
  auto make = delayed([](int x) { return counted{x}; });
  fragile parts{{make(1), make(2)}, 0, true};
  auto size = delayed([](std::vector<counted> const& v) { return static_cast<int>(v.size()); }, {.name = "sizing"});
  auto bad = size(parts);
  std::vector<lazy<int>> several{number(1), bad, number(2)};
  CHECK_THROWS_WITH(dally::compute(scheduler, several), "rebuild");
  REQUIRE(dally::last_failure().has_value());
  CHECK(dally::last_failure()->name == "sizing");
  CHECK(dally::last_failure()->key == bad.key());
  CHECK(counted::live() == 0);
  CHECK(dally::compute(scheduler, several[0], several[2]) == std::tuple{1, 2});
  parts.rebuild_throws = false;
  CHECK(size(parts).compute(scheduler) == 2);
  CHECK_THROWS_WITH(bad.compute(scheduler), "rebuild");
}

DALLY_TEST_ON_EVERY_SCHEDULER("lazies in a literal or behind a reference reach the task as handles") {
  shared_counter calls;
  auto counting = delayed([&calls](int x) {
    calls.add();
    return x;
  });
  std::vector<lazy<int>> handles{counting(1), counting(2)};
  auto second = [&scheduler](std::vector<lazy<int>> const& v) { return v.at(1).compute(scheduler) * 10; };
  auto of_literal = delayed(second)(lazy{handles});
  static_assert(std::is_same_v<decltype(lazy{handles}), lazy<std::vector<lazy<int>>>>);
  CHECK(calls.value() == 0);
  CHECK(of_literal.compute(scheduler) == 20);
  CHECK(delayed(second)(std::cref(handles)).compute(scheduler) == 20);
  CHECK(calls.value() == 2);  // each time the second, and never the first
  auto give_back = delayed([](std::vector<lazy<int>> const& v) { return v; })(lazy{handles});
  CHECK(dally::same_node(give_back.compute(scheduler).at(0), handles[0]));
  auto replace = delayed([](std::vector<lazy<int>>& v, int i) { v.at(0) = lazy{i}; }, {.here = true});
  replace(std::ref(handles), 8).compute(scheduler);
  CHECK(handles[0].compute(scheduler) == 8);
  CHECK(calls.value() == 2);
}

DALLY_TEST_ON_EVERY_SCHEDULER("operators on lazies give the operators' values") {
  auto x = number(7), y = number(2);
  auto z = x;
  z += y;
  auto shifted = x;
  shifted <<= 1;
  std::vector<lazy<int>> numbers{x + y, x - y, x * y, x / y, x % y,  x & y, x | y,  x ^ y,  x << y, x >> y,
                                 ~x,    -x,    1 + x, x + 1, 20 / x, 9 % y, 1 << y, x >> 1, z,      shifted};
  CHECK(dally::compute(scheduler, numbers) == ints{9, 5, 14, 3, 1, 2, 7, 5, 28, 1, ~7, -7, 8, 8, 2, 1, 4, 3, 9, 14});
  std::vector<lazy<bool>> truths{x == y, x != y, x<y, x <= y, x> y, x >= y, !x, x && y, x || y, 7 == x, 3 < y};
  CHECK(dally::compute(scheduler, truths) ==
        std::vector<bool>{false, true, false, false, true, true, false, true, true, true, false});
  CHECK(x.compute(scheduler) == 7);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a lazy container is indexed by plain and by lazy indices") {
  auto words = delayed([] { return std::vector<std::string>{"a", "b", "c"}; })();
  auto middle = delayed([] { return std::size_t{1}; })();
  CHECK(words[2].compute(scheduler) == "c");
  CHECK(words[middle].compute(scheduler) == "b");
  CHECK((words[0] + words[middle]).compute(scheduler) == "ab");
}

namespace {
struct account {
  std::string owner;
  int balance;
  [[nodiscard]] int after(int deposit) const { return balance + deposit; }
};
account open_account(std::string owner, int balance) { return {std::move(owner), balance}; }
}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("members are read and called by recorded tasks") {
  auto opened = delayed(open_account)("ann", number(10));
  CHECK((opened->*&account::owner).compute(scheduler) == "ann");
  CHECK(opened.call(&account::after, number(5)).compute(scheduler) == 15);
  CHECK(delayed(&account::after)(opened, 6).compute(scheduler) == 16);
  CHECK(delayed(&account::balance)(opened).compute(scheduler) == 10);
}

DALLY_TEST_ON_EVERY_SCHEDULER("pairs, tuples and arrays unpack into lazies") {
  auto [quotient, remainder] = delayed([](int a, int b) { return std::pair{a / b, a % b}; })(7, 2);
  CHECK((quotient * 10 + remainder).compute(scheduler) == 31);
  auto [a, b, c] = delayed([] { return std::tuple{1, std::string{"two"}, 3.0}; })();
  CHECK(dally::compute(scheduler, a, b, c) == std::tuple{1, std::string{"two"}, 3.0});
  auto [first, second] = delayed([] { return std::array{4, 5}; })();
  CHECK(dally::compute(scheduler, second, first) == std::tuple{5, 4});
  auto [only] = delayed([] { return std::tuple{6}; })();
  CHECK(only.compute(scheduler) == 6);
  auto nothing = delayed([] { return std::tuple{}; })();
  static_assert(std::tuple_size_v<decltype(nothing)> == 0);
  CHECK(nothing.compute(scheduler) == std::tuple{});
  CHECK(dally::compute(scheduler, lazy<std::tuple<>>{std::tuple{}}) == std::tuple{});
  static_assert(!dally::detail::tuple_like<decltype(only)> && !dally::detail::tuple_like<decltype(quotient)>);
}

namespace {
struct twice {
  int operator()(int x) const { return 2 * x; }
};
}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("every kind of callable can be delayed") {
  CHECK(delayed(same)(3).compute(scheduler) == 3);
  CHECK(delayed(twice{})(3).compute(scheduler) == 6);
  CHECK(delayed([](auto const& s) { return s.size(); })(delayed(text)("four")).compute(scheduler) == 4);
  CHECK(delayed(std::function<int(int)>{twice{}})(5).compute(scheduler) == 10);
  CHECK(delayed([p = std::make_unique<int>(4)](int x) { return x + *p; })(number(3)).compute(scheduler) == 7);
  auto counting = delayed([n = 0](int x) mutable { return ++n + x; });
  auto both = counting(10) + counting(20);  // each call on a copy of its own, in each run anew
  CHECK(both.compute(scheduler) == 32);
  CHECK(both.compute(scheduler) == 32);
  CHECK(delayed(dally::fn<add>)(1, number(2)).compute(scheduler) == 3);
  CHECK(number(3).then(add, 4).compute(scheduler) == 7);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a lazy callable can be called lazily") {
  // A callable with a state of its own does not cross process borders.
  auto adder = delayed([](int by) { return [by](int x) { return x + by; }; }, {.here = true})(3);
  CHECK(delayed(adder, {.here = true})(number(4)).compute(scheduler) == 7);
}

DALLY_TEST_ON_EVERY_SCHEDULER("two equal calls are two nodes with different keys, and both run") {
  shared_counter calls;
  auto f = delayed([&calls](int x) {
    calls.add();
    return x;
  });
  auto x = f(1), y = f(1);
  CHECK(x.key() != y.key());
  CHECK(!dally::same_node(x, y));
  CHECK((x + y).compute(scheduler) == 2);
  CHECK(calls.value() == 2);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a name is a label: calls of one name are calls of their own") {
  auto f = delayed([](int x) { return x; }, {.name = "same"});
  auto g = delayed([](int x) { return -x; }, {.name = "same"});
  auto a = f(1), b = f(1), c = g(1);
  CHECK(std::set<std::string>{a.name(), b.name(), c.name(), a.key().name(), c.key().name()} ==
        std::set<std::string>{"same"});
  CHECK(std::set<dally::key>{a.key(), b.key(), c.key()}.size() == 3);
  CHECK(dally::compute(scheduler, a, b, c) == std::tuple{1, 1, -1});
}

DALLY_TEST_ON_EVERY_SCHEDULER("a common sub-expression is one task where it is one lazy") {
  auto x = number(3), y = number(4);
  auto sum = x + y;
  CHECK(dally::prepare(sum * sum).planned().size() == 4);
  CHECK(dally::prepare((x + y) * (x + y)).planned().size() == 5);
  CHECK(dally::compute(scheduler, sum * sum, (x + y) * (x + y)) == std::tuple{49, 49});
}

DALLY_TEST_ON_EVERY_SCHEDULER("a handle is copied, hashed by its key and printed, and none of that runs anything") {
  shared_counter calls;
  auto x = delayed([&calls] { calls.add(); }, {.name = "counting"})();
  auto copy = x;
  auto other = delayed([&calls] { calls.add(); })();
  CHECK(dally::same_node(x, copy));
  CHECK(std::unordered_set<dally::key>{x.key(), copy.key(), other.key()}.size() == 2);
  CHECK(std::set<dally::key>{x.key(), copy.key(), other.key()}.size() == 2);
  std::ostringstream printed;
  printed << x;
  CHECK_THAT(printed.str(), contains("counting"));
  CHECK(calls.value() == 0);
  copy.compute(scheduler);
  CHECK(calls.value() == 1);
}
