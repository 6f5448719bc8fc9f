// Everything that can be wrapped by delayed, and what its tasks are called.

#include <dally/dally.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"

using dally::compute;
using dally::delayed;
using dally::fn;
using dally::lazy;
using dally::synchronous;
using dally::tests::counted;

int increment(int x) { return x + 1; }

namespace {

int twice(int x) noexcept { return 2 * x; }
static int hidden(int x) { return x; }

struct tripler {
  int operator()(int x) const { return 3 * x; }
};

struct overloaded {
  std::string operator()(int) const { return "int"; }
  std::string operator()(std::string const&) const { return "string"; }
  std::string operator()(int, int) const { return "two"; }
};

/// Counts the calls of one object.
struct mutable_counter {
  int calls = 0;
  int operator()(int x) { return x + ++calls; }
};

/// Called differently as const and not.
struct both_ways {
  std::string operator()(int) { return "mutable"; }
  std::string operator()(int) const { return "const"; }
};

struct qualified {
  int operator()(int x) const& noexcept { return x + 100; }
};

struct account {
  std::string owner;
  int balance;
  int after(int deposit) const { return balance + deposit; }
  int spend(int amount) { return balance -= amount; }
  int noexcept_balance() const noexcept { return balance; }
  std::string take_owner() && { return std::move(owner); }
  virtual int rate() const { return 3; }
  virtual ~account() = default;
  account(std::string o, int b) : owner{std::move(o)}, balance{b} {}
  account(account const&) = default;
  account(account&&) = default;
  static int fee(int x) { return x / 10; }
};
account open_account(std::string owner, int balance) { return {std::move(owner), balance}; }

auto value(auto const& x) { return x.compute(synchronous{}); }

/// Has a member `place` like delayed itself, and is none.
struct with_place {
  int place() const { return 1; }
  int operator()(int x) const { return x + 1; }
};

}  // namespace

TEST_CASE("functions, also noexcept ones, references and pointers to them", "[delayed]") {
  static_assert(std::is_same_v<decltype(delayed(increment)(1)), lazy<int>>);
  CHECK(value(delayed(increment)(1)) == 2);
  CHECK(value(delayed(&twice)(4)) == 8);
  int (*pointer)(int) = hidden;
  CHECK(value(delayed(pointer)(5)) == 5);
  int (&reference)(int) = increment;
  CHECK(value(delayed(reference)(5)) == 6);
  CHECK(value(delayed(account::fee)(50)) == 5);
}

TEST_CASE("functors, overloaded and qualified", "[delayed]") {
  CHECK(value(delayed(tripler{})(4)) == 12);
  auto f = delayed(overloaded{});
  CHECK(value(f(1)) == "int");
  CHECK(value(f(lazy{1})) == "int");
  CHECK(value(f(std::string{"s"})) == "string");
  CHECK(value(f("s")) == "string");
  CHECK(value(f(f(1))) == "string");
  CHECK(value(f(lazy{1}, 2)) == "two");
  CHECK(value(delayed(qualified{})(1)) == 101);
  CHECK(value(delayed(both_ways{})(1)) == "const");
  both_ways not_const;
  CHECK(value(delayed(not_const)(1)) == "const");
}

TEST_CASE("lambdas, generic, capturing and variadic", "[delayed]") {
  int base = 10;
  CHECK(value(delayed([base](int x) { return base + x; })(1)) == 11);
  CHECK(value(delayed([&base](int x) { return base + x; })(1)) == 11);
  auto sum = delayed([](auto... x) { return (0 + ... + x); });
  CHECK(value(sum()) == 0);
  CHECK(value(sum(1, lazy{2}, 3L)) == 6);
  static_assert(std::is_same_v<decltype(sum(1, lazy{2}, 3L)), lazy<long>>);
  CHECK(value(delayed([](auto const& a, auto&& b) { return static_cast<int>(a.size()) + b; })(std::string{"abc"},
                                                                                              lazy{2})) == 5);
  // Where T const& does not compile, T&&.
  auto only_rvalue = delayed([]<typename T>(T&& x)
                               requires(!std::is_lvalue_reference_v<T>)
                             { return std::move(x); });
  CHECK(value(only_rvalue(lazy<std::string>{"moved"})) == "moved");
  CHECK(value(delayed([](auto p) { return *p; })(delayed([] { return std::make_unique<int>(4); })())) == 4);
  CHECK(value(delayed([] { return 5; })()) == 5);
}

