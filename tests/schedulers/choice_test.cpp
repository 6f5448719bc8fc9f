// Which scheduler a compute runs on: argument before scope, scope before environment, environment before default.

#include <cstdlib>
#include <latch>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::lazy;
using dally::tests::contains;

namespace {

/// An environment variable with a value, or without one, for as long as this lives.
class variable {
 public:
  variable(char const* name, char const* value) : name_{name} {
    if (auto const* old = std::getenv(name)) before_ = old;
    set(value);
  }
  variable(variable const&) = delete;
  variable& operator=(variable const&) = delete;
  ~variable() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(char const* value) { value != nullptr ? setenv(name_, value, 1) : unsetenv(name_); }

  char const* name_;
  std::optional<std::string> before_;
};

/// A graph whose two tasks wait for each other: it finishes only where two workers run.
lazy<int> meeting(std::latch& both) {
  auto meet = delayed([&both](int x) {
    both.arrive_and_wait();
    return x;
  });
  return meet(1) + meet(2);
}

/// Whether all tasks of a graph of 200 ran on the thread that called `compute(graph)`. One of more workers than the
/// caller would have to miss all of them: where that is asked, `meeting` asks the opposite.
template <typename Compute>
bool runs_on_the_caller(Compute const& compute) {
  auto const caller = std::this_thread::get_id();
  auto here = delayed([caller](int) { return std::this_thread::get_id() == caller; });
  std::vector<lazy<bool>> all;
  for (int i = 0; i < 200; ++i) all.push_back(here(i));
  auto every = [](std::vector<bool> const& each) {
    for (bool one : each)
      if (!one) return false;
    return true;
  };
  return compute(delayed(every)(all));
}

bool default_runs_on_the_caller() {
  return runs_on_the_caller([](auto const& graph) { return graph.compute(); });
}

int meet_by_default() {
  std::latch both{2};
  return meeting(both).compute();
}

}  // namespace

TEST_CASE("the environment chooses scheduler and workers", "[schedulers][config]") {
  {
    variable scheduler{"DALLY_SCHEDULER", "synchronous"}, workers{"DALLY_WORKERS", nullptr};
    CHECK(default_runs_on_the_caller());
  }
  {
    variable scheduler{"DALLY_SCHEDULER", "synchronous"}, workers{"DALLY_WORKERS", "3"};
    CHECK(default_runs_on_the_caller());
  }
  {
    variable scheduler{"DALLY_SCHEDULER", "threads"}, workers{"DALLY_WORKERS", "2"};
    CHECK(meet_by_default() == 3);
  }
  {
    variable scheduler{"DALLY_SCHEDULER", nullptr}, workers{"DALLY_WORKERS", "2"};
    CHECK(meet_by_default() == 3);
  }
  {
    variable scheduler{"DALLY_SCHEDULER", nullptr}, workers{"DALLY_WORKERS", "1"};
    CHECK(default_runs_on_the_caller());
  }
}

TEST_CASE("a bad value in the environment is an error that lists the good ones", "[schedulers][config]") {
  auto five = delayed([](int x) { return x; })(5);
  for (auto const* bad : {"thread", "Threads", "threads ", "1", ","}) {
    CAPTURE(bad);
    variable scheduler{"DALLY_SCHEDULER", bad}, workers{"DALLY_WORKERS", nullptr};
    CHECK_THROWS_AS(five.compute(), dally::config_error);
    CHECK_THROWS_WITH(five.compute(), contains("DALLY_SCHEDULER") && contains("threads") && contains("synchronous"));
    CHECK(five.compute(dally::synchronous{}) == 5);
  }
  for (auto const* bad : {"0", "-1", "many", "2x", " 2", "1.5", "99999999999999999999"}) {
    CAPTURE(bad);
    variable scheduler{"DALLY_SCHEDULER", nullptr}, workers{"DALLY_WORKERS", bad};
    CHECK_THROWS_AS(five.compute(), dally::config_error);
    CHECK_THROWS_WITH(five.compute(), contains("DALLY_WORKERS") && contains(bad));
    CHECK(five.compute(dally::threads{2}) == 5);
  }
}

TEST_CASE("a scope beats the environment, and an argument beats the scope", "[schedulers][config]") {
  variable scheduler{"DALLY_SCHEDULER", "threads"}, workers{"DALLY_WORKERS", "2"};
  {
    dally::scoped_scheduler guard{dally::synchronous{}};
    CHECK(default_runs_on_the_caller());
    std::latch both{2};
    CHECK(meeting(both).compute(dally::threads{2}) == 3);
    std::latch again{2};
    CHECK(meeting(again).compute({.scheduler = dally::threads{2}}) == 3);
    {
      dally::scoped_scheduler inner{dally::threads{2}};
      CHECK(meet_by_default() == 3);
      CHECK(runs_on_the_caller([](auto const& graph) { return graph.compute(dally::synchronous{}); }));
    }
    CHECK(default_runs_on_the_caller());
  }
  CHECK(meet_by_default() == 3);
}

TEST_CASE("a scope ends with an exception too, and is its thread's alone", "[schedulers][config]") {
  variable scheduler{"DALLY_SCHEDULER", "threads"}, workers{"DALLY_WORKERS", "2"};
  try {
    dally::scoped_scheduler guard{dally::synchronous{}};
    throw std::runtime_error{"out of the scope"};
  } catch (std::runtime_error const&) {
  }
  CHECK(meet_by_default() == 3);
  dally::scoped_scheduler guard{dally::synchronous{}};
  int met = 0;
  std::thread{[&met] { met = meet_by_default(); }}.join();
  CHECK(met == 3);
  CHECK(default_runs_on_the_caller());
}

TEST_CASE("no workers, or more than can be, is an error", "[schedulers][config]") {
  CHECK_THROWS_AS(dally::compute(dally::threads{0}, lazy{1} + 1), dally::config_error);
  CHECK_THROWS_AS(dally::thread_pool{0}, dally::config_error);
  CHECK_THROWS_AS(dally::compute(dally::threads{4'000'000'000}, lazy{1} + 1), dally::config_error);
}
