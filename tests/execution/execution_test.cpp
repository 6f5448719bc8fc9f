// Runs that fail or are stopped: what arrives, and that nothing is left.

#include <dally/dally.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
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
int throw_number(int x) { throw x; }

std::vector<dally::any_scheduler> some_schedulers() {
  return {synchronous{}, dally::shuffled{5}, dally::threads{1}, dally::threads{3}};
}

/// The int that leaves `run`, -1 if nothing does, -2 if something else does.
template <typename Run>
int thrown_by(Run const& run) {
  try {
    run();
  } catch (int x) {
    return x;
  } catch (...) {
    return -2;
  }
  return -1;
}

/// Throws when it is copied or moved for the `left`-th time.
struct fragile {
  explicit fragile(int l, int v) : left{l}, inside{v} {}
  fragile(fragile const& other) : left{other.left - 1}, inside{other.inside} {
    if (left < 0) throw std::length_error{"fragile"};
  }
  fragile(fragile&& other) : left{other.left - 1}, inside{std::move(other.inside)} {
    if (left < 0) throw std::length_error{"fragile"};
  }
  int left;
  counted inside;
};

}  // namespace

TEST_CASE("whichever node of a graph throws, its exception arrives and nothing is left", "[execution]") {
  constexpr int size = 200;
  std::atomic<int> bad{-1};
  auto task = delayed([&bad](int id, std::vector<counted> inputs) {
    int sum = id;
    for (auto const& c : inputs) sum += c.value() % 7;
    if (id == bad) throw id;
    return counted{sum};
  });
  std::mt19937 random{1};
  std::vector<lazy<counted>> nodes;
  for (int id = 0; id < size; ++id) {
    std::vector<lazy<counted>> inputs;
    for (unsigned i = 0; i < random() % 4 && !nodes.empty(); ++i) {
      inputs.push_back(nodes[nodes.size() - 1 - random() % std::min<std::size_t>(nodes.size(), 20)]);
    }
    nodes.push_back(task(id, inputs));
  }
  auto total = delayed([](std::vector<counted> const& all) {
    int sum = 0;
    for (auto const& c : all) sum += c.value();
    return sum;
  })(nodes);
  auto const expected = total.compute(synchronous{});
  REQUIRE(counted::live() == 0);
  for (auto const& scheduler : some_schedulers()) {
    auto const prepared = dally::prepare(total, nodes[50]);
    for (int id = 0; id < size; id += 3) {
      CAPTURE(id);
      bad = id;
      CHECK(thrown_by([&] { total.compute(scheduler); }) == id);
      REQUIRE(dally::last_failure().has_value());
      CHECK(dally::last_failure()->key == nodes[static_cast<std::size_t>(id)].key());
      CHECK(counted::live() == 0);
      CHECK(thrown_by([&] { prepared(scheduler); }) == id);
      CHECK(counted::live() == 0);
      bad = -1;
      if (id % 30 == 0) CHECK(total.compute(scheduler) == expected);
    }
  }
}

TEST_CASE("of a hundred tasks that throw, one is heard and the others are destroyed", "[execution]") {
  struct loud {
    int id;
    counted inside;
  };
  std::vector<lazy<int>> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(delayed([](int id) -> int { throw loud{id, counted{id}}; })(i));
  }
  for (auto const& scheduler : some_schedulers()) {
    for (int round = 0; round < 10; ++round) {
      int heard = -1;
      try {
        compute(scheduler, all);
      } catch (loud const& l) {
        heard = l.id;
      }
      REQUIRE(heard >= 0);
      CHECK(dally::last_failure()->key == all[static_cast<std::size_t>(heard)].key());
    }
  }
  CHECK(counted::live() == 0);
}

TEST_CASE("a result that cannot be constructed is a failure of its task", "[execution]") {
  for (auto const& scheduler : some_schedulers()) {
    auto make = delayed([](int left) { return fragile{left, 1}; });
    auto take = delayed([](fragile f) { return f.inside.value(); }, {.name = "take"});
    auto shared = make(0);
    auto twice = take(shared) + take(shared);
    CHECK_THROWS_AS(twice.compute(scheduler), std::length_error);
    REQUIRE(dally::last_failure().has_value());
    CHECK(dally::last_failure()->name == "take");
    CHECK(counted::live() == 0);
    // The caller's own copy: no task's failure.
    CHECK_THROWS_AS(compute(scheduler, shared, shared), std::length_error);
    CHECK(counted::live() == 0);
    CHECK_THROWS_AS(shared.persist(scheduler), std::length_error);
    CHECK(counted::live() == 0);
    struct large {
      std::array<char, 500> bytes;
      fragile f;
    };
    auto boxed = delayed([](fragile const& f) { return large{{}, f}; })(make(0));
    CHECK_THROWS_AS(boxed.compute(scheduler), std::length_error);
    CHECK(counted::live() == 0);
  }
}

