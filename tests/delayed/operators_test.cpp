// Every operator of the table, with a lazy on either side or on both.

#include <dally/dally.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/recorded.hpp"

using dally::compute;
using dally::delayed;
using dally::lazy;
using dally::synchronous;
using dally::tests::counted;
using dally::tests::recorded_node;

namespace {

auto value(auto const& x) { return x.compute(synchronous{}); }

lazy<int> number(int x) {
  return delayed([](int i) { return i; })(x);
}

/// A type all of whose operators say what was asked of them.
struct spoken {
  std::string text;
};
#define SPOKEN(op)                                                                                              \
  spoken operator op(spoken const& a, spoken const& b) { return {'(' + a.text + " " #op " " + b.text + ')'}; }  \
  spoken operator op(spoken const& a, int b) { return {'(' + a.text + " " #op " " + std::to_string(b) + ')'}; } \
  spoken operator op(int a, spoken const& b) { return {'(' + std::to_string(a) + " " #op " " + b.text + ')'}; }
#define SPOKEN_ASSIGNMENT(op)                                                                                        \
  spoken& operator op(spoken & a, spoken const& b) { return a.text = '(' + a.text + " " #op " " + b.text + ')', a; } \
  spoken& operator op(spoken & a, int b) { return a.text = '(' + a.text + " " #op " " + std::to_string(b) + ')', a; }
// clang-format off
SPOKEN(+) SPOKEN(-) SPOKEN(*) SPOKEN(/) SPOKEN(%) SPOKEN(&) SPOKEN(|) SPOKEN(^) SPOKEN(<<) SPOKEN(>>)
SPOKEN(&&) SPOKEN(||) SPOKEN(==) SPOKEN(!=) SPOKEN(<) SPOKEN(<=) SPOKEN(>) SPOKEN(>=)
SPOKEN_ASSIGNMENT(+=) SPOKEN_ASSIGNMENT(-=) SPOKEN_ASSIGNMENT(*=) SPOKEN_ASSIGNMENT(/=) SPOKEN_ASSIGNMENT(%=)
SPOKEN_ASSIGNMENT(&=) SPOKEN_ASSIGNMENT(|=) SPOKEN_ASSIGNMENT(^=) SPOKEN_ASSIGNMENT(<<=) SPOKEN_ASSIGNMENT(>>=)
    // clang-format on
    spoken
    operator-(spoken const& a) {
  return {"-" + a.text};
}
spoken operator~(spoken const& a) { return {"~" + a.text}; }
spoken operator!(spoken const& a) { return {"!" + a.text}; }

lazy<spoken> say(char const* text) {
  return delayed([](char const* t) { return spoken{t}; })(text);
}

}  // namespace

TEST_CASE("every binary operator is recorded, with a lazy on either side", "[operators]") {
  auto x = say("x"), y = say("y");
  auto const n = number(2);
#define CHECK_BINARY(op)                                                            \
  CHECK(value(x op y).text == "(x " #op " y)");                                     \
  CHECK(value(x op spoken{"p"}).text == "(x " #op " p)");                           \
  CHECK(value(spoken{"p"} op y).text == "(p " #op " y)");                           \
  CHECK(value(x op 5).text == "(x " #op " 5)");                                     \
  CHECK(value(5 op x).text == "(5 " #op " x)");                                     \
  CHECK(value(x op n).text == "(x " #op " 2)");                                     \
  CHECK(value((x op y)op(n op x)).text == "((x " #op " y) " #op " (2 " #op " x))"); \
  CHECK((x op y).name() == #op);                                                    \
  CHECK(recorded_node(x op y)->dependencies().size() == 2);                         \
  CHECK(recorded_node(x op 5)->dependencies().size() == 1)
  // clang-format off
  CHECK_BINARY(+); CHECK_BINARY(-); CHECK_BINARY(*); CHECK_BINARY(/); CHECK_BINARY(%); CHECK_BINARY(&);
  CHECK_BINARY(|); CHECK_BINARY(^); CHECK_BINARY(<<); CHECK_BINARY(>>); CHECK_BINARY(&&); CHECK_BINARY(||);
  CHECK_BINARY(==); CHECK_BINARY(!=); CHECK_BINARY(<); CHECK_BINARY(<=); CHECK_BINARY(>); CHECK_BINARY(>=);
  // clang-format on
  CHECK(value(x).text == "x");
}

TEST_CASE("every unary operator is recorded", "[operators]") {
  auto x = say("x");
  CHECK(value(-x).text == "-x");
  CHECK(value(~x).text == "~x");
  CHECK(value(!x).text == "!x");
  CHECK(value(!-~x).text == "!-~x");
}

TEST_CASE("every compound assignment records a task and binds the handle to it", "[operators]") {
  auto const y = say("y");
  auto const n = number(3);
#define CHECK_ASSIGNMENT(op)                                                     \
  {                                                                              \
    auto x = say("x");                                                           \
    auto const before = x;                                                       \
    auto& result = (x op y);                                                     \
    CHECK(&result == &x);                                                        \
    CHECK(!dally::same_node(x, before));                                         \
    CHECK(value(x).text == "(x " #op " y)");                                     \
    x op 5;                                                                      \
    x op spoken{"p"};                                                            \
    x op n;                                                                      \
    CHECK(value(x).text == "((((x " #op " y) " #op " 5) " #op " p) " #op " 3)"); \
    CHECK(value(before).text == "x");                                            \
    CHECK(x.name() == #op);                                                      \
  }
  CHECK_ASSIGNMENT(+=)
  CHECK_ASSIGNMENT(-=)
  CHECK_ASSIGNMENT(*=)
  CHECK_ASSIGNMENT(/=)
  CHECK_ASSIGNMENT(%=)
  CHECK_ASSIGNMENT(&=)
  CHECK_ASSIGNMENT(|=)
  CHECK_ASSIGNMENT(^=)
  CHECK_ASSIGNMENT(<<=)
  CHECK_ASSIGNMENT(>>=)
}

TEST_CASE("operators give what they give on values", "[operators]") {
  auto x = number(7), y = number(2);
  std::vector<lazy<int>> const numbers{x + y, x - y, x * y, x / y,  x % y, x & y, x | y, x ^ y,  x << y, x >> y,  ~x,
                                       -x,    1 + x, 1 - x, 20 / x, 9 % y, 8 & x, 8 | x, 8 ^ x,  1 << y, 64 >> y, x + 1,
                                       x - 1, x * 3, x / 2, x % 4,  x & 4, x | 8, x ^ 1, x << 1, x >> 1, 3 * x};
  CHECK(compute(synchronous{}, numbers) == std::vector{9, 5,  14, 3, 1,  2, 7, 5,  28, 1, ~7, -7, 8, -6, 2, 1,
                                                       0, 15, 15, 4, 16, 8, 6, 21, 3,  3, 4,  15, 6, 14, 3, 21});
  std::vector<lazy<bool>> const truths{x == y, x != y, x<y, x <= y, x> y,
                                       x >= y, !x,     x && y,
                                       x || y, 7 == x, 3 < y,
                                       7 != x, 7 <= x, 7 > x,
                                       7 >= x, x == 7, x != 7,
                                       x < 8,  x && 0, 0 || x};
  CHECK(compute(synchronous{}, truths) == std::vector{false, true, false, false, true,  true, false,
                                                      true,  true, true,  false, false, true, false,
                                                      true,  true, false, true,  false, true});
  static_assert(std::is_same_v<decltype(x + 1.5), lazy<double>>);
  static_assert(std::is_same_v<decltype(x == y), lazy<bool>>);
  CHECK(value(x / 2.0) == 3.5);
}

TEST_CASE("a compound assignment keeps the handle's type", "[operators]") {
  lazy<double> x = 7.0;
  x += number(1);
  static_assert(std::is_same_v<decltype(x + number(1)), lazy<double>>);
  x -= 2;
  static_assert(std::is_same_v<decltype(x), lazy<double>>);
  CHECK(value(x) == 6.0);
  x += x;
  CHECK(value(x) == 12.0);
  lazy<long> whole = 3;
  whole <<= number(2);
  static_assert(std::is_same_v<decltype(whole), lazy<long>>);
  CHECK(value(whole) == 12);
  lazy<std::string> s = "a";
  s += "b";
  s += lazy<std::string>{"c"};
  s += 'd';
  CHECK(value(s) == "abcd");
  for (int i = 0; i < 100; ++i) s += s[0];
  CHECK(value(s) == "abcd" + std::string(100, 'a'));
}

namespace {
struct tally {
  counted c;
  tally& operator+=(int x) { return c = counted{c.value() + x}, *this; }
};
}  // namespace

TEST_CASE("a compound assignment works in place on what nobody else uses", "[operators]") {
  auto x = delayed([] { return tally{counted{1}}; })();
  auto const before = x;
  for (int i = 0; i < 100; ++i) x += i;
  counted::reset();
  CHECK(value(x).c.value() == 4951);
  CHECK(counted::copies() == 0);
  auto [old, sum] = compute(synchronous{}, before, x);
  CHECK(old.c.value() == 1);
  CHECK(sum.c.value() == 4951);
  CHECK(counted::copies() == 1);
  lazy<tally> literal{tally{counted{5}}};
  literal += 1;
  for (int i = 0; i < 2; ++i) CHECK(value(literal).c.value() == 6);
}

TEST_CASE("both sides of && and || run", "[operators]") {
  int runs = 0;
  auto say_no = delayed([&runs] { return ++runs < 0; });
  auto say_yes = delayed([&runs] { return ++runs > 0; });
  CHECK(!value(say_no() && say_yes()));
  CHECK(runs == 2);
  CHECK(value(say_yes() || say_no()));
  CHECK(runs == 4);
}

TEST_CASE("operators on strings, with literals on either side", "[operators]") {
  auto s = delayed([] { return std::string{"s"}; })();
  CHECK(value(s + "t") == "st");
  CHECK(value("t" + s) == "ts");
  CHECK(value(s + std::string{"u"} + s) == "sus");
  CHECK(value(s == "s"));
  CHECK(value(s < "t"));
  CHECK(value(s + 'c') == "sc");
}

TEST_CASE("x[i] is recorded, with plain and with lazy indices", "[operators]") {
  auto words = delayed([] { return std::vector<std::string>{"a", "b", "c"}; })();
  auto table = delayed([] { return std::map<std::string, int>{{"one", 1}, {"two", 2}}; })();
  auto array = delayed([] { return std::array{4, 5}; })();
  auto flags = delayed([] { return std::vector<bool>{true, false}; })();
  static_assert(std::is_same_v<decltype(words[0]), lazy<std::string>>);
  CHECK(value(words[2]) == "c");
  CHECK(value(words[number(1)]) == "b");
  CHECK(value(words[0] + words[number(0) + 1]) == "ab");
  CHECK(value(table["two"]) == 2);
  CHECK(value(table[lazy<std::string>{"one"}]) == 1);
  CHECK_THROWS_AS(value(table["three"]), std::out_of_range);
  CHECK(value(array[1]) == 5);
  CHECK(value(flags[0]));
  static_assert(std::is_same_v<decltype(value(flags[0])), bool>);
  int plain[] = {7, 8};
  auto pointer = delayed([](int* p) { return p; })(&plain[0]);
  CHECK(value(pointer[number(1)]) == 8);
  CHECK(value(delayed([] { return std::string{"xyz"}; })()[1]) == 'y');
  CHECK(value(delayed([] { return std::vector<std::vector<int>>{{1}, {2, 3}}; })()[1][number(1)]) == 3);
}

TEST_CASE("printing a handle prints its name, records and runs nothing", "[operators][lazy]") {
  bool ran = false;
  auto x = delayed(
      [&ran] {
        ran = true;
        return 1;
      },
      {.name = "printed"})();
  auto next = number(0);
  auto const before = recorded_node(next)->number();
  std::ostringstream out;
  static_assert(std::is_same_v<decltype(out << x), std::ostream&>);
  out << "before " << x << ' ' << lazy<void>{delayed([] {}, {.name = "void"})()} << " after";
  CHECK(out.str() == "before printed void after");
  auto const const_x = x;
  std::ostream& base = out;
  base << const_x;
  CHECK(out.str() == "before printed void afterprinted");
  next = number(0);
  // The call of `number`, that of the void, and nothing else has been recorded since.
  CHECK(recorded_node(next)->number() == before + 2);
  CHECK(!ran);
}

TEST_CASE("structured bindings of lazy pairs, tuples and arrays", "[operators]") {
  auto [quotient, remainder] = delayed([](int a, int b) { return std::pair{a / b, a % b}; })(7, 2);
  static_assert(std::is_same_v<decltype(quotient), lazy<int>>);
  CHECK(value(quotient * 10 + remainder) == 31);
  auto [a, b, c] = delayed([] { return std::tuple{1, std::string{"two"}, 3.0}; })();
  static_assert(std::is_same_v<std::remove_cvref_t<decltype(b)>, lazy<std::string>>);
  CHECK(compute(synchronous{}, a, b, c) == std::tuple{1, std::string{"two"}, 3.0});
  auto const array = delayed([] { return std::array{4, 5}; })();
  auto const& [first, second] = array;
  CHECK(compute(synchronous{}, second, first) == std::tuple{5, 4});
  auto [only] = delayed([] { return std::tuple{6}; })();
  CHECK(value(only) == 6);
  auto [x, y] = lazy{std::pair{1, 2}};
  CHECK(value(x - y) == -1);
  // One run of the function serves all parts.
  int runs = 0;
  auto [p, q] = delayed([&runs] { return std::pair{++runs, 5}; })();
  CHECK(value(p + q) == 6);
  CHECK(runs == 1);
}

TEST_CASE("operators read a large operand where it lies", "[operators]") {
  struct big {
    counted c;
    int operator+(int x) const { return c.value() + x; }
    int operator[](int i) const { return c.value() * i; }
  };
  auto x = delayed([] { return big{counted{5}}; })();
  counted::reset();
  CHECK(compute(synchronous{}, x + 1, x[3]) == std::tuple{6, 15});
  CHECK(counted::copies() == 0);
}

namespace {

struct moments {
  double mean;
  int number;
  std::string name;
};

}  // namespace

TEST_CASE("a lazy aggregate unpacks into its members", "[operators]") {
  auto const made = delayed([](double mean) { return moments{mean, 3, std::string(40, 'm')}; })(2.5);
  auto const [mean, number, name] = made;
  STATIC_REQUIRE(std::is_same_v<decltype(mean), lazy<double> const>);
  CHECK((mean * number).compute() == 7.5);
  CHECK(name.compute() == std::string(40, 'm'));
  CHECK(mean.name() == "[0]");
  CHECK(made.compute().number == 3);
}

TEST_CASE("literals that fit are converted as where they stand", "[operators]") {
  auto const size = delayed([] { return std::string("hello"); })().call(&std::string::size);
  CHECK((size > 3).compute());
  CHECK((size - 4).compute() == 1);
  lazy<float> const half = 0.5F;
  CHECK((half * 3).compute() == 1.5F);
}
