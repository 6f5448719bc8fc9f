// What a function gets for what was passed: copied, moved, referred to, or read where it lies.

#include <dally/dally.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"

using dally::compute;
using dally::delayed;
using dally::lazy;
using dally::synchronous;
using dally::tests::contains;
using dally::tests::counted;

namespace {

int same(int x) { return x; }
counted make_counted(int x) { return counted{x}; }
int look(counted const& c) { return c.value(); }
int own(counted c) { return c.value(); }
int rvalue(counted&& c) {
  counted const taken{std::move(c)};
  return taken.value();
}
counted pass(counted c) { return c; }

}  // namespace

TEST_CASE("arguments are copied when the call is recorded", "[argument]") {
  std::string text = "before";
  std::vector<int> numbers{1, 2};
  int array[] = {5, 6};
  char letters[] = "abc";
  auto x = delayed([](std::string const& s, std::vector<int> const& v) { return s + std::to_string(v.size()); })(
      text, numbers);
  auto y = delayed([](int const* a, char const* l) { return a[0] + l[0]; })(array, letters);
  text = "after";
  numbers.clear();
  array[0] = 7;
  letters[0] = 'z';
  CHECK(x.compute(synchronous{}) == "before2");
  // An array becomes a pointer, as for std::thread.
  CHECK(y.compute(synchronous{}) == 7 + 'z');
  auto literal = delayed([](auto s) {
    static_assert(std::is_same_v<decltype(s), char const*>);
    return std::string{s};
  })("literal");
  CHECK(literal.compute(synchronous{}) == "literal");
  CHECK(delayed([](int (*f)(int), int a) { return f(a); })(same, 4).compute(synchronous{}) == 4);
}

TEST_CASE("std::ref and std::cref refer to what is outside", "[argument]") {
  int counter = 0;
  std::string text = "one";
  auto count = delayed([](int& c, int by) {
    c += by;
    return c;
  })(std::ref(counter), 2);
  auto size = delayed([](std::string const& s) { return s.size(); })(std::cref(text));
  auto copy = delayed([](std::string s) { return s + "!"; })(std::ref(text));
  auto address = delayed([](std::string const& s) { return &s; })(std::cref(text));
  auto generic = delayed([](auto& s) {
    static_assert(std::is_same_v<decltype(s), std::string const&>);
    return s.size();
  })(std::cref(text));
  text = "three";
  CHECK(count.compute(synchronous{}) == 2);
  CHECK(count.compute(synchronous{}) == 4);
  CHECK(counter == 4);
  CHECK(size.compute(synchronous{}) == 5);
  CHECK(copy.compute(synchronous{}) == "three!");
  CHECK(text == "three");
  CHECK(address.compute(synchronous{}) == &text);
  CHECK(generic.compute(synchronous{}) == 5);
  std::vector<int> outside;
  delayed([](std::vector<int>& to, int x) { to.push_back(x); })(std::ref(outside), delayed(same)(7))
      .compute(synchronous{});
  CHECK(outside == std::vector{7});
}

