// Which calls are equal: keys of pure calls, within a program, across its files and across processes.

#include <dally/dally.hpp>

#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/sanitizers.hpp"

using dally::delayed;
using dally::fn;
using dally::lazy;
using dally::tests::contains;

/// The same definitions as here, in a file of their own.
std::vector<lazy<int>> calls_of_the_twin_file();

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

TEST_CASE("what has no token is refused by the name of its type, and nothing is lost", "[pure]") {
  auto const read = [](std::unique_ptr<int> const& p, int x) { return *p + x; };
  auto pure = delayed(read, {.pure = true});
  auto owned = std::make_unique<int>(5);
  auto input = delayed(counted_call)(2);
  calls = 0;
  CHECK_THROWS_AS(pure(std::move(owned), std::move(input)), dally::config_error);
  CHECK_THROWS_WITH(pure(std::move(owned), std::move(input)),
                    contains("unique_ptr<int") && contains("token_of") && contains(".pure"));
  REQUIRE(owned != nullptr);
  CHECK(input.compute(dally::synchronous{}) == 2);
  CHECK(calls == 1);
  CHECK(delayed(read)(std::move(owned), input).compute(dally::synchronous{}) == 7);
  auto const any = [](auto const&...) { return 0; };
  auto generic = delayed(any, {.pure = true});
  CHECK_THROWS_WITH(generic(1, std::vector{std::make_shared<int>(1)}), contains("std::shared_ptr<int>"));
  CHECK_THROWS_WITH(generic(std::optional<int*>{}), contains("std::optional<int"));
  CHECK_THROWS_WITH(generic(std::variant<int, std::unique_ptr<int>>{1}), contains("unique_ptr"));
  CHECK_NOTHROW(generic(1, "text", std::vector<std::string>{}, input));
  auto const shared = std::make_shared<int>(1);
  auto stateful = delayed([shared](int x) { return x + *shared; }, {.name = "stateful", .pure = true});
  CHECK_THROWS_WITH(stateful(1), contains("its callable, which has state") && contains("lambda"));
  CHECK(shared.use_count() == 2);  // ours and the wrapped function's: no half-made task holds a third
}

namespace {

// The twin file has others of the same names.
struct same_name {
  int operator()(int x) const { return x + 1; }
};
int same_function(int x) { return x + 2; }
auto const same_lambda = [](int x) { return x + 3; };

}  // namespace

TEST_CASE("functors, functions and lambdas of one name in two files are different functions", "[pure]") {
  std::vector<lazy<int>> const here{delayed(same_name{}, {.pure = true})(0), delayed(same_function, {.pure = true})(0),
                                    delayed(same_lambda, {.pure = true})(0),
                                    delayed(fn<same_function>, {.pure = true})(0),
                                    delayed([](int x) { return x + 4; }, {.pure = true})(0)};
  auto const there = calls_of_the_twin_file();
  REQUIRE(there.size() == here.size());
  std::set<dally::key> keys;
  for (std::size_t i = 0; i < here.size(); ++i) {
    CAPTURE(i);
    CHECK(here[i].key() != there[i].key());
    keys.insert(here[i].key());
    keys.insert(there[i].key());
  }
  CHECK(keys.size() == 10);
  CHECK(dally::compute(dally::synchronous{}, here, there) ==
        std::tuple{std::vector{1, 2, 3, 2, 4}, std::vector{-1, -2, -3, -2, -4}});
}

namespace {

struct ledger {
  int rate;
  [[nodiscard]] int interest(int sum) const { return sum * rate; }
};

int count_all(std::vector<std::string> const& words, double, std::optional<int> const&) {
  return static_cast<int>(words.size());
}

/// The keys of some pure calls of compile-time constants, a line each.
std::string keys_of_constants() {
  auto words = delayed(fn<count_all>, {.pure = true})(std::vector<std::string>{"a", "bc"}, std::nan(""), std::nullopt);
  auto next = delayed(fn<counted_call>, {.pure = true})(words);
  auto member = delayed(fn<&ledger::interest>, {.pure = true})(ledger{3}, next);
  return to_string(words.key()) + '\n' + to_string(next.key()) + '\n' + to_string(member.key()) + '\n';
}

/// What this program prints when it is run with these tests.
std::string run_again(char const* tests) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error{"pipe"};
  pid_t const child = fork();
  if (child < 0) throw std::runtime_error{"fork"};
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl("/proc/self/exe", "test_delayed", tests, static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? text : "failed";
}

/// What stands in a text between two words.
std::string between(std::string const& text, std::string const& begin, std::string const& end) {
  auto const first = text.find(begin);
  auto const last = text.find(end);
  if (first == std::string::npos || last == std::string::npos) return "nothing in: " + text;
  return text.substr(first + begin.size(), last - first - begin.size());
}

}  // namespace

TEST_CASE("prints the keys of pure calls, for another process to read", "[.][keys-of-constants]") {
  std::printf("KEYS\n%sHERE\n%p\nEND\n", keys_of_constants().c_str(), reinterpret_cast<void*>(&counted_call));
}

TEST_CASE("pure calls of compile-time constants have the same keys in every process of the program", "[pure][fn]") {
  auto const first = run_again("[keys-of-constants]"), second = run_again("[keys-of-constants]");
  CHECK(between(first, "KEYS\n", "HERE\n") == keys_of_constants());
  CHECK(between(second, "KEYS\n", "HERE\n") == keys_of_constants());
#ifdef __PIE__
  // Functions lie elsewhere in each process, unless somebody has switched that off.
  if (!dally::tests::sanitized && (personality(0xffff'ffffU) & ADDR_NO_RANDOMIZE) == 0) {
    CHECK(between(first, "HERE\n", "END\n") != between(second, "HERE\n", "END\n"));
  }
#endif
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
