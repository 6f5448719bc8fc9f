// Handles, literals, and results of every kind of type.

#include <dally/dally.hpp>

#include <any>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/recorded.hpp"

using dally::compute;
using dally::delayed;
using dally::lazy;
using dally::synchronous;
using dally::tests::recorded_node;

namespace {

auto value(auto const& x) { return x.compute(synchronous{}); }

struct nothing {};
struct alignas(64) cache_line {
  int value = 1;
};
struct alignas(32) half_line {
  char value = 2;
};
using boxes = std::vector<std::unique_ptr<int>>;
using megabyte = std::array<char, 1 << 20>;

/// What a task makes comes out of each kind of run, passed on by reference and by value in between.
template <typename T, typename Make, typename Good>
bool survives(Make make, Good good) {
  auto made = delayed(make)();
  static_assert(std::is_same_v<decltype(made), lazy<T>>);
  auto read = delayed([good](T const& x) { return good(x) && reinterpret_cast<std::uintptr_t>(&x) % alignof(T) == 0; });
  bool all = good(made.compute(synchronous{})) && good(made.compute(dally::threads{2}));
  auto passed = delayed([](T x) { return x; })(made);
  all = all && good(passed.compute(dally::shuffled{3}));
  all = all && read(passed).compute(dally::threads{2}) && read(made).compute(synchronous{});
  auto kept = made.persist(synchronous{});
  all = all && read(kept).compute(synchronous{});
  if constexpr (std::is_copy_constructible_v<T>) {
    auto [a, b] = compute(synchronous{}, made, made);
    all = all && good(a) && good(b) && good(kept.compute(synchronous{}));
    auto several = compute(dally::threads{2}, std::vector{made, passed, kept});
    for (std::size_t i = 0; i < several.size(); ++i) all = all && good(several[i]);
  }
  return all;
}

}  // namespace

TEST_CASE("results of every size, alignment and ownership", "[lazy][slot]") {
  CHECK(survives<bool>([] { return true; }, [](bool b) { return b; }));
  CHECK(survives<char>([] { return 'c'; }, [](char c) { return c == 'c'; }));
  CHECK(survives<nothing>([] { return nothing{}; }, [](nothing const&) { return true; }));
  CHECK(survives<double>([] { return 1.5; }, [](double d) { return d == 1.5; }));
  CHECK(survives<long double>([] { return 1.5L; }, [](long double d) { return d == 1.5L; }));
  CHECK(survives<cache_line>([] { return cache_line{}; }, [](cache_line const& c) { return c.value == 1; }));
  CHECK(survives<half_line>([] { return half_line{}; }, [](half_line const& c) { return c.value == 2; }));
  CHECK(survives<std::array<char, 3>>([] { return std::array{'a', 'b', 'c'}; },
                                      [](auto const& a) { return a[2] == 'c'; }));
  CHECK(survives<std::array<char, 65>>([] { return std::array<char, 65>{'x'}; },
                                       [](auto const& a) { return a[0] == 'x'; }));
  CHECK(survives<std::string>([] { return std::string(100, 's'); },
                              [](auto const& s) { return s == std::string(100, 's'); }));
  CHECK(survives<std::nullptr_t>([] { return nullptr; }, [](std::nullptr_t p) { return p == nullptr; }));
}

TEST_CASE("results that can only be moved, and large ones", "[lazy][slot]") {
  CHECK(survives<std::unique_ptr<int>>([] { return std::make_unique<int>(4); }, [](auto const& p) { return *p == 4; }));
  auto big = delayed([] {
    megabyte m{};
    m.back() = 'z';
    return m;
  })();
  CHECK(value(delayed([](megabyte const& m) { return m.back(); })(big)) == 'z');
  CHECK(value(delayed([](megabyte const& m) { return m.back(); })(big.persist(synchronous{}))) == 'z');
}

