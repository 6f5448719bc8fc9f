#include <memory>
#include <string>
#include <vector>

#include "dally/dally.hpp"
#include "support/catch2.hpp"

using dally::delayed;
using dally::fn;
using dally::lazy;

namespace {

int calls = 0;

int counted_call(int x) {
  ++calls;
  return x;
}
int other_call(int x) {
  ++calls;
  return -x;
}

struct adder {
  int n;
  int operator()(int x) const { return x + n; }
};

}  // namespace

TEST_CASE("equal pure calls have equal keys and run once in a plan", "[pure]") {
  calls = 0;
  auto pure = delayed(counted_call, {.pure = true});
  auto a = pure(1), b = pure(1), c = pure(2);
  CHECK(a.key() == b.key());
  CHECK(same_node(a, b));
  CHECK(a.key() != c.key());
  CHECK((a + b + c).compute(dally::synchronous{}) == 4);
  CHECK(calls == 2);
  CHECK(dally::compute(dally::threads{2}, a, b) == std::tuple{1, 1});
  CHECK(calls == 3);
}

TEST_CASE("calls are impure unless asked, and other functions stay apart", "[pure]") {
  auto impure = delayed(counted_call);
  CHECK(impure(1).key() != impure(1).key());
  CHECK(delayed(counted_call, {.pure = true})(1).key() != delayed(other_call, {.pure = true})(1).key());
  auto one = delayed([](int x) { return x; }, {.name = "same", .pure = true});
  auto two = delayed([](int x) { return x; }, {.name = "same", .pure = true});
  CHECK(one(1).key() != two(1).key());
}

TEST_CASE("lazies count by who they are: pure inputs by content, others by node", "[pure]") {
  calls = 0;
  auto pure = delayed(counted_call, {.pure = true});
  CHECK(pure(pure(1)).key() == pure(pure(1)).key());
  auto impure = delayed(counted_call)(1);
  CHECK(pure(impure).key() == pure(impure).key());
  CHECK(pure(impure).key() != pure(delayed(counted_call)(1)).key());
  auto total = delayed(
      [](std::vector<int> const& v) {
        int sum = 0;
        for (int x : v) sum += x;
        return sum;
      },
      {.pure = true});
  CHECK(total(std::vector{pure(1), pure(2)}).key() == total(std::vector{pure(1), pure(2)}).key());
  CHECK(total(std::vector{pure(1), pure(2)}).key() != total(std::vector{pure(2), pure(1)}).key());
}

TEST_CASE("bound state counts, and state or arguments without a token are refused by name", "[pure]") {
  CHECK(delayed(adder{1}, {.pure = true})(1).key() == delayed(adder{1}, {.pure = true})(1).key());
  CHECK(delayed(adder{1}, {.pure = true})(1).key() != delayed(adder{2}, {.pure = true})(1).key());
  int k = 3;
  auto bound = delayed([k](int x) { return x + k; }, {.pure = true});
  CHECK_THROWS_AS(bound(1), dally::config_error);
  auto pointed = delayed([](std::shared_ptr<int> const& p) { return *p; }, {.pure = true});
  CHECK_THROWS_WITH(pointed(std::make_shared<int>(1)), dally::tests::contains("std::shared_ptr<int>"));
}

TEST_CASE("after makes a call with a key of its own that runs later", "[after]") {
  std::vector<int> ran;
  auto note = [&ran](int x) {
    ran.push_back(x);
    return x;
  };
  auto first = delayed(note)(1), second = delayed(note)(2);
  auto last = delayed(note)(3).after(first, second);
  auto plain = delayed(counted_call, {.pure = true})(9);
  CHECK(plain.after(first).key() != plain.key());
  for (unsigned seed = 0; seed < 20; ++seed) {
    ran.clear();
    CHECK((last + first).compute(dally::shuffled{seed}) == 4);
    REQUIRE(ran.size() == 3);
    CHECK(ran.back() == 3);
  }
}

TEST_CASE("a loop of 100,000 flattened tasks takes constant stack", "[flatten]") {
  struct loop {
    static lazy<int> from(int n) { return n == 0 ? lazy<int>{42} : dally::flatten(delayed(&loop::from)(n - 1)); }
  };
  CHECK(dally::flatten(delayed(&loop::from)(100'000)).compute(dally::threads{2}) == 42);
  CHECK(dally::flatten(delayed(&loop::from)(100'000)).compute(dally::synchronous{}) == 42);
}