TEST_CASE("results of every size are destroyed when a later task fails", "[execution]") {
  struct large {
    std::array<char, 500> bytes;
    counted inside;
  };
  struct alignas(64) wide {
    counted inside;
  };
  auto use = [](large const&, wide const&, std::vector<counted> const&, int x) { return x; };
  auto bad =
      delayed(use)(delayed([](int) { return large{{}, counted{1}}; })(1), delayed([] { return wide{counted{2}}; })(),
                   std::vector{delayed([] { return counted{3}; })()}, delayed(throw_number)(9));
  for (auto const& scheduler : some_schedulers()) {
    for (int round = 0; round < 20; ++round) CHECK(thrown_by([&] { bad.compute(scheduler); }) == 9);
    CHECK(counted::live() == 0);
  }
}

TEST_CASE("last_failure is that of the last exception that left a compute on this thread", "[execution]") {
  auto bad = delayed(throw_number, {.name = "first"})(1), worse = delayed(throw_number, {.name = "second"})(2);
  CHECK(thrown_by([&] { bad.compute(synchronous{}); }) == 1);
  CHECK(dally::last_failure()->name == "first");
  CHECK(delayed(same)(1).compute(synchronous{}) == 1);
  CHECK(dally::last_failure()->name == "first");
  CHECK(thrown_by([&] { static_cast<void>(worse.persist(synchronous{})); }) == 2);
  CHECK(dally::last_failure()->name == "second");
  CHECK(thrown_by([&] { dally::prepare(bad)(synchronous{}); }) == 1);
  CHECK(dally::last_failure()->name == "first");
  std::thread{[&] {
    if (!dally::last_failure().has_value()) thrown_by([&] { worse.compute(synchronous{}); });
  }}.join();
  CHECK(dally::last_failure()->name == "first");

  std::stop_source stop;
  stop.request_stop();
  CHECK_THROWS_AS(bad.compute({.scheduler = synchronous{}, .stop = stop.get_token()}), dally::cancelled);
  CHECK(!dally::last_failure().has_value());
}

namespace {

struct copied_badly {
  copied_badly() = default;
  copied_badly(copied_badly&&) noexcept {}
  copied_badly(copied_badly const&) { throw std::range_error{"no copy"}; }
};

struct scheduler_copied_badly {
  scheduler_copied_badly() = default;
  scheduler_copied_badly(scheduler_copied_badly const&) { throw std::range_error{"no copy"}; }
  void run(dally::execution& job) const { job.sweep(0, job.size()); }
};

}  // namespace

TEST_CASE("an exception of planning, of copying a scheduler or an output is no task's", "[execution]") {
  auto bad = delayed(throw_number)(1);
  auto fail_first = [&] {
    CHECK(thrown_by([&] { bad.compute(synchronous{}); }) == 1);
    REQUIRE(dally::last_failure().has_value());
  };
  fail_first();
  CHECK_THROWS_AS(dally::prepare(lazy<int>{}), dally::graph_error);
  CHECK(!dally::last_failure().has_value());
  fail_first();
  CHECK_THROWS_AS(bad.compute(scheduler_copied_badly{}), std::range_error);
  CHECK(!dally::last_failure().has_value());
  fail_first();
  auto output = delayed([] { return copied_badly{}; })();
  CHECK_THROWS_AS(dally::compute(synchronous{}, output, output), std::range_error);
  CHECK(!dally::last_failure().has_value());
}

TEST_CASE("an exception that is no task's leaves no last_failure", "[execution]") {
  auto bad = delayed(throw_number)(1);
  CHECK(thrown_by([&] { bad.compute(synchronous{}); }) == 1);
  REQUIRE(dally::last_failure().has_value());
  CHECK_THROWS_AS(lazy<int>{}.compute(synchronous{}), dally::graph_error);
  CHECK(!dally::last_failure().has_value());
}

TEST_CASE("a task may throw while others wait for it on other workers", "[execution]") {
  for (int round = 0; round < 50; ++round) {
    std::latch both{2};
    auto meet = delayed([&both](int x) {
      both.arrive_and_wait();
      if (x == 1) throw x;
      return counted{x};
    });
    auto sum = delayed([](counted const& a, counted const& b) { return a.value() + b.value(); })(meet(1), meet(2));
    CHECK(thrown_by([&] { sum.compute(dally::threads{2}); }) == 1);
    CHECK(counted::live() == 0);
  }
}