TEST_CASE("a recorded argument is moved in, stays the graph's, and is read where it lies", "[argument]") {
  REQUIRE(counted::live() == 0);
  {
    counted kept{1};
    counted::reset();
    auto by_move = delayed(look)(std::move(kept));
    CHECK(counted::copies() == 0);
    CHECK(counted::moves() == 1);
    for (int i = 0; i < 3; ++i) CHECK(by_move.compute(synchronous{}) == 1);
    CHECK(counted::copies() == 0);
    CHECK(counted::moves() == 1);

    counted const other{2};
    counted::reset();
    auto by_copy = delayed(look)(other);
    CHECK(counted::copies() == 1);
    CHECK(counted::moves() == 0);
    CHECK(by_copy.compute(synchronous{}) == 2);
    CHECK(counted::copies() == 1);
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a recorded argument is copied for each call that wants a value", "[argument]") {
  auto const check = [](auto f) {
    auto x = f(counted{3});
    counted::reset();
    CHECK(x.compute(synchronous{}) == 3);
    CHECK(counted::copies() == 1);
    CHECK(x.compute(synchronous{}) == 3);
    CHECK(counted::copies() == 2);
  };
  check(delayed(own));
  check(delayed(rvalue));
  check(delayed([](auto c) { return c.value(); }));
  CHECK(counted::live() == 0);
}

TEST_CASE("a move-only recorded argument is read, in every run", "[argument]") {
  auto x = delayed([](std::unique_ptr<int> const& p) { return *p; })(std::make_unique<int>(8));
  auto generic = delayed([](auto const& p) { return *p; })(std::make_unique<int>(9));
  auto forwarding = delayed([](auto&& p) {
    static_assert(std::is_same_v<decltype(p), std::unique_ptr<int> const&>);
    return *p;
  })(std::make_unique<int>(10));
  for (int i = 0; i < 2; ++i) CHECK(compute(synchronous{}, x, generic, forwarding) == std::tuple{8, 9, 10});
}

TEST_CASE("containers without lazies are kept as they are", "[argument]") {
  std::map<int, std::vector<counted>> table;
  for (int i = 0; i < 3; ++i) table[i].emplace_back(i);
  std::tuple<std::vector<counted>, std::optional<counted>> both{std::vector(2, counted{1}), counted{2}};
  counted::reset();
  auto x =
      delayed([](std::map<int, std::vector<counted>> const& m) { return m.at(2).front().value(); })(std::move(table));
  auto y = delayed([](auto const& t) { return std::get<0>(t).size() + std::get<1>(t).has_value(); })(std::move(both));
  CHECK(compute(synchronous{}, x, y) == std::tuple{2, std::size_t{3}});
  CHECK(counted::copies() == 0);
  CHECK(counted::moves() == 1);  // the optional's
}

TEST_CASE("an intermediate result is read where it lies", "[argument]") {
  auto c = delayed(make_counted)(4);
  counted::reset();
  CHECK((delayed(look)(c) + delayed(look)(c)).compute(synchronous{}) == 8);
  CHECK(delayed([](auto const& x) { return x.value(); })(c).compute(synchronous{}) == 4);
  CHECK(delayed([](auto&& x) {
          static_assert(std::is_same_v<decltype(x), counted const&>);
          return x.value();
        })(c)
            .compute(synchronous{}) == 4);
  CHECK(counted::copies() == 0);
  CHECK(counted::moves() == 0);
}

TEST_CASE("an intermediate result is moved in at its last use, and copied before", "[argument]") {
  auto const copies_of = [](auto const&... outputs) {
    counted::reset();
    compute(synchronous{}, outputs...);
    CHECK(counted::live() == 0);
    return counted::copies();
  };
  auto c = delayed(make_counted)(1);
  CHECK(copies_of(delayed(own)(c)) == 0);
  CHECK(copies_of(delayed(rvalue)(c)) == 0);
  CHECK(copies_of(delayed(rvalue)(delayed(pass)(delayed(pass)(c)))) == 0);
  // Recorded in this order, and run so: the last one may have it.
  auto first = delayed(own)(c), second = delayed(rvalue)(c), third = delayed(own)(c);
  CHECK(copies_of(first, second, third) == 2);
  auto before = delayed(look)(c), last = delayed(own)(c);
  CHECK(copies_of(before, last) == 0);
  auto early = delayed(own)(c), late = delayed(look)(c);
  CHECK(copies_of(early, late) == 1);
  // Taken twice by one call: neither is the last use before the call ends.
  CHECK(copies_of(delayed([](counted a, counted b) { return a.value() + b.value(); })(c, c)) >= 1);
  CHECK(copies_of(delayed([](counted a, counted const& b) { return a.value() + b.value(); })(c, c)) == 1);
}

TEST_CASE("a value that is also an output is not moved away", "[argument]") {
  auto c = delayed(make_counted)(5);
  auto taken = delayed(own)(c);
  counted::reset();
  {
    auto const [value, number] = compute(synchronous{}, c, taken);
    CHECK(value.value() == 5);
    CHECK(number == 5);
    CHECK(counted::copies() == 1);
    CHECK(counted::live() == 1);
  }
  counted::reset();
  {
    auto const [a, b] = compute(synchronous{}, c, c);
    CHECK(a.value() + b.value() == 10);
    CHECK(counted::copies() == 1);
  }
  counted::reset();
  CHECK(c.compute(synchronous{}).value() == 5);
  CHECK(counted::copies() == 0);
}

TEST_CASE("literals and persisted values are copied, never moved", "[argument]") {
  auto literal = lazy{counted{1}};
  auto persisted = delayed(make_counted)(2).persist(synchronous{});
  auto sum = delayed(own)(literal) + delayed(rvalue)(persisted);
  counted::reset();
  for (int i = 1; i <= 3; ++i) {
    CHECK(sum.compute(synchronous{}) == 3);
    CHECK(counted::copies() == 2 * i);
  }
  CHECK((delayed(look)(literal) + delayed(look)(persisted)).compute(synchronous{}) == 3);
  CHECK(counted::copies() == 6);
  CHECK(literal.compute(synchronous{}).value() == 1);
}

TEST_CASE("the lazies of a container are used by value", "[argument]") {
  auto c = delayed(make_counted)(1), d = delayed(make_counted)(2);
  auto total = [](std::vector<counted> const& v) {
    int sum = 0;
    for (auto const& x : v) sum += x.value();
    return sum;
  };
  counted::reset();
  CHECK(delayed(total)(std::vector{c, d}).compute(synchronous{}) == 3);
  CHECK(counted::copies() == 0);
  CHECK(delayed(total)(std::vector{c, d, c}).compute(synchronous{}) >= 4);
  CHECK(counted::copies() >= 1);
  CHECK(counted::live() == 0);
}

TEST_CASE("what converts to a parameter is passed to it", "[argument]") {
  auto text = delayed([] { return std::string(40, 'x'); })();
  CHECK(delayed([](std::string_view s) { return s.size(); })(text).compute(synchronous{}) == 40);
  CHECK(delayed([](double d) { return d / 2; })(delayed(same)(3)).compute(synchronous{}) == 1.5);
  CHECK(delayed([](std::optional<int> o) { return o.value_or(0); })(delayed(same)(3)).compute(synchronous{}) == 3);
  CHECK(delayed([](std::string const& s, long n) { return s.size() + static_cast<std::size_t>(n); })("abc", 'a')
            .compute(synchronous{}) == 3 + 'a');
  struct base {
    int value;
  };
  struct derived : base {};
  auto made = delayed([] { return derived{{6}}; })();
  CHECK(delayed([](base const& b) { return b.value; })(made).compute(synchronous{}) == 6);
  CHECK(delayed([](base b) { return b.value; })(made).compute(synchronous{}) == 6);
  CHECK(delayed([](std::shared_ptr<int const> p) { return *p; })(delayed([] { return std::make_unique<int>(7); })())
            .compute(synchronous{}) == 7);
}

TEST_CASE("handles that are moved in are given up, those that are copied stay", "[argument]") {
  auto x = delayed(same)(1), y = delayed(same)(2);
  auto sum = delayed([](int a, int b) { return a + b; })(std::move(x), y);
  CHECK(sum.compute(synchronous{}) == 3);
  CHECK(y.compute(synchronous{}) == 2);
  std::vector<lazy<int>> several{y, sum};
  auto size = delayed([](std::vector<int> const& v) { return v.size(); });
  auto copied = size(several);
  CHECK(several[1].compute(synchronous{}) == 3);
  auto moved = size(std::move(several));
  auto const constant = std::vector{y, sum};
  auto of_constant = size(std::move(constant));  // NOLINT: a const container is copied
  CHECK(compute(synchronous{}, copied, moved, of_constant) ==
        std::tuple{std::size_t{2}, std::size_t{2}, std::size_t{2}});
  CHECK(constant[0].compute(synchronous{}) == 2);
}

TEST_CASE("an empty handle is an error wherever it is used, and nothing is lost", "[argument]") {
  lazy<int> empty;
  auto x = delayed(same)(1);
  auto add = [](int a, int b) { return a + b; };
  auto sum = [](std::vector<int> const& v) { return v.size(); };
  CHECK_THROWS_AS(delayed(add)(x, empty), dally::graph_error);
  CHECK_THROWS_WITH(delayed(add)(x, empty), contains("default-constructed or moved from"));
  CHECK_THROWS_AS(delayed(add)(std::move(x), empty), dally::graph_error);
  CHECK(x.compute(synchronous{}) == 1);
  CHECK_THROWS_AS(delayed(sum)(std::vector{x, empty}), dally::graph_error);
  CHECK_THROWS_AS(delayed([](std::map<int, int> const&) {})(std::map<int, lazy<int>>{{1, x}, {2, empty}}),
                  dally::graph_error);
  CHECK_THROWS_AS(empty + x, dally::graph_error);
  CHECK_THROWS_AS(x + empty, dally::graph_error);
  CHECK_THROWS_AS(-empty, dally::graph_error);
  CHECK_THROWS_AS(x += empty, dally::graph_error);
  CHECK_THROWS_AS(empty += 1, dally::graph_error);
  CHECK_THROWS_AS(empty.then(same), dally::graph_error);
  CHECK_THROWS_AS(empty.compute(), dally::graph_error);
  CHECK_THROWS_AS(empty.persist(), dally::graph_error);
  CHECK_THROWS_AS(empty.key(), dally::graph_error);
  CHECK_THROWS_AS(empty.name(), dally::graph_error);
  CHECK_THROWS_AS(dally::compute(x, empty), dally::graph_error);
  CHECK_THROWS_AS(dally::compute(std::vector{x, empty}), dally::graph_error);
  CHECK_THROWS_AS(dally::prepare(empty), dally::graph_error);
  CHECK_THROWS_AS(dally::collect(std::vector{x, empty}), dally::graph_error);
  CHECK_THROWS_AS(dally::to_dot(empty), dally::graph_error);
  CHECK_THROWS_AS(dally::same_node(x, empty), dally::graph_error);
  CHECK(x.compute(synchronous{}) == 1);
}

namespace {
struct throws {
  explicit throws(int copies) : copies_left{copies} {}
  throws(throws const& other) : copies_left{other.copies_left - 1} {
    if (copies_left < 0) throw std::bad_alloc{};
  }
  int copies_left;
};
}  // namespace

TEST_CASE("an argument whose copy throws in a run is that task's failure", "[argument]") {
  auto x = delayed([](throws) { return 1; }, {.name = "copying"})(throws{1});
  CHECK_THROWS_AS((x + 1).compute(synchronous{}), std::bad_alloc);
  REQUIRE(dally::last_failure().has_value());
  CHECK(dally::last_failure()->name == "copying");
}

TEST_CASE("a lazy that is moved into two arguments is refused, and nothing is lost", "[argument]") {
  auto sum = [](int a, int b) { return a + b; };
  lazy<int> x = delayed([](int v) { return v; })(20);
  CHECK_THROWS_WITH(delayed(sum)(std::move(x), std::move(x)), dally::tests::contains("moved into two arguments"));
  CHECK(delayed(sum)(x, std::move(x)).compute(dally::synchronous{}) == 40);
}

namespace {

/// Says that it lies elsewhere.
struct smart {
  int value = 3;
  int* operator&() { return nullptr; }
  int const* operator&() const { return nullptr; }
};

/// What follows a base with its own unary & is one too, and bytes are all there is to it.
struct smart_number {
  int value = 0;
  smart_number const* operator&() const { return nullptr; }
};

}  // namespace

TEST_CASE("std::ref refers to a value whose type has a unary & of its own", "[argument]") {
  smart s;
  CHECK(delayed([](smart& v) { return ++v.value; })(std::ref(s)).compute() == 4);
  CHECK(s.value == 4);
  CHECK(delayed([](smart const& v) { return v.value; })(std::cref(s)).compute() == 4);
  CHECK(delayed([](smart_number v) { return v.value; })(smart_number{5}).compute() == 5);
  CHECK(
      delayed([](int v) { return smart_number{v}; })(6).then([](smart_number const& v) { return v.value; }).compute() ==
      6);
}

TEST_CASE("more than six generic parameters take results that cannot be copied", "[argument]") {
  auto const number = delayed([](int x) { return std::make_unique<int>(x); });
  auto const sum = [](auto p, auto q, auto r, auto s, auto t, auto u, auto v) {
    return *p + *q + *r + *s + *t + *u + *v;
  };
  CHECK(delayed(sum)(number(1), number(2), number(3), number(4), number(5), number(6), number(7)).compute() == 28);
  // One that is only looked at may have other consumers.
  auto const shared = number(8);
  auto const mixed = [](auto const& a, auto b, auto c, auto d, auto e, auto f, auto g) {
    return *a + *b + c + d + e + f + g;
  };
  auto const first = delayed(mixed)(shared, number(1), 2, 3, 4, 5, 6);
  CHECK((first + delayed(mixed)(shared, number(2), 2, 3, 4, 5, 6)).compute() == 59);
}