TEST_CASE("a container of move-only values is a result like any other", "[lazy][slot]") {
  auto make = delayed([] {
    boxes all;
    all.push_back(std::make_unique<int>(3));
    return all;
  });
  auto made = make();
  CHECK(value(delayed([](boxes const& b) { return *b.at(0); })(made)) == 3);
  CHECK(*value(made).at(0) == 3);
  CHECK(value(delayed([](boxes b) { return b.size(); })(made)) == 1);
  CHECK(value(delayed([](boxes const& b) { return b.size(); })(made.persist(synchronous{}))) == 1);
  auto pair = delayed([](boxes b) { return std::pair{std::move(b), 1}; })(make());
  CHECK(*value(pair).first.at(0) == 3);
  auto optional = delayed([](boxes b) { return std::optional{std::move(b)}; })(make());
  CHECK(*value(optional)->at(0) == 3);
  using table = std::map<int, boxes>;
  auto in_table = delayed([](boxes b) {
    table t;
    t[7] = std::move(b);
    return t;
  })(make());
  CHECK(*value(in_table).at(7).at(0) == 3);
  CHECK(value(delayed([](boxes const& b) { return b.size(); })(boxes(2))) == 2);
  static_assert(!dally::copyable_v<boxes> && !dally::copyable_v<table> && !dally::copyable_v<std::optional<boxes>>);
  static_assert(!dally::copyable_v<std::tuple<int, std::pair<boxes, int>>>);
  static_assert(dally::copyable_v<std::vector<std::string>> && dally::copyable_v<std::map<int, std::vector<int>>>);
  static_assert(dally::copyable_v<lazy<std::unique_ptr<int>>> && dally::copyable_v<boxes::iterator>);
  static_assert(dally::copyable_v<std::shared_ptr<std::unique_ptr<int>>> && dally::copyable_v<std::array<int, 3>>);
}

namespace {

struct crate {
  int number;
  boxes content;
  std::string label;
};
struct truck : crate {
  std::vector<crate> more;
};
struct labelled {
  std::string label;
  std::vector<int> numbers;
  std::any extra;
  std::function<int()> call;
};
struct tree {
  std::string label;
  std::vector<tree> children;
};
struct tree_of_boxes {
  std::vector<tree_of_boxes> children;
  boxes content;
};
struct street;
struct town {
  std::string label;
  std::vector<street> streets;
};
struct street {
  std::map<int, town> ends;
  std::string label;
};
struct nested_in_line {
  crate inner;
};
struct with_union {
  std::string label;
  union {
    int number;
    float real;
  };
};
struct of_handles {
  lazy<int> number;
  std::vector<lazy<boxes>> content;
};

// Asked for their fields, aggregates say what their elements say; one may hold itself.
static_assert(!dally::copyable_v<crate> && !dally::copyable_v<truck> && !dally::copyable_v<nested_in_line>);
static_assert(!dally::copyable_v<std::map<int, std::optional<crate>>> && !dally::copyable_v<tree_of_boxes>);
static_assert(dally::copyable_v<labelled> && dally::copyable_v<tree> && dally::copyable_v<town>);
static_assert(dally::copyable_v<street> && dally::copyable_v<with_union> && dally::copyable_v<of_handles>);

}  // namespace

TEST_CASE("an aggregate that holds what only moves is a result that only moves", "[lazy][slot]") {
  auto made = delayed([] {
    crate c{4, {}, "glass"};
    c.content.push_back(std::make_unique<int>(5));
    return c;
  })();
  CHECK(value(delayed([](crate const& c) { return *c.content.at(0) + c.number; })(made)) == 9);
  CHECK(*value(made).content.at(0) == 5);
  auto loaded = delayed([](crate c) { return nested_in_line{std::move(c)}; })(made);
  CHECK(*value(delayed([](nested_in_line n) { return std::move(n.inner.content.at(0)); })(loaded)) == 5);
  auto take = delayed([](crate c) { return c.number; });
  CHECK_THROWS_AS(value(take(made) + take(made)), dally::graph_error);
  CHECK(value(delayed([](crate const& c) { return c.label; })(crate{1, {}, "literal"})) == "literal");
}

TEST_CASE("functions that return references, const values or nothing", "[lazy]") {
  static int const global = 5;
  auto by_reference = delayed([]() -> int const& { return global; })();
  static_assert(std::is_same_v<decltype(by_reference), lazy<int>>);
  CHECK(value(by_reference) == 5);
  auto of_argument = delayed([](std::string const& s) -> std::string const& { return s; });
  CHECK(value(of_argument(of_argument(std::string(50, 'a')))) == std::string(50, 'a'));
  static_assert(std::is_same_v<decltype(delayed([]() -> std::string const { return "c"; })()), lazy<std::string>>);
  auto none = delayed([] {})();
  static_assert(std::is_same_v<decltype(none), lazy<void>>);
  static_assert(std::is_void_v<decltype(none.compute())>);
  none.compute(synchronous{});
  auto [a, b] = compute(synchronous{}, none, 1);
  static_assert(std::is_same_v<decltype(a), std::monostate>);
  CHECK(b == 1);
  none.persist(synchronous{}).compute(synchronous{});
  CHECK(compute(synchronous{}, std::vector{none, none}).size() == 2);
  dally::prepare(none)(synchronous{});
}