TEST_CASE("a stop request before the run lets nothing start", "[execution][cancel]") {
  for (auto const& scheduler : some_schedulers()) {
    std::atomic<int> calls{0};
    auto count = delayed([&calls](int x) { return calls++, x; });
    std::stop_source stop;
    stop.request_stop();
    stop.request_stop();
    auto total = count(1) + count(2);
    dally::compute_options const options{.scheduler = scheduler, .stop = stop.get_token()};
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(total.compute(options), dally::cancelled);
    CHECK_THROWS_AS(total.persist(options), dally::cancelled);
    CHECK_THROWS_AS(dally::prepare(total)(options), dally::cancelled);
    CHECK_THROWS_WITH(total.compute(options), contains("cancelled") && contains("stop"));
    CHECK(calls == 0);
    CHECK(total.compute({.scheduler = scheduler, .stop = std::stop_source{}.get_token()}) == 3);
  }
}

TEST_CASE("a stop request from a task lets running tasks finish and no other start", "[execution][cancel]") {
  for (auto const& scheduler : some_schedulers()) {
    std::stop_source stop;
    std::atomic<int> calls{0};
    auto request = delayed([&stop](int x) {
      stop.request_stop();
      stop.request_stop();
      return counted{x};
    });
    auto count = delayed([&calls](counted const& x) {
      ++calls;
      return x;
    });
    auto x = request(1);
    for (int i = 0; i < 50; ++i) x = count(x);
    CHECK_THROWS_AS(x.compute({.scheduler = scheduler, .stop = stop.get_token()}), dally::cancelled);
    CHECK(calls == 0);
    CHECK(counted::live() == 0);
  }
}

TEST_CASE("a stop request from another thread, in the midst of a run", "[execution][cancel]") {
  for (auto const& scheduler : some_schedulers()) {
    std::stop_source stop;
    std::latch running{1}, stopped{1};
    auto first = delayed([&](int x) {
      running.count_down();
      stopped.wait();
      return counted{x};
    })(1);
    std::atomic<int> calls{0};
    auto next = delayed([&calls](counted const& c) {
      ++calls;
      return c.value();
    })(first);
    std::thread stopper{[&] {
      running.wait();
      stop.request_stop();
      stopped.count_down();
    }};
    CHECK_THROWS_AS(next.compute({.scheduler = scheduler, .stop = stop.get_token()}), dally::cancelled);
    stopper.join();
    CHECK(calls == 0);
    CHECK(counted::live() == 0);
  }
}

TEST_CASE("a stop request that finds all tasks done changes nothing", "[execution][cancel]") {
  for (auto const& scheduler : some_schedulers()) {
    std::stop_source stop;
    auto last = delayed([&stop](int x) {
      stop.request_stop();
      return x;
    })(delayed(same)(6));
    CHECK(last.compute({.scheduler = scheduler, .stop = stop.get_token()}) == 6);
    std::stop_source later;
    CHECK(delayed(same)(7).compute({.scheduler = scheduler, .stop = later.get_token()}) == 7);
    later.request_stop();
    CHECK(lazy{8}.compute(scheduler) == 8);
  }
}

TEST_CASE("a failure after a stop request, and a stop request after a failure", "[execution][cancel]") {
  std::stop_source stop;
  auto both = delayed([&stop](int x) -> int {
    stop.request_stop();
    throw x;
  })(3);
  int caught = 0;
  try {
    (both + 1).compute({.scheduler = synchronous{}, .stop = stop.get_token()});
  } catch (int x) {
    caught = x;
  } catch (dally::cancelled const&) {
    caught = -1;
  }
  CHECK(caught != 0);
  CHECK(dally::last_failure().has_value() == (caught == 3));
}

TEST_CASE("stopping one run does not stop another of the same graph", "[execution][cancel]") {
  std::stop_source stop;
  std::latch started{2}, stopped{1};
  auto task = delayed([&](int x) {
    started.arrive_and_wait();
    stopped.wait();
    return x;
  })(5);
  auto graph = dally::prepare(task + 1);
  bool was_cancelled = false;
  std::thread other{[&] {
    try {
      graph({.scheduler = synchronous{}, .stop = stop.get_token()});
    } catch (dally::cancelled const&) {
      was_cancelled = true;
    }
  }};
  std::thread stopper{[&] {
    started.wait();
    stop.request_stop();
    stopped.count_down();
  }};
  CHECK(graph(synchronous{}) == 6);
  other.join();
  stopper.join();
  CHECK(was_cancelled);
}
