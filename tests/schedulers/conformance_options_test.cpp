// What every scheduler makes of task_options: retries, and tasks that must run here.

#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/schedulers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::tests::contains;
using dally::tests::counted;
using dally::tests::shared_counter;

namespace {

int same(int x) { return x; }
int add(int x, int y) { return x + y; }
int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }

/// The attempts that observers are told of.
class attempts : public dally::observer {
 public:
  void task_started(dally::run const&, dally::node_id, unsigned) noexcept override { ++started; }
  void task_finished(dally::run const&, dally::task_record const& record) noexcept override {
    ++finished;
    unsigned seen = most;
    while (seen < record.attempt && !most.compare_exchange_weak(seen, record.attempt)) {
    }
  }
  std::atomic<int> started{0}, finished{0};
  std::atomic<unsigned> most{0};
};

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("a task with retries runs again after it has thrown, and its inputs are whole") {
  counted::reset();
  shared_counter calls;
  auto flaky = delayed(
      [&calls](counted x, std::vector<int> v) {
        calls.add();
        int const value = x.value() + sum(v);
        v.clear();
        counted const taken{std::move(x)};
        if (calls.value() < 3) throw std::runtime_error{"flaky"};
        return value;
      },
      {.retries = 2});
  auto make = delayed([](int x) { return counted{x}; });
  auto list = delayed([](int n) { return std::vector<int>(static_cast<std::size_t>(n), 1); });
  auto x = make(10);
  auto y = list(5);
  attempts seen;
  CHECK((flaky(x, y) + 1).compute({.scheduler = scheduler, .observers = {&seen}}) == 16);
  CHECK(calls.value() == 3);
  CHECK(seen.most == 3);
  CHECK(seen.started == 4);
  CHECK(seen.finished == 4);
  CHECK(counted::live() == 0);
  // One that needs no second try, and one that has too few.
  CHECK(flaky(x, y).compute(scheduler) == 15);
  CHECK(calls.value() == 4);
  calls.add(-14);
  CHECK_THROWS_WITH(flaky(x, y).compute(scheduler), "flaky");
  CHECK(calls.value() == -7);
  CHECK(counted::live() == 0);
  // The call recorded anew has them too.
  calls.reset();
  CHECK(flaky(x, y).after(delayed(same)(1)).compute(scheduler) == 15);
  CHECK(calls.value() == 3);
}

namespace {

shared_counter* third_time_calls = nullptr;
int third_time(int x) {
  third_time_calls->add();
  if (third_time_calls->value() % 3 != 0) throw std::runtime_error{"flaky"};
  return x;
}

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("a function that was made pure keeps its retries") {
  shared_counter calls;
  third_time_calls = &calls;
  auto flaky = dally::pure::delayed(delayed(third_time, {.retries = 2}));
  CHECK((flaky(5) + flaky(5)).compute(scheduler) == 10);
  CHECK(calls.value() == 3);
}

DALLY_TEST_ON_EVERY_SCHEDULER("retries of a task that takes what cannot be copied are refused before anything runs") {
  shared_counter calls;
  auto make = delayed(
      [&calls] {
        calls.add();
        return std::make_unique<int>(3);
      },
      {.name = "boxed"});
  auto take = delayed([](std::unique_ptr<int> p) { return *p; }, {.name = "taker", .retries = 1});
  auto read = delayed([](std::unique_ptr<int> const& p) { return *p; }, {.retries = 1});
  CHECK_THROWS_WITH(take(make()).compute(scheduler), contains("taker") && contains("boxed") && contains("retries"));
  CHECK_THROWS_AS(take(make()).compute(scheduler), dally::graph_error);
  CHECK(calls.value() == 0);
  CHECK(read(make()).compute(scheduler) == 3);
}

DALLY_TEST_ON_EVERY_SCHEDULER("what must run here runs on the thread that computes, whatever runs around it") {
  auto const caller = std::this_thread::get_id();
  auto const process = getpid();
  std::atomic<int> elsewhere{0};
  std::atomic<int> here{0};
  auto note = delayed(
      [&](int x) {
        ++here;
        if (std::this_thread::get_id() != caller || getpid() != process) ++elsewhere;
        return x + 1;
      },
      {.here = true});
  for (int round = 0; round < 10; ++round) {
    here = 0;
    std::vector<lazy<int>> row;
    for (int i = 0; i < 40; ++i) row.push_back(i % 3 == 0 ? note(i) : delayed(same)(i));
    for (int step = 0; step < 10; ++step) {
      std::vector<lazy<int>> next;
      for (std::size_t i = 0; i < row.size(); ++i) {
        auto both = delayed(add)(row[i], row[(i * 7 + 1) % row.size()]);
        next.push_back(i % 5 == 0 ? note(both) : both);
      }
      row = next;
    }
    auto const expected = dally::compute(dally::synchronous{}, row);
    CHECK(here == 14 + 80);
    here = 0;
    CHECK(dally::compute(scheduler, row) == expected);
    CHECK(here == 14 + 80);
    CHECK(elsewhere == 0);
  }
}