TEST_CASE("a task may return a lazy, as a value", "[lazy]") {
  auto inner = delayed([](int x) { return lazy{x} + 1; });
  static_assert(std::is_same_v<decltype(inner(1)), lazy<lazy<int>>>);
  CHECK(value(value(inner(1))) == 2);
}

TEST_CASE("literals", "[lazy]") {
  lazy five{5};
  static_assert(std::is_same_v<decltype(five), lazy<int>>);
  lazy again{five};
  static_assert(std::is_same_v<decltype(again), lazy<int>>);
  CHECK(dally::same_node(five, again));
  lazy real = lazy<double>{5};
  CHECK(value(real) == 5.0);
  lazy<std::string> converted = "text";
  CHECK(value(converted) == "text");
  lazy<std::optional<int>> optional = 3;
  CHECK(value(optional) == 3);
  CHECK(value(lazy{std::vector{1, 2}}) == std::vector{1, 2});
  CHECK(recorded_node(five)->is_value());
  CHECK(lazy<char const*>{nullptr}.name() == "nullptr");
  CHECK(lazy{nullptr}.name() == "nullptr");
  CHECK(lazy<char const*>{"text"}.name() == "\"text\"");
  CHECK(*value(lazy{std::make_shared<int>(6)}) == 6);
  CHECK(value(delayed([](std::unique_ptr<int> const& p) { return *p; })(lazy{std::make_unique<int>(7)})) == 7);
  auto takes_lazy = [](lazy<std::string> const& s) { return value(s + "!"); };
  CHECK(takes_lazy("implicit") == "implicit!");
  static_assert(std::convertible_to<int, lazy<double>>);
  static_assert(!std::convertible_to<std::string, lazy<int>>);
  static_assert(!std::convertible_to<lazy<int>, lazy<double>>);
  static_assert(!std::is_constructible_v<lazy<void>, int>);
}

TEST_CASE("what a lazy is not, traits can see", "[lazy]") {
  static_assert(!std::is_constructible_v<bool, lazy<int>>);
  static_assert(!std::convertible_to<lazy<bool>, bool>);
  auto const iterable = []<typename T>(T const& x) { return requires { x.begin(); }; };
  CHECK(!iterable(lazy<std::vector<int>>{}));
  static_assert(std::is_nothrow_move_constructible_v<lazy<int>>);
  static_assert(std::is_nothrow_copy_constructible_v<lazy<int>>);
  static_assert(sizeof(lazy<std::string>) == sizeof(void*));
}

TEST_CASE("copies name one node, equal calls do not", "[lazy]") {
  auto f = delayed([](int x) { return x; });
  auto x = f(1), copy = x, equal = f(1);
  CHECK(dally::same_node(x, copy));
  CHECK(!dally::same_node(x, equal));
  CHECK(!dally::same_node(x, x + 1));
  CHECK(!dally::same_node(x, f(1) == 1));
  CHECK(x.key() == copy.key());
  CHECK(x.key() != equal.key());
  std::map<dally::key, int> table{{x.key(), 1}};
  CHECK(table.contains(copy.key()));
  copy = equal;
  CHECK(dally::same_node(copy, equal));
  auto moved = std::move(copy);
  CHECK(dally::same_node(moved, equal));
}

TEST_CASE("several threads copy, read and extend one handle", "[lazy]") {
  auto const shared = delayed([](int x) { return x; })(1);
  std::mutex lock;
  std::vector<lazy<int>> ends;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      auto mine = shared;
      for (int i = 0; i < 2'000; ++i) {
        auto copy = shared;
        mine = i % 3 == 0 ? mine + copy : delayed([](int a, int b) { return a + b - 1; })(mine, copy);
      }
      static_cast<void>(shared.name());
      if (t % 2 == 0) static_cast<void>(mine.compute(synchronous{}));
      std::lock_guard const hold{lock};
      ends.push_back(mine);
    });
  }
  for (auto& t : threads) t.join();
  for (auto const& x : ends) CHECK(value(x) == 1 + 667);
}

TEST_CASE("compute gives plain values back unchanged, and containers of values", "[lazy][compute]") {
  auto x = delayed([](int i) { return i; })(1);
  auto result = compute(synchronous{}, x, 4, std::string{"five"}, std::vector{x, x + 1}, std::pair{x, 'c'});
  static_assert(
      std::is_same_v<decltype(result), std::tuple<int, int, std::string, std::vector<int>, std::pair<int, char>>>);
  CHECK(result == std::tuple{1, 4, std::string{"five"}, std::vector{1, 2}, std::pair{1, 'c'}});
  static_assert(std::is_same_v<decltype(compute()), std::tuple<>>);
  CHECK(compute(synchronous{}, 5) == 5);
}
