// Schedulers of a user's own, good and bad, and what owns any of them.

#include <dally/dally.hpp>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"

using dally::any_scheduler;
using dally::delayed;
using dally::execution;
using dally::lazy;
using dally::tests::contains;
using dally::tests::counted;

namespace {

lazy<int> chain(int length) {
  auto x = delayed([](int i) { return counted{i}; })(0);
  for (int i = 1; i < length; ++i) x = delayed([](counted const& c) { return counted{c.value() + 1}; })(x);
  return delayed([](counted const& c) { return c.value(); })(x);
}

lazy<int> wide(int width) {
  std::vector<lazy<counted>> parts;
  for (int i = 0; i < width; ++i) parts.push_back(delayed([](int x) { return counted{x}; })(i));
  return delayed([](std::vector<counted> const& v) { return static_cast<int>(v.size()); })(parts);
}

/// Steps at most so many nodes.
struct lazybones {
  int steps;
  void run(execution& job) {
    std::vector<dally::node_id> ready{job.ready().begin(), job.ready().end()};
    for (int i = 0; i < steps && !ready.empty(); ++i) {
      auto const n = ready.back();
      ready.pop_back();
      job.step(n, [&](dally::node_id next) { ready.push_back(next); });
    }
  }
};

struct does_nothing {
  void run(execution&) const {}
};

/// Sweeps the first half.
struct half_sweep {
  void run(execution& job) const { job.sweep(0, job.size() / 2); }
};

/// Sweeps in pieces.
struct piecewise {
  void run(execution& job) const {
    for (dally::node_id n = 0; n < job.size(); n += 7) job.sweep(n, std::min<dally::node_id>(n + 7, job.size()));
  }
};

struct throws_after {
  int steps;
  void run(execution& job) {
    lazybones{steps}.run(job);
    throw std::logic_error{"the scheduler broke"};
  }
};

/// Stops as soon as it may.
struct leaves_early {
  void run(execution& job) const {
    std::vector<dally::node_id> ready{job.ready().begin(), job.ready().end()};
    while (!ready.empty() && !job.stopped()) {
      auto const n = ready.back();
      ready.pop_back();
      job.step(n, [&](dally::node_id next) { ready.push_back(next); });
    }
  }
};

/// Counts its instances and its own runs.
struct with_state {
  explicit with_state(std::vector<int>* to) : runs_of_each{to} { ++live; }
  with_state(with_state const& other) : runs_of_each{other.runs_of_each}, runs{other.runs} { ++live; }
  with_state& operator=(with_state const&) = default;
  ~with_state() { --live; }
  void run(execution& job) {
    runs_of_each->push_back(++runs);
    job.sweep(0, job.size());
  }
  std::vector<int>* runs_of_each;
  int runs = 0;
  std::array<char, 100> large{};
  static inline int live = 0;
};

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(throws_when_copied const& other) : copies{other.copies + 1} {
    if (copies > 1) throw std::length_error{"no copy"};
  }
  int copies = 0;
  std::array<char, 100> large{};
  void run(execution& job) const { job.sweep(0, job.size()); }
};

struct move_only {
  std::unique_ptr<int> p;
  void run(execution&) {}
};
struct const_only {
  void run(execution&) const {}
};

static_assert(dally::scheduler<lazybones>);
static_assert(dally::scheduler<const_only>);
static_assert(dally::scheduler<any_scheduler>);
static_assert(dally::scheduler<dally::threads> && dally::scheduler<dally::synchronous> &&
              dally::scheduler<dally::shuffled>);
static_assert(!dally::scheduler<int>);
static_assert(!dally::scheduler<move_only>);
static_assert(!dally::scheduler<dally::thread_pool>);
static_assert(!dally::scheduler<lazy<int>>);
static_assert(!dally::scheduler<dally::compute_options>);

}  // namespace

TEST_CASE("a scheduler that returns too early is an error, not a wrong answer", "[scheduler]") {
  for (auto const& graph : {chain(10), wide(10)}) {
    for (any_scheduler const& s :
         {any_scheduler{does_nothing{}}, any_scheduler{lazybones{0}}, any_scheduler{lazybones{1}},
          any_scheduler{lazybones{5}}, any_scheduler{lazybones{10}}, any_scheduler{half_sweep{}}}) {
      CHECK_THROWS_AS(graph.compute(s), dally::error);
      CHECK_THROWS_WITH(graph.compute(s), contains("scheduler returned before all 11 tasks"));
      CHECK(!dally::last_failure().has_value());
      CHECK(counted::live() == 0);
    }
    CHECK(graph.compute(lazybones{11}) == (graph.compute(dally::synchronous{})));
    CHECK(graph.compute(piecewise{}) == (graph.compute(dally::synchronous{})));
  }
  CHECK(lazy{5}.compute(does_nothing{}) == 5);
}