TEST_CASE("a mutable callable works on a copy of its own in each call and each run", "[delayed]") {
  mutable_counter original;
  auto f = delayed(original);
  auto first = f(0), second = f(10);
  for (int run = 0; run < 3; ++run) CHECK(compute(synchronous{}, first, second) == std::tuple{1, 11});
  CHECK(original.calls == 0);
  struct returns_reference {
    std::string text = "kept";
    std::string& operator()(int i) { return text += std::to_string(i); }
  };
  CHECK(value(delayed(returns_reference{})(7)) == "kept7");
  auto lambda = delayed([n = 0](int by) mutable { return n += by; });
  auto chain = lambda(lambda(lambda(5)));
  CHECK(value(chain) == 5);
  CHECK(value(chain) == 5);
  auto growing = delayed([text = std::string{"a"}](auto const& x) mutable {
    text += x;
    return text;
  });
  CHECK(value(growing(growing(std::string{"b"}))) == "aab");
}

TEST_CASE("a move-only callable is called any number of times", "[delayed]") {
  auto f = delayed([p = std::make_unique<int>(4)](int x) { return x + *p; });
  auto x = f(1), y = f(x);
  CHECK(compute(synchronous{}, x, y) == std::tuple{5, 9});
  auto g = std::move(f);
  CHECK(value(g(2)) == 6);
  auto copy = g;
  CHECK(value(copy(3)) == 7);
  CHECK(value(lazy{1}.then([p = std::make_unique<int>(1)](int i) { return *p + i; })) == 2);
  CHECK(value(delayed([p = std::make_unique<int>(1)](auto const&... i) { return (*p + ... + i); })(1, lazy{2})) == 4);
}

TEST_CASE("std::function and the results of std::bind", "[delayed]") {
  std::function<int(int)> f = tripler{};
  CHECK(value(delayed(f)(lazy{2})) == 6);
  CHECK(value(delayed(std::bind(std::plus<>{}, std::placeholders::_1, 5))(lazy{2})) == 7);
  CHECK(value(delayed(std::plus<>{})(lazy{1}, 2)) == 3);
  CHECK(value(delayed(std::multiplies<int>{})(3, lazy{2})) == 6);
  CHECK_THROWS_AS(value(delayed(std::function<int()>{})()), std::bad_function_call);
}

TEST_CASE("member functions and data members, of values, pointers and references", "[delayed]") {
  auto opened = delayed(open_account)("ann", 10);
  CHECK(value(delayed(&account::after)(opened, 6)) == 16);
  CHECK(value(delayed(&account::balance)(opened)) == 10);
  CHECK(value(delayed(&account::noexcept_balance)(opened)) == 10);
  CHECK(value(delayed(&account::rate)(opened)) == 3);
  CHECK(value(delayed(&account::spend)(opened, lazy{3})) == 7);
  CHECK(value(delayed(&account::take_owner)(opened)) == "ann");
  CHECK(value(opened).balance == 10);
  account plain{"bob", 20};
  CHECK(value(delayed(&account::after)(plain, 1)) == 21);
  CHECK(value(delayed(&account::after)(&plain, 1)) == 21);
  CHECK(value(delayed(&account::after)(std::cref(plain), 1)) == 21);
  CHECK(value(delayed(&account::spend)(std::ref(plain), 5)) == 15);
  CHECK(plain.balance == 15);
  CHECK(value(delayed(&account::spend)(&plain, 5)) == 10);
  CHECK(plain.balance == 10);
  auto shared = delayed([] { return std::make_shared<account>("eve", 1); })();
  CHECK(value(delayed(&account::owner)(shared)) == "eve");
  CHECK(value(delayed(&account::after)(delayed([] { return std::make_unique<account>("u", 2); })(), 2)) == 4);
}

TEST_CASE("members of a lazy", "[lazy][delayed]") {
  auto opened = delayed(open_account)("ann", 10);
  static_assert(std::is_same_v<decltype(opened->*&account::owner), lazy<std::string>>);
  CHECK(value(opened->*&account::owner) == "ann");
  CHECK(value((opened->*&account::balance) * 2) == 20);
  CHECK(value(opened.call(&account::after, lazy{5})) == 15);
  CHECK(value(opened.call(&account::rate)) == 3);
  auto texts = delayed([] { return std::vector<std::string>{"x", "yy"}; })();
  CHECK(value(texts.call(&std::vector<std::string>::size)) == 2);
}

