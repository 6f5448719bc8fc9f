#include "dally/formats.hpp"

#include <chrono>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dally/dally.hpp"
#include "support/catch2.hpp"

using dally::delayed;

namespace {
int increment(int x) { return x + 1; }
}  // namespace

TEST_CASE("keys and handles print", "[formats]") {
  dally::key const k{"add", 1, 15};
  CHECK(fmt::format("{}", k) == to_string(k));
  auto const x = delayed(increment)(1);
  CHECK(fmt::format("{}", x) == "increment");
  CHECK(fmt::format("{}", x.key()) == to_string(x.key()));
}

TEST_CASE("no lazy is taken for a range or a tuple", "[formats]") {
  auto const pair = delayed([](int a) { return std::pair{a, a}; }, {.name = "pair"})(1);
  auto const vector = delayed([](int a) { return std::vector{a}; }, {.name = "vector"})(1);
  CHECK(fmt::format("{} {} {}", pair, vector, std::vector{vector, vector}) == "pair vector [vector, vector]");
}

TEST_CASE("errors print what they say", "[formats]") {
  CHECK(fmt::format("{}", dally::error{"a"}) == "a");
  CHECK(fmt::format("{}", dally::graph_error{"b"}) == "b");
  CHECK(fmt::format("{}", dally::config_error{"c"}) == "c");
  CHECK(fmt::format("{}", dally::cancelled{"d"}) == "d");
  CHECK(fmt::format("{}", dally::resource_error{"e", 12}) == "e");
  try {
    dally::compute(dally::threads{0}, delayed(increment)(1));
    FAIL("no workers, no error");
  } catch (dally::error const& e) {  // by its base
    CHECK(fmt::format("{}", e) == e.what());
  }
}

TEST_CASE("the failed task prints as messages name it", "[formats]") {
  auto const bad = delayed([](int x) -> int { throw x; }, {.name = "bad"});
  CHECK_THROWS_AS(bad(1).compute(), int);
  auto const line = std::to_string(__LINE__ - 2);
  CHECK(fmt::format("{}", dally::last_failure().value()) == "\"bad\" (formats_test.cpp:" + line + ")");
}

TEST_CASE("options print as they are written", "[formats]") {
  CHECK(fmt::format("{}", dally::task_options{}) == "{.name = \"\"}");  // what is not said is not shown
  CHECK(fmt::format("{}", dally::task_options{.pure = false}) == "{.name = \"\", .pure = false}");
  CHECK(fmt::format("{}", dally::task_options{.name = "f", .pure = true}) == "{.name = \"f\", .pure = true}");
  CHECK(fmt::format(
            "{}",
            dally::task_options{.retries = 2, .crash_retries = 0, .timeout = std::chrono::seconds{1}, .here = true}) ==
        "{.name = \"\", .retries = 2, .crash_retries = 0, .timeout = 1000000000ns, .here = true}");
  CHECK(fmt::format("{}", dally::visualize_options{.max_nodes = 7, .engine = "sfdp"}) ==
        "{.rankdir = \"BT\", .max_nodes = 7, .color = none, .show_values = false, .engine = \"sfdp\"}");
  CHECK(fmt::format("{}", dally::compute_options{}) == "{.scheduler = none, .observers = 0, .stop = none}");
  dally::observer* const none = nullptr;
  std::stop_source source;
  dally::compute_options const all{
      .scheduler = dally::threads{2}, .observers = {none, none}, .stop = source.get_token()};
  CHECK(fmt::format("{}", all) == "{.scheduler = given, .observers = 2, .stop = given}");
  CHECK(fmt::format("{} {} {}", dally::outcome::done, dally::outcome::failed, dally::outcome::skipped) ==
        "done failed skipped");
}

TEST_CASE("texts are aligned in a width of characters, and nothing else is understood", "[formats]") {
  auto const x = delayed(increment, {.name = "fünf"})(1);
  CHECK(fmt::format("{:6}|", x) == "fünf  |");
  CHECK(fmt::format("{:<6}|", x) == "fünf  |");
  CHECK(fmt::format("{:>6}|", x) == "  fünf|");
  CHECK(fmt::format("{:^7}|", x) == " fünf  |");
  CHECK(fmt::format("{:*^7}|", x) == "*fünf**|");
  CHECK(fmt::format("{:2}|", x) == "fünf|");
  for (auto const* bad : {"{:d}", "{:>>>}", "{:{}}", "{:999999999999}", "{:5x}"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(fmt::format(fmt::runtime(bad), x), fmt::format_error);
  }
}