TEST_CASE("a scheduler that throws is heard, and nothing is left", "[scheduler]") {
  for (int steps : {0, 1, 5, 11}) {
    CHECK_THROWS_AS(chain(10).compute(throws_after{steps}), std::logic_error);
    CHECK_THROWS_WITH(wide(10).compute(throws_after{steps}), "the scheduler broke");
    CHECK(!dally::last_failure().has_value());
    CHECK(counted::live() == 0);
  }
}

TEST_CASE("a scheduler may return once the run is stopped", "[scheduler]") {
  auto bad = delayed([](counted const& c) -> counted { throw c.value(); });
  auto x = bad(delayed([] { return counted{4}; })());
  for (int i = 0; i < 10; ++i) x = delayed([](counted const& c) { return c; })(x);
  CHECK_THROWS_AS(x.compute(leaves_early{}), int);
  CHECK(dally::last_failure().has_value());
  CHECK(counted::live() == 0);
  std::stop_source stop;
  auto stopping = delayed([&stop] {
    stop.request_stop();
    return counted{1};
  })();
  for (int i = 0; i < 10; ++i) stopping = delayed([](counted const& c) { return c; })(stopping);
  CHECK_THROWS_AS(stopping.compute({.scheduler = leaves_early{}, .stop = stop.get_token()}), dally::cancelled);
  CHECK(counted::live() == 0);
}

TEST_CASE("what a job tells its scheduler", "[scheduler][execution]") {
  struct asking {
    std::vector<std::string>* log;
    void run(execution& job) {
      auto& l = *log;
      l.push_back("size " + std::to_string(job.size()));
      std::vector<dally::node_id> ready{job.ready().begin(), job.ready().end()};
      for (auto n : ready) l.push_back("ready " + std::to_string(n) + " rank " + std::to_string(job.rank(n)));
      l.push_back(job.finished() ? "finished" : "not finished");
      while (!ready.empty()) {
        auto const n = ready.front();
        ready.erase(ready.begin());
        job.step(
            n,
            [&](dally::node_id next) {
              l.push_back(std::to_string(n) + " releases " + std::to_string(next));
              ready.push_back(next);
            },
            3);
      }
      l.push_back(job.finished() ? "finished" : "not finished");
      l.push_back(job.stopped() ? "stopped" : "not stopped");
    }
  };
  auto id = delayed([](int x) { return x; });
  auto a = id(1), b = id(2);
  auto c = a + b, d = c + a;
  std::vector<std::string> log;
  CHECK((d + d).compute(asking{&log}) == 8);
  CHECK(log == std::vector<std::string>{"size 5", "ready 0 rank 0", "ready 1 rank 1", "not finished", "1 releases 2",
                                        "2 releases 3", "3 releases 4", "finished", "not stopped"});
}

TEST_CASE("compute runs a copy of the scheduler it is given", "[scheduler]") {
  std::vector<int> runs;
  {
    with_state const original{&runs};
    auto x = lazy{1} + 1;
    CHECK(x.compute(original) == 2);
    CHECK(x.compute(original) == 2);
    any_scheduler owned{original};
    CHECK(x.compute(owned) == 2);
    dally::compute(owned, x);
    x.compute({.scheduler = owned});
    dally::scoped_scheduler const scope{owned};
    x.compute();
  }
  CHECK(runs == std::vector<int>(6, 1));
  CHECK(with_state::live == 0);
}

TEST_CASE("any_scheduler is a value", "[scheduler]") {
  std::vector<int> runs;
  auto const x = lazy{1} + 1;
  {
    any_scheduler empty;
    CHECK(!empty);
    CHECK(!any_scheduler{empty});
    any_scheduler a{with_state{&runs}};
    CHECK(static_cast<bool>(a));
    CHECK(with_state::live == 1);
    any_scheduler b = a;
    CHECK(with_state::live == 2);
    any_scheduler c = std::move(a);
    CHECK(!a);  // NOLINT: moved-from is empty
    CHECK(with_state::live == 2);
    auto const& itself = b;
    b = itself;
    CHECK(static_cast<bool>(b));
    c = empty;
    CHECK(with_state::live == 1);
    b = dally::synchronous{};
    CHECK(with_state::live == 0);
    CHECK(x.compute(b) == 2);
    b = any_scheduler{with_state{&runs}};
    std::swap(b, c);
    CHECK(!b);
    CHECK(x.compute(c) == 2);
  }
  CHECK(with_state::live == 0);
  CHECK(runs == std::vector{1});
  // An empty one stands for the default.
  CHECK(x.compute(any_scheduler{}) == 2);
  CHECK(x.compute({.scheduler = {}}) == 2);
}

TEST_CASE("a scheduler that cannot be copied when it is needed is heard", "[scheduler]") {
  throws_when_copied const original;
  any_scheduler const owned{original};
  CHECK_THROWS_AS(any_scheduler{owned}, std::length_error);
  CHECK_THROWS_AS((lazy{1} + 1).compute(owned), std::length_error);
}