TEST_CASE("a lazy callable is called when it is there", "[delayed]") {
  auto adder = delayed([](int by) { return [by](int x) { return x + by; }; });
  auto three = adder(3);
  CHECK(value(delayed(three)(4)) == 7);
  CHECK(value(delayed(adder(lazy{1}))(delayed(three)(lazy{4}))) == 8);
  auto choice = delayed([](bool up) -> std::function<int(int)> {
    if (up) return increment;
    return [](int x) { return x - 1; };
  });
  CHECK(value(delayed(choice(true))(5)) == 6);
  CHECK(value(delayed(choice(false))(5)) == 4);
  CHECK(value(delayed(lazy{&increment})(5)) == 6);
  auto counting = delayed([] { return [n = 0](int x) mutable { return x + ++n; }; })();
  CHECK(value(delayed(counting)(1) + delayed(counting)(2)) == 5);
  auto boxed = delayed([] { return [p = std::make_unique<int>(5)](int x) { return x * *p; }; })();
  CHECK(value(delayed(boxed)(2)) == 10);
  auto member = delayed([] { return &account::balance; })();
  CHECK(value(delayed(member)(account{"m", 6})) == 6);
}

TEST_CASE("wrapping again changes nothing", "[delayed]") {
  auto f = delayed(increment, {.name = "named"});
  static_assert(std::is_same_v<decltype(delayed(f)), decltype(f)>);
  CHECK(value(delayed(f)(1)) == 2);
  CHECK(delayed(f)(1).name() == "named");
  CHECK(delayed(f).place().line() == f.place().line());
  CHECK(delayed(delayed(f))(1).name() == "named");
}

TEST_CASE("functions as compile-time constants", "[fn]") {
  CHECK(value(delayed(fn<increment>)(1)) == 2);
  CHECK(value(delayed(fn<twice>)(lazy{2})) == 4);
  CHECK(value(delayed(fn<&account::after>)(account{"c", 1}, 2)) == 3);
  CHECK(value(delayed(fn<&account::balance>)(account{"c", 5})) == 5);
  CHECK(delayed(fn<increment>)(1).name() == "increment");
  CHECK(delayed(fn<twice>)(1).name() == "twice");
  CHECK(delayed(fn<hidden>)(1).name() == "hidden");
}

TEST_CASE("then calls with the value, or afterwards", "[lazy]") {
  auto x = lazy{3}.then(increment);
  CHECK(value(x) == 4);
  CHECK(value(x.then([](int a, int b, int c) { return a + b * c; }, lazy{2}, 5)) == 14);
  CHECK(value(x.then(delayed(twice))) == 8);
  CHECK(x.then(delayed(twice, {.name = "t"})).name() == "t");
  CHECK(value(x.then(with_place{})) == 5);
  CHECK(value(delayed(open_account)("t", 5).then(&account::after, 5)) == 10);
  std::vector<int> order;
  auto nothing = delayed([&order](int i) { order.push_back(i); });
  auto first = nothing(1);
  static_assert(std::is_same_v<decltype(first), lazy<void>>);
  auto second = first.then([&order] { order.push_back(2); });
  static_assert(std::is_same_v<decltype(second), lazy<void>>);
  auto third = second.then(
      [&order](int a, std::string const& b) {
        order.push_back(3);
        return b + std::to_string(a);
      },
      lazy{7}, "n");
  CHECK(value(third) == "n7");
  CHECK(order == std::vector{1, 2, 3});
  CHECK(value(first.then([n = 0]() mutable { return ++n; })) == 1);
  CHECK(value(first.then([p = std::make_unique<int>(8)] { return *p; })) == 8);
  CHECK(first.then(twice, 1).name() == "twice");
  CHECK(value(first.then(twice, 4)) == 8);
  CHECK(value(first.then(lazy{&increment}, 4)) == 5);
  auto wrapped = first.then(delayed(twice, {.name = "wrapped"}), 4);
  static_assert(std::is_same_v<decltype(wrapped), lazy<int>>);
  CHECK(value(wrapped) == 8);
  CHECK(wrapped.name() == "wrapped");
}

