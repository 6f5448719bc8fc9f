// What observers are told of tasks in other processes: of each that is called one start and one end, in every way in
// which a run can end.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::outcome;
using dally::process_pool;
using dally::processes;
using dally::tests::ledger;
using dally::tests::own_pid;
using dally::tests::same;
using dally::tests::shared_counter;
using dally::tests::sum;
using namespace std::chrono_literals;

namespace {

// Of the whole program, so that tasks of a pool, which was forked before, see it too.
shared_counter calls;

/// Counts starts and ends of each task, and asks for a stop when the task named `stop_at` has started.
class witness : public dally::observer {
 public:
  void task_started(dally::run const& of, dally::node_id n, unsigned) noexcept override {
    ++tasks[n].started;
    tasks[n].in_order = tasks[n].in_order && tasks[n].finished == 0;
    if (of.name(n) == stop_at) stop.request_stop();
  }
  void task_finished(dally::run const& of, dally::task_record const& record) noexcept override {
    told& t = tasks[record.node];
    ++t.finished;
    t.how = record.outcome;
    t.in_order =
        t.in_order && record.start <= record.end && (record.outcome == outcome::skipped) == (record.attempt == 0);
    names[of.name(record.node)] = record.outcome;
  }
  void run_finished(dally::run const& of, outcome) noexcept override { size = of.size(); }

  /// Each task has ended once; those that were called have started once, the others were skipped.
  [[nodiscard]] bool told_the_truth() const {
    if (tasks.size() != size) return false;
    for (auto const& [n, t] : tasks) {
      if (t.finished != 1 || !t.in_order || t.started != (t.how == outcome::skipped ? 0 : 1)) return false;
    }
    return true;
  }

  struct told {
    int started = 0;
    int finished = 0;
    outcome how = outcome::done;
    bool in_order = true;
  };
  std::map<dally::node_id, told> tasks;
  std::map<std::string, outcome> names;
  std::string stop_at;
  std::stop_source stop;
  std::size_t size = 0;
};

int fail_at(int i, int bad) {
  if (i == bad) throw std::runtime_error{"bad"};
  return i;
}
int wait_for_ever(int x) {
  for (;;) pause();
  return x;
}
int die(int x) {
  raise(SIGKILL);
  return x;
}
int throw_and_count(int) {
  calls.add();
  throw std::runtime_error{"flaky"};
}

template <class T>
void watch(witness& seen, dally::any_scheduler const& scheduler, T const& x) {
  dally::compute_options options;
  options.scheduler = scheduler;
  options.observers = {&seen};
  options.stop = seen.stop.get_token();
  static_cast<void>(dally::compute(options, x));
}

void on_both(std::function<void(dally::any_scheduler const&)> const& test) {
  process_pool const pool{2};
  {
    INFO("processes");
    test(processes{2});
  }
  INFO("a pool");
  test(pool);
}

}  // namespace

TEST_CASE("of a run that fails, nobody has started and was skipped", "[observer]") {
  ledger books;
  on_both([](dally::any_scheduler const& scheduler) {
    for (int bad = 0; bad < 40; ++bad) {
      std::vector<lazy<int>> all;
      for (int i = 0; i < 60; ++i) all.push_back(delayed(fail_at)(i, bad));
      witness seen;
      CHECK_THROWS_AS(watch(seen, scheduler, all), std::runtime_error);
      CHECK(seen.told_the_truth());
    }
  });
}

TEST_CASE("a task that a stop ends in its middle has failed, and those that waited were skipped", "[observer]") {
  ledger books;
  on_both([](dally::any_scheduler const& scheduler) {
    std::vector<lazy<int>> all{delayed(wait_for_ever, {.name = "endless"})(1)};
    auto const after = delayed(same, {.name = "after"})(all[0]);
    witness seen;
    seen.stop_at = "endless";
    CHECK_THROWS_AS(watch(seen, scheduler, after), dally::cancelled);
    CHECK(seen.told_the_truth());
    CHECK(seen.names["endless"] == outcome::failed);
    CHECK(seen.names["after"] == outcome::skipped);
  });
}

TEST_CASE("a task whose worker dies, or that takes too long, has started once and ended once", "[observer]") {
  ledger books;
  on_both([](dally::any_scheduler const& scheduler) {
    for (auto const& x :
         {delayed(die, {.crash_retries = 2})(1), delayed(wait_for_ever, {.crash_retries = 1, .timeout = 20ms})(1)}) {
      std::vector<lazy<int>> all{x};
      for (int i = 0; i < 20; ++i) all.push_back(delayed(same)(i));
      witness seen;
      CHECK_THROWS_AS(watch(seen, scheduler, delayed(sum)(all)), dally::task_failure);
      CHECK(seen.told_the_truth());
    }
  });
}

TEST_CASE("a task that was to be tried again when the run stopped has failed", "[observer]") {
  ledger books;
  on_both([](dally::any_scheduler const& scheduler) {
    calls.reset();
    witness seen;
    std::jthread const stops_between_two_calls{[&](std::stop_token over) {
      while (calls.value() < 2 && !over.stop_requested()) std::this_thread::sleep_for(1ms);
      seen.stop.request_stop();
    }};
    CHECK_THROWS_AS(watch(seen, scheduler, delayed(throw_and_count, {.name = "flaky", .retries = 1'000'000})(1)),
                    dally::cancelled);
    CHECK(calls.value() >= 2);
    CHECK(seen.told_the_truth());
    CHECK(seen.names["flaky"] == outcome::failed);
  });
}

TEST_CASE("of a run that ends with an exception of its own, all that has started has ended", "[observer]") {
  ledger books;
  std::vector<lazy<int>> all;
  for (int i = 0; i < 20; ++i) all.push_back(delayed(same)(i));
  witness seen;
  CHECK_THROWS_WITH(
      watch(seen, processes{{.workers = 2, .initializer = [] { throw std::runtime_error{"no licence"}; }}}, all),
      "no licence");
  CHECK(seen.told_the_truth());
}

TEST_CASE("after a task that has failed here, those that waited for it are skipped", "[observer]") {
  ledger books;
  witness seen;
  auto const fails = delayed([](int) -> int { throw std::runtime_error{"here"}; }, {.name = "stays", .here = true})(1);
  CHECK_THROWS_AS(watch(seen, processes{1}, delayed(same, {.name = "after"})(fails)), std::runtime_error);
  CHECK(seen.told_the_truth());
  CHECK(seen.names["after"] == outcome::skipped);
}
