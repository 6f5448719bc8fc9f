// Limits of the scheduler processes and of its tasks: what is refused, and whose time is whose.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::process_options;
using dally::process_pool;
using dally::processes;
using dally::tests::contains;
using dally::tests::ledger;
using dally::tests::same;
using dally::tests::shared_counter;
using namespace std::chrono_literals;

namespace {

template <class Run>
std::string refusal_of(Run const& run) {
  try {
    run();
  } catch (dally::config_error const& e) {
    return e.what();
  }
  return "nothing was refused";
}

shared_counter calls;  // before the pools
int count_call(int x) {
  calls.add();
  return x;
}
int nap(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds{milliseconds});
  return milliseconds;
}
int spin(int microseconds) {
  auto const end = std::chrono::steady_clock::now() + std::chrono::microseconds{microseconds};
  while (std::chrono::steady_clock::now() < end) {
  }
  return microseconds;
}

}  // namespace

TEST_CASE("options of processes that make no sense are refused by name, value, and what does", "[process_options]") {
  using seconds = std::chrono::duration<double>;
  auto const refused = [](process_options const& options) {
    auto const said = refusal_of([&] { static_cast<void>(processes{options}); });
    CHECK(said == refusal_of([&] { static_cast<void>(process_pool{options}); }));
    return said;
  };
  CHECK_THAT(refused({.workers = 5000}), contains("workers = 5000") && contains("4096"));
  CHECK_THAT(refused({.task_timeout = -1s}), contains("task_timeout = -1 s") && contains("above 0"));
  CHECK_THAT(refused({.task_timeout = seconds{std::numeric_limits<double>::quiet_NaN()}}),
             contains("task_timeout = no number"));
  CHECK_THAT(refused({.worker_memory = -1}), contains("worker_memory = -1}}") && contains("512 MiB"));
  CHECK_THAT(refused({.worker_memory = 0.5}), contains("worker_memory = no number of bytes"));
  CHECK_THAT(refused({.max_worker_growth = std::numeric_limits<double>::infinity()}), contains("max_worker_growth"));
  CHECK_THAT(refused({.max_worker_growth = std::int64_t{-5}}), contains("max_worker_growth = -5}}"));
  CHECK_THAT(refused({.workers = -2}), contains("workers = -2"));
  CHECK_THAT(refused({.crash_retries = -1}), contains("crash_retries = -1}}") && contains("allowed"));
  CHECK_THAT(refused({.max_tasks_per_worker = -1}), contains("max_tasks_per_worker = -1}}"));
  // What does make sense.
  CHECK(processes{{.workers = 1, .worker_memory = 2e9}}.options().worker_memory.bytes == 2'000'000'000);
  CHECK(processes{{.worker_memory = 0, .task_timeout = seconds{0.5}}}.options().task_timeout == 500ms);
  CHECK(processes{{.task_timeout = std::chrono::hours{10'000'000}}}.options().task_timeout > 0s);
}

TEST_CASE("limits of a task that stays on the calling thread are refused before anything runs", "[processes]") {
  ledger books;
  calls.reset();
  auto first = delayed(count_call)(1);
  auto here = delayed(same, {.name = "stays", .timeout = 50ms, .here = true})(first);
  auto grows = delayed([](int x) { return delayed(same)(x); }, {.name = "grows", .crash_retries = 1})(first);
  process_pool const pool{1};
  for (auto const& scheduler : {dally::any_scheduler{processes{1}}, dally::any_scheduler{pool}}) {
    CHECK_THAT(refusal_of([&] { here.compute(scheduler); }),
               contains("\"stays\" (limits_test.cpp:") && contains(".timeout = 50 ms") && contains(".here = true"));
    CHECK_THAT(refusal_of([&] { dally::flatten(grows).compute(scheduler); }),
               contains("\"grows\"") && contains(".crash_retries = 1") && contains("returns a lazy"));
  }
  CHECK(calls.value() == 0);
  // Limits that the scheduler is told are for tasks that run in workers.
  CHECK(delayed(same, {.here = true})(first).compute(processes{{.workers = 1, .task_timeout = 1min}}) == 1);
}

TEST_CASE("limits of a run inside a worker's task are refused, whatever runs it", "[processes]") {
  ledger books;
  auto const nested = [](auto const& scheduler) {
    return delayed(
        [scheduler](int x) { return delayed(same, {.name = "inner", .timeout = 1min})(x).compute(scheduler); })(1);
  };
  CHECK_THAT(refusal_of([&] { nested(dally::synchronous{}).compute(processes{1}); }),
             contains("\"inner\"") && contains("dally::synchronous"));
  CHECK_THAT(refusal_of([&] { nested(processes{2}).compute(processes{1}); }),
             contains("\"inner\"") && contains("not inside a task of theirs"));
  CHECK_THAT(
      refusal_of([&] {
        delayed([](int x) { return delayed(same, {.name = "inner", .crash_retries = 1})(x).compute(); })(1).compute(
            processes{1});
      }),
      contains("\"inner\""));
}

TEST_CASE("a task's own limit beats the scheduler's, and 0 leaves it", "[processes]") {
  ledger books;
  auto const limited = processes{{.workers = 1, .task_timeout = 1ms, .crash_retries = 0}};
  CHECK_THROWS_AS(delayed(nap, {.timeout = 0s})(60'000).compute(limited), dally::task_timeout);
  CHECK(delayed(nap, {.timeout = 1h})(100).compute(limited) == 100);
  CHECK(delayed(nap, {.timeout = std::chrono::hours{10'000'000}})(100).compute(limited) == 100);
}

TEST_CASE("a task without a limit is not blamed for the time of the one before it", "[processes]") {
  ledger books;
  process_pool const pool{1};
  auto const slow = delayed(spin, {.name = "slow", .crash_retries = 0, .timeout = 12ms});
  auto const quick = delayed(spin, {.name = "quick", .crash_retries = 0});
  for (int i = 0; i < 60; ++i) {
    std::vector<lazy<int>> all;
    for (int k = 0; k < 4; ++k) all.push_back(quick(1500));
    all.push_back(slow(19'900 + (i * 7) % 700));  // ends about when the coordinator looks
    for (int k = 0; k < 4; ++k) all.push_back(quick(1500));
    try {
      static_cast<void>(dally::compute(pool, all));
    } catch (dally::task_timeout const& e) {
      CHECK(e.task() == "slow");
    }
  }
}
