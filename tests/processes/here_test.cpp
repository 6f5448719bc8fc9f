// While a task runs on the calling thread, the workers are looked after. Such tasks wait here for what happens
// meanwhile, so that nothing hangs on who comes first: where nobody looks after the workers they wait in vain, and say
// so.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"
#include "support/sanitizers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::outcome;
using dally::process_pool;
using dally::processes;
using dally::tests::ledger;
using dally::tests::same;
using dally::tests::shared_counter;
using dally::tests::sum;
using namespace std::chrono_literals;

namespace {

shared_counter calls;

/// What has been told so far, which another thread may wait for.
class bulletin : public dally::observer {
 public:
  void task_finished(dally::run const& of, dally::task_record const& record) noexcept override {
    std::lock_guard const lock{mutex_};
    ++count_;
    ended_[of.name(record.node)] = record.outcome;
    changed_.notify_all();
  }
  void task_started(dally::run const& of, dally::node_id n, unsigned) noexcept override {
    std::lock_guard const lock{mutex_};
    started_.push_back(of.name(n));
    changed_.notify_all();
  }
  /// Whether that has been told in time.
  bool wait_for_end(std::string const& name, outcome how) {
    return wait([&] { return ended_.contains(name) && ended_[name] == how; });
  }
  bool wait_for_start(std::string const& name) {
    return wait([&] { return std::count(started_.begin(), started_.end(), name) != 0; });
  }
  bool wait_for_number(int count) {
    return wait([&] { return count_ >= count; });
  }

 private:
  template <class Condition>
  bool wait(Condition const& condition) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 60s, condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, outcome> ended_;
  std::vector<std::string> started_;
  int count_ = 0;
};

int wait_for_ever(int x) {
  for (;;) pause();
  return x;
}
int die_at_first(int x) {
  calls.add();
  if (calls.value() == 1) raise(SIGKILL);
  return x;
}

int threads_of_this_process() {
  int count = 0;
  DIR* const all = opendir("/proc/self/task");
  while (dirent const* const entry = readdir(all)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(all);
  return count;
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

TEST_CASE("a task that takes too long is ended while another runs here", "[processes]") {
  ledger books;
  on_both([](dally::any_scheduler const& scheduler) {
    bulletin told;
    bool seen = false;
    auto here = delayed(
        [&](int x) {
          seen = told.wait_for_end("late", outcome::failed);
          return x;
        },
        {.here = true})(1);
    auto late = delayed(wait_for_ever, {.name = "late", .crash_retries = 0, .timeout = 50ms})(1);
    CHECK_THROWS_AS((here + late).compute({.scheduler = scheduler, .observers = {&told}}), dally::task_timeout);
    CHECK(seen);
  });
}

TEST_CASE("workers are given tasks, those that become ready too, while one runs here", "[processes]") {
  ledger books;
  on_both([](dally::any_scheduler const& scheduler) {
    bulletin told;
    bool seen = false;
    std::thread::id where;
    auto here = delayed(
        [&](int x) {
          where = std::this_thread::get_id();
          seen = told.wait_for_number(120);
          return x;
        },
        {.here = true})(1);
    std::vector<lazy<int>> all{here};
    for (int i = 0; i < 30; ++i) {
      auto chain = delayed(same)(i);
      for (int k = 0; k < 3; ++k) chain = delayed(same)(chain);
      all.push_back(chain);
    }
    CHECK(delayed(sum)(all).compute({.scheduler = scheduler, .observers = {&told}}) == 1 + 435);
    CHECK(seen);
    CHECK(where == std::this_thread::get_id());
  });
}

TEST_CASE("a stop ends workers while a task runs here", "[processes]") {
  ledger books;
  on_both([](dally::any_scheduler const& scheduler) {
    bulletin told;
    std::stop_source stop;
    bool seen = false;
    auto here = delayed(
        [&](int x) {
          seen = told.wait_for_start("endless");
          stop.request_stop();
          seen = seen && told.wait_for_end("endless", outcome::failed);
          return x;
        },
        {.here = true})(1);
    auto endless = delayed(wait_for_ever, {.name = "endless"})(1);
    CHECK_THROWS_AS((here + endless).compute({.scheduler = scheduler, .observers = {&told}, .stop = stop.get_token()}),
                    dally::cancelled);
    CHECK(seen);
  });
}

TEST_CASE("a task whose worker dies runs again while another runs here", "[processes]") {
  ledger books;
  on_both([](dally::any_scheduler const& scheduler) {
    calls.reset();
    bulletin told;
    bool seen = false;
    auto here = delayed(
        [&](int x) {
          seen = told.wait_for_end("fragile", outcome::done);
          return x;
        },
        {.here = true})(1);
    std::vector<lazy<int>> all{here, delayed(die_at_first, {.name = "fragile"})(2)};
    for (int i = 0; i < 4; ++i) all.push_back(delayed(same)(i));
    CHECK(delayed(sum)(all).compute({.scheduler = scheduler, .observers = {&told}}) == 9);
    CHECK(seen);
  });
}

TEST_CASE("the only worker of a run that dies beside a task that runs here is replaced afterwards", "[processes]") {
  ledger books;
  calls.reset();
  auto here = delayed(
      [](int x) {
        for (int i = 0; i < 1000 && calls.value() == 0; ++i) std::this_thread::sleep_for(1ms);
        return x;
      },
      {.here = true})(1);
  CHECK((here + delayed(die_at_first)(2)).compute(processes{1}) == 3);
  CHECK(calls.value() == 2);
}

TEST_CASE("an exception of a run's own waits for the task that runs here", "[processes]") {
  ledger books;
  bool ended = false;
  auto here = delayed(
      [&](int x) {
        std::this_thread::sleep_for(50ms);
        ended = true;
        return x;
      },
      {.here = true})(1);
  auto const faulty = processes{{.workers = 1, .initializer = [] { throw std::runtime_error{"no licence"}; }}};
  CHECK_THROWS_WITH((here + delayed(same)(2)).compute(faulty), "no licence");
  static_cast<void>(ended);  // either came first
  CHECK((delayed(same)(1) + delayed(same)(2)).compute(processes{1}) == 3);
}

TEST_CASE("where no task runs here, or nothing is done beside it, there is no thread", "[processes]") {
  struct counting : dally::observer {
    void task_finished(dally::run const&, dally::task_record const&) noexcept override {
      most = std::max(most, threads_of_this_process());
    }
    int most = 0;
  };
  ledger books;
  int const before = threads_of_this_process();
  counting seen;
  std::vector<lazy<int>> all;
  for (int i = 0; i < 20; ++i) all.push_back(delayed(same)(i));
  auto total = delayed(sum)(all);
  CHECK(total.compute({.scheduler = processes{2}, .observers = {&seen}}) == 190);
  CHECK(seen.most == before);
  int during = 0;
  auto here = delayed(
      [&](int x) {
        during = threads_of_this_process();
        return x;
      },
      {.here = true})(total);
  CHECK(here.compute(processes{2}) == 190);
  CHECK(during == before);
}
