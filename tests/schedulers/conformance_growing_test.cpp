// What every scheduler makes of graphs that grow while they run, and of calls that wait for others.

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/schedulers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::flatten;
using dally::lazy;
using dally::tests::counted;
using dally::tests::shared_counter;
using dally::tests::shared_log;

namespace {

int same(int x) { return x; }

/// The n-th Fibonacci number, whose graph is known only while it runs.
lazy<int> fibonacci(int n) {
  if (n < 2) return n;
  return flatten(delayed(fibonacci)(n - 1)) + flatten(delayed(fibonacci)(n - 2));
}

/// Sorts by tasks that record tasks.
lazy<std::vector<int>> sorted(std::vector<int> const& values) {
  if (values.size() < 2) return values;
  std::vector<int> low, high;
  for (std::size_t i = 1; i < values.size(); ++i) (values[i] < values[0] ? low : high).push_back(values[i]);
  auto join = [](std::vector<int> a, int middle, std::vector<int> const& b) {
    a.push_back(middle);
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  return delayed(join)(flatten(delayed(sorted)(std::move(low))), values[0], flatten(delayed(sorted)(std::move(high))));
}

/// x + 1 + ... + (size - 1), by a chain of `size` tasks.
lazy<int> chain(int size, int x) {
  auto at = delayed(same)(x);
  for (int i = 1; i < size; ++i) at = at + i;
  return at;
}
/// The same numbers in a row, each by a task of its own, joined by one with `size` inputs and more.
lazy<std::string> row(int size, int x) {
  std::vector<lazy<std::string>> all;
  for (int i = 0; i < size; ++i) all.push_back(delayed([](int of) { return std::to_string(of); })(x + i));
  auto join = [](std::vector<std::string> const& parts, std::string last) {
    for (std::string const& part : parts) last += ' ' + part;
    return last;
  };
  auto const last = all.back();
  return delayed(join)(std::move(all), last);
}
/// Nodes that several others take: x doubled `size` times.
lazy<long> doubled(int size, int x) {
  auto at = delayed([](int of) { return long{of}; })(x);
  for (int i = 0; i < size; ++i) at = at + at;
  return at;
}

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("a task may return a lazy, and flatten is the lazy of its value") {
  auto inner = delayed([](int x) { return delayed(same)(x) + 1; });
  lazy<int> two = flatten(inner(1));
  CHECK(two.compute(scheduler) == 2);
  CHECK(dally::compute(scheduler, two, two + flatten(inner(two))) == std::tuple{2, 5});
  CHECK(flatten(delayed([](int x) { return lazy{x}; })(6)).compute(scheduler) == 6);
  CHECK(*flatten(delayed([] { return delayed([] { return std::make_unique<int>(7); })(); })()).compute(scheduler) == 7);
  shared_counter calls;
  flatten(delayed([&calls] { return delayed([&calls] { calls.add(); })(); })()).compute(scheduler);
  CHECK(calls.value() == 1);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a graph that a task returns is right whatever its size and shape") {
  for (int size = 1; size <= 13; ++size) {
    CAPTURE(size);
    CHECK(flatten(delayed(chain)(size, 5)).compute(scheduler) == 5 + size * (size - 1) / 2);
    CHECK(flatten(delayed(doubled)(size, 3)).compute(scheduler) == 3L << size);
    std::string expected = std::to_string(6 + size);
    for (int i = 0; i < size; ++i) expected += ' ' + std::to_string(7 + i);
    CHECK(flatten(delayed(row)(size, 7)).compute(scheduler) == expected);
  }
}

DALLY_TEST_ON_EVERY_SCHEDULER("graphs that grow by recursion give what recursion gives") {
  CHECK(flatten(delayed(fibonacci)(12)).compute(scheduler) == 144);
  std::vector<int> values;
  for (int i = 0; i < 200; ++i) values.push_back(i * 7919 % 1009);
  auto expected = values;
  std::sort(expected.begin(), expected.end());
  CHECK(flatten(delayed(sorted)(values)).compute(scheduler) == expected);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a flattened graph fails as its task does, and leaves nothing behind") {
  auto inner = delayed([](int x) {
    auto make = delayed([](int v) { return counted{v}; });
    auto bad = delayed([](counted const& c) -> counted { throw std::out_of_range{std::to_string(c.value())}; },
                       {.name = "inner"});
    return x == 0 ? make(1) : bad(make(x));
  });
  auto value = delayed([](counted const& c) { return c.value(); });
  CHECK(value(flatten(inner(0))).compute(scheduler) == 1);
  CHECK_THROWS_WITH(value(flatten(inner(5))).compute(scheduler), "5");
  REQUIRE(dally::last_failure().has_value());
  CHECK(dally::last_failure()->name == "inner");
  CHECK(counted::live() == 0);
  auto empty = delayed([] { return lazy<int>{}; });
  CHECK_THROWS_AS(flatten(empty()).compute(scheduler), dally::graph_error);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a call that waits for others runs after them, and keeps its own arguments") {
  shared_log ran;
  auto note = delayed([&ran](int x) {
    ran.append(x);
    return x;
  });
  auto first = note(1), second = note(2);
  auto input = note(3);
  auto last = note(input + 10);
  auto waiting = last.after(first, second);
  CHECK(waiting.key() != last.key());
  CHECK((waiting * 100 + first).compute(scheduler) == 1301);
  auto order = ran.values();
  REQUIRE(order.size() == 4);
  CHECK(order.back() == 13);
  ran.clear();
  CHECK(last.compute(scheduler) == 13);
  CHECK(ran.values() == std::vector{3, 13});
  ran.clear();
  auto after_void = lazy{5}.after(delayed([&ran] { ran.append(0); })());
  CHECK(after_void.compute(scheduler) == 5);
  CHECK(ran.values() == std::vector{0});
}

DALLY_TEST_ON_EVERY_SCHEDULER("what waits for several has the same values, none before all are there") {
  shared_log ran;
  auto note = delayed([&ran](int x) {
    ran.append(x);
    return x;
  });
  auto word = delayed([&ran](int x) {
    ran.append(x);
    return std::string(3, 'w');
  });
  auto [a, b, c] = dally::wait_on(note(1), word(2), delayed([&ran] { ran.append(3); })());
  auto of_a = a.then([&ran](int x) {
    ran.append(10);
    return x;
  });
  auto of_b = b.then([&ran](std::string s) {
    ran.append(20);
    return s;
  });
  CHECK(dally::compute(scheduler, of_a, of_b) == std::tuple{1, std::string{"www"}});
  auto order = ran.values();
  REQUIRE(order.size() == 5);
  std::sort(order.begin(), order.begin() + 3);
  std::sort(order.begin() + 3, order.end());
  CHECK(order == std::vector{1, 2, 3, 10, 20});
  c.compute(scheduler);
  CHECK(ran.values().size() == 8);
}

DALLY_TEST_ON_EVERY_SCHEDULER("map records one call an element, over lazy and plain elements side by side") {
  auto add = [](int x, int y, int z) { return x + 10 * y + 100 * z; };
  std::vector<lazy<int>> lazies{delayed(same)(1), delayed(same)(2), delayed(same)(3)};
  auto calls = dally::map(add, lazies, std::vector{4, 5}, std::vector{lazy{6}, lazy{7}, lazy{8}});
  CHECK(dally::compute(scheduler, calls) == std::vector{641, 752});
  CHECK(dally::map(same, std::vector<int>{}).empty());
  auto wrapped = dally::map(delayed(same, {.name = "wrapped"}), std::vector{1, 2});
  CHECK(wrapped.at(1).name() == "wrapped");
  CHECK(dally::compute(scheduler, wrapped) == std::vector{1, 2});
}
