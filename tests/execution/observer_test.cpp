// What observers are told, when, and by whom.

#include <dally/dally.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/recorded.hpp"

using dally::delayed;
using dally::lazy;
using dally::outcome;
using dally::synchronous;

namespace {

int same(int x) { return x; }
int add(int x, int y) { return x + y; }
int refuse(int x) { throw std::runtime_error{std::to_string(x)}; }

/// Writes down everything as text, and keeps the records.
class scribe : public dally::observer {
 public:
  void run_started(dally::run const& of) noexcept override {
    note("run of " + std::to_string(of.size()));
    caller = std::this_thread::get_id();
  }
  void task_started(dally::run const& of, dally::node_id n, unsigned) noexcept override {
    note("start " + of.name(n));
    std::lock_guard const hold{lock_};
    ++open[n];
  }
  void task_finished(dally::run const& of, dally::task_record const& record) noexcept override {
    note(std::array{"done ", "failed ", "skipped "}.at(static_cast<std::size_t>(record.outcome)) +
         of.name(record.node));
    std::lock_guard const hold{lock_};
    records.push_back(record);
    --open[record.node];
  }
  void run_finished(dally::run const&, outcome how) noexcept override {
    note(std::array{"run done", "run failed", "run skipped"}.at(static_cast<std::size_t>(how)));
    orderly = orderly && caller == std::this_thread::get_id();
  }

  std::vector<std::string> log;
  std::vector<dally::task_record> records;
  std::map<dally::node_id, int> open;
  bool orderly = true;

 private:
  void note(std::string text) {
    std::lock_guard const hold{lock_};
    log.push_back(std::move(text));
  }

  std::mutex lock_;
  std::thread::id caller;
};

using lines = std::vector<std::string>;

template <typename F>
auto named(F f, std::string name) {
  return delayed(f, {.name = std::move(name)});
}

}  // namespace

TEST_CASE("an observer is told of the run, of each task's start and end, and of the run's end", "[observer]") {
  auto a = named(same, "a")(1), b = named(same, "b")(2);
  auto c = named(add, "c")(a, b);
  auto unused = named(same, "unused")(a);
  scribe seen;
  CHECK(c.compute({.scheduler = synchronous{}, .observers = {&seen}}) == 3);
  CHECK(seen.log == lines{"run of 3", "start a", "done a", "start b", "done b", "start c", "done c", "run done"});
  CHECK(seen.orderly);
}

TEST_CASE("a record holds node, worker, times, attempt and size", "[observer]") {
  struct large {
    std::array<char, 1000> bytes;
  };
  auto a = named([](int) { return large{}; }, "a")(1);
  auto b = named([](large const& l) { return std::string(l.bytes.size(), 'b'); }, "b")(a);
  auto c = named([](std::string const& s) { return static_cast<char>(s[0]); }, "c")(b);
  scribe seen;
  auto const before = std::chrono::steady_clock::now();
  CHECK(c.compute({.scheduler = synchronous{}, .observers = {&seen}}) == 'b');
  auto const after = std::chrono::steady_clock::now();
  REQUIRE(seen.records.size() == 3);
  std::array const sizes{sizeof(large), sizeof(std::string), sizeof(char)};
  auto last = before;
  for (std::size_t i = 0; i < 3; ++i) {
    auto const& r = seen.records[i];
    CHECK(r.node == i);
    CHECK(r.worker == 0);
    CHECK(r.outcome == outcome::done);
    CHECK(r.attempt == 1);
    CHECK(r.result_bytes == sizes.at(i));
    CHECK(last <= r.start);
    CHECK(r.start <= r.end);
    last = r.end;
  }
  CHECK(last <= after);
}

TEST_CASE("the run tells name, kind, key, place, dependencies and plan of its nodes", "[observer]") {
  auto a = delayed(same, {.name = "twin"})(1), b = delayed(same, {.name = "twin"})(2);
  auto line = static_cast<unsigned>(__LINE__ - 1);
  auto c = delayed(add, {.name = "sum"})(b, lazy{3}), d = delayed(add)(c, c);
  auto e = d + a;
  struct asking : dally::observer {
    void run_started(dally::run const& run) noexcept override {
      for (dally::node_id n = 0; n < run.size(); ++n) {
        names.push_back(run.name(n));
        kinds.push_back(run.kind(n));
        keys.push_back(run.key(n));
        lines.push_back(static_cast<unsigned>(run.place(n).line()));
        dependencies.push_back(run.dependencies(n));
      }
      size = run.plan().size();
    }
    std::vector<std::string> names, kinds;
    std::vector<dally::key> keys;
    std::vector<unsigned> lines;
    std::vector<std::vector<dally::node_id>> dependencies;
    std::size_t size = 0;
  } seen;
  CHECK(e.compute({.scheduler = synchronous{}, .observers = {&seen}}) == 11);
  CHECK(seen.size == 5);
  CHECK(seen.names == std::vector<std::string>{"twin", "twin", "sum", d.name(), "+"});
  CHECK(seen.kinds[0] == seen.kinds[1]);
  CHECK(seen.kinds[0] != seen.kinds[2]);
  CHECK(seen.keys == std::vector{a.key(), b.key(), c.key(), d.key(), e.key()});
  CHECK(seen.lines == std::vector<unsigned>{line, line, line + 2, line + 2, line + 2});
  CHECK(seen.dependencies == std::vector<std::vector<dally::node_id>>{{}, {}, {1}, {2, 2}, {3, 0}});
}