TEST_CASE("a task is called what its function is called", "[delayed][label]") {
  CHECK(delayed(increment)(1).name() == "increment");
  CHECK(delayed(hidden)(1).name() == "hidden");
  CHECK(delayed(twice)(1).name() == "twice");
  CHECK(delayed(account::fee)(1).name() == "account::fee");
  CHECK(delayed(tripler{})(1).name() == "tripler");
  CHECK(delayed(increment, {.name = "given"})(1).name() == "given");
  CHECK(delayed(increment, {.name = ""})(1).name() == "increment");
  CHECK(delayed(open_account)("n", 1).call(&account::after, 1).name() == "account::after");
  CHECK((lazy{1} + 1).name() == "+");
  CHECK((-lazy{1}).name() == "-");
  CHECK((lazy{1} << 1).name() == "<<");
  CHECK((lazy{true} && true).name() == "&&");
  auto x = lazy{1};
  x += 2;
  CHECK(x.name() == "+=");
  CHECK(lazy<std::vector<int>>{std::vector{1}}[0].name() == "[]");
  CHECK(get<1>(lazy{std::pair{1, 2}}).name() == "[1]");
  CHECK(dally::collect(std::vector{lazy{1}}).name() == "collect");
  CHECK(lazy{5}.name() == "5");
  CHECK(lazy<std::string>{"text"}.name() == "\"text\"");
  CHECK(lazy{true}.name() == "true");
  std::array<int, 120> many{};
  CHECK(get<104>(lazy{many}).name() == "[104]");
}

TEST_CASE("a lambda is called by its place", "[delayed][label]") {
  auto x = delayed([](int i) { return i; })(1);
  auto const line = std::to_string(__LINE__ - 1);
  CHECK(x.name() == "lambda at callable_test.cpp:" + line);
  auto mutable_one = delayed([n = 0]() mutable { return ++n; })();
  CHECK(mutable_one.name() == "lambda at callable_test.cpp:" + std::to_string(__LINE__ - 1));
  auto move_only = delayed([p = std::make_unique<int>()] { return *p; })();
  CHECK(move_only.name() == "lambda at callable_test.cpp:" + std::to_string(__LINE__ - 1));
  auto afterwards = delayed([] {})().then([] { return 1; });
  CHECK(afterwards.name() == "lambda at callable_test.cpp:" + std::to_string(__LINE__ - 1));
}

TEST_CASE("a member's task is called what the member is called", "[delayed][label]") {
  account const a{"n", 1};
  CHECK(delayed(fn<&account::balance>)(a).name() == "account::balance");
  CHECK(delayed(fn<&account::rate>)(a).name() == "account::rate");
  CHECK(delayed(&account::after)(a, 1).name() == "account::after");
  // The name of a data member, or of a virtual function, cannot be found from a pointer: its class can.
  CHECK((delayed(open_account)("n", 1)->*&account::owner).name() == "account::*");
  CHECK(!delayed(&account::rate)(a).name().empty());
}

namespace {
unsigned line_of(auto const& x) { return static_cast<unsigned>(dally::detail::node_of(x)->place().line()); }
}  // namespace

TEST_CASE("a task's place is where its function was wrapped", "[delayed][place]") {
  auto f = delayed(increment);
  unsigned const here = __LINE__ - 1;
  CHECK(f.place().line() == here);
  auto x = f(1);
  CHECK(line_of(x) == here);
  auto named = delayed(increment, {.name = "named"});
  CHECK(line_of(named(1)) == __LINE__ - 1);
  auto copy = f;
  CHECK(line_of(copy(2)) == here);
  CHECK(std::string{dally::detail::node_of(x)->place().file_name()}.ends_with("callable_test.cpp"));
  auto literal = lazy{5};
  CHECK(line_of(literal) == __LINE__ - 1);
}

TEST_CASE("an operator's place is that of its leftmost lazy operand", "[delayed][place]") {
  auto a = delayed(increment)(1);
  unsigned const line_a = __LINE__ - 1;
  auto b = delayed(increment)(2);
  unsigned const line_b = __LINE__ - 1;
  CHECK(line_a != line_b);
  CHECK(line_of(a + b) == line_a);
  CHECK(line_of(b + a) == line_b);
  CHECK(line_of(1 + b) == line_b);
  CHECK(line_of(b * 2) == line_b);
  CHECK(line_of(-b) == line_b);
  CHECK(line_of(!b) == line_b);
  auto c = b;
  c += a;
  CHECK(line_of(c) == line_b);
  auto list = delayed([] { return std::vector{1, 2, 3}; })();
  unsigned const line_list = __LINE__ - 1;
  CHECK(line_of(list[a]) == line_list);
  CHECK(line_of(list[0]) == line_list);
  auto pair = delayed([] { return std::pair{1, 2}; })();
  unsigned const line_pair = __LINE__ - 1;
  auto [first, second] = pair;
  CHECK(line_of(first) == line_pair);
  auto opened = delayed(open_account)("p", 1);
  unsigned const line_opened = __LINE__ - 1;
  CHECK(line_of(opened->*&account::balance) == line_opened);
  CHECK(line_of(opened.call(&account::after, 1)) == line_opened);
}