TEST_CASE("after a failure tasks are skipped, and the run has failed", "[observer]") {
  auto a = named(same, "a")(1);
  auto bad = named(refuse, "bad")(a);
  auto c = named(same, "c")(bad), d = named(same, "d")(2);
  scribe seen;
  CHECK_THROWS_AS((c + d).compute({.scheduler = synchronous{}, .observers = {&seen}}), std::runtime_error);
  CHECK(seen.log == lines{"run of 5", "start a", "done a", "start bad", "failed bad", "skipped c", "skipped d",
                          "skipped +", "run failed"});
  CHECK(seen.records[1].result_bytes == 0);
  CHECK(seen.records[1].start <= seen.records[1].end);
  CHECK(seen.records[2].result_bytes == 0);
}

TEST_CASE("a cancelled run is watched to its end as well", "[observer]") {
  std::stop_source stop;
  auto a = named(
      [&stop](int x) {
        stop.request_stop();
        return x;
      },
      "a")(1);
  auto b = named(same, "b")(a);
  scribe seen, before;
  CHECK_THROWS_AS(b.compute({.scheduler = synchronous{}, .observers = {&seen}, .stop = stop.get_token()}),
                  dally::cancelled);
  CHECK(seen.log == lines{"run of 2", "start a", "done a", "skipped b", "run skipped"});
  CHECK_THROWS_AS(b.compute({.scheduler = synchronous{}, .observers = {&before}, .stop = stop.get_token()}),
                  dally::cancelled);
  CHECK(before.log == lines{"run of 2", "skipped a", "skipped b", "run skipped"});
}

TEST_CASE("every observer is told everything, in the order in which they are given", "[observer]") {
  static std::vector<std::string> order;
  order.clear();
  struct voice : dally::observer {
    explicit voice(std::string n) : name{std::move(n)} {}
    void run_started(dally::run const&) noexcept override { order.push_back(name + "0"); }
    void task_started(dally::run const&, dally::node_id, unsigned) noexcept override { order.push_back(name + "1"); }
    void task_finished(dally::run const&, dally::task_record const&) noexcept override { order.push_back(name + "2"); }
    void run_finished(dally::run const&, outcome) noexcept override { order.push_back(name + "3"); }
    std::string name;
  } x{"x"}, y{"y"};
  struct : dally::observer {
  } silent;
  CHECK(delayed(same)(1).compute({.scheduler = synchronous{}, .observers = {&x, &silent, &y}}) == 1);
  CHECK(order == lines{"x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3"});
}

TEST_CASE("persist and prepared runs are watched, each run alone", "[observer]") {
  auto a = named(same, "a")(1);
  scribe seen;
  dally::compute_options const options{.scheduler = synchronous{}, .observers = {&seen}};
  auto kept = a.persist(options);
  auto b = named(same, "b")(kept);
  auto again = dally::prepare(b);
  CHECK(again(options) == 1);
  CHECK(again(synchronous{}) == 1);
  CHECK(again(options) == 1);
  CHECK(seen.log == lines{"run of 1", "start a", "done a", "run done", "run of 1", "start b", "done b", "run done",
                          "run of 1", "start b", "done b", "run done"});
}

TEST_CASE("a run without tasks begins and ends", "[observer]") {
  for (dally::any_scheduler const& s : {dally::any_scheduler{synchronous{}}, dally::any_scheduler{dally::threads{2}}}) {
    scribe seen;
    CHECK(lazy{5}.compute({.scheduler = s, .observers = {&seen}}) == 5);
    CHECK(seen.log == lines{"run of 0", "run done"});
  }
}

TEST_CASE("on threads every task is told of once, with a worker that exists", "[observer]") {
  for (int round = 0; round < 20; ++round) {
    std::vector<lazy<int>> parts;
    for (int i = 0; i < 100; ++i) parts.push_back(named(same, "part")(i));
    auto total = named([](std::vector<int> const& v) { return v.size(); }, "total")(parts);
    scribe seen;
    CHECK(total.compute({.scheduler = dally::threads{4}, .observers = {&seen}}) == 100);
    CHECK(seen.records.size() == 101);
    CHECK(seen.log.front() == "run of 101");
    CHECK(seen.log.back() == "run done");
    CHECK(seen.orderly);
    CHECK(std::all_of(seen.records.begin(), seen.records.end(), [](auto const& r) { return r.worker < 4; }));
    CHECK(std::all_of(seen.open.begin(), seen.open.end(), [](auto const& n) { return n.second == 0; }));
    auto const last =
        std::find_if(seen.records.begin(), seen.records.end(), [](auto const& r) { return r.node == 100; });
    CHECK(std::all_of(seen.records.begin(), seen.records.end(),
                      [&](auto const& r) { return r.node == 100 || r.end <= last->start; }));
  }
}

TEST_CASE("the end of the run is told even if the scheduler throws", "[observer]") {
  struct throwing {
    void run(dally::execution& job) {
      static_cast<void>(job.ready());
      throw std::logic_error{"scheduler"};
    }
  };
  scribe seen;
  CHECK_THROWS_AS(named(same, "a")(1).compute({.scheduler = throwing{}, .observers = {&seen}}), std::logic_error);
  REQUIRE(seen.log.size() == 2);
  CHECK(seen.log[0] == "run of 1");
  CHECK(seen.log[1] != "run done");
}

TEST_CASE("a null observer is an error before anything runs", "[observer]") {
  int runs = 0;
  auto x = delayed([&runs] { return ++runs; })();
  CHECK_THROWS_AS(x.compute({.scheduler = synchronous{}, .observers = {nullptr}}), dally::config_error);
  CHECK(runs == 0);
}
