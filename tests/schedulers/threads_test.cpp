// What only the threads scheduler promises: that tasks run at once, and where.

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <latch>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/sanitizers.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::lazy;

namespace {

int same(int x) { return x; }
int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }

struct quiet_observer : dally::observer {};

/// `neighbours` tasks, all fed by `source`, of which those at `first` and `second` wait for each other.
int meet_among(int neighbours, int first, int second, lazy<int> const& source, unsigned workers) {
  std::latch both{2};
  auto meet = delayed([&both](int x) {
    both.arrive_and_wait();
    return x;
  });
  std::vector<lazy<int>> all;
  for (int i = 0; i < neighbours; ++i) all.push_back(i == first || i == second ? meet(source) : delayed(same)(source));
  return delayed(sum)(all).compute(dally::threads{workers});
}

}  // namespace

TEST_CASE("two tasks that wait for each other finish with two workers", "[schedulers][threads]") {
  for (int run = 0; run < 20; ++run) {
    CHECK(meet_among(2, 0, 1, lazy{1}, 2) == 2);
    CHECK(meet_among(2, 0, 1, delayed(same)(1), 2) == 2);
  }
}

TEST_CASE("two tasks that wait for each other finish among 64 neighbours", "[schedulers][threads]") {
  for (auto [first, second] : {std::pair{0, 65}, {0, 1}, {64, 65}, {20, 21}, {5, 40}, {32, 33}}) {
    CAPTURE(first, second);
    CHECK(meet_among(66, first, second, lazy{1}, 2) == 66);
    CHECK(meet_among(66, first, second, delayed(same)(1), 2) == 66);
    CHECK(meet_among(66, first, second, delayed(same)(1), 4) == 66);
  }
}

TEST_CASE("two ends of chains that wait for each other finish with two workers", "[schedulers][threads]") {
  std::latch both{2};
  auto meet = delayed([&both](int x) {
    both.arrive_and_wait();
    return x;
  });
  auto x = delayed(same)(1), y = delayed(same)(2);
  for (int i = 0; i < 100; ++i) {
    x = delayed(same)(x);
    y = delayed(same)(y);
  }
  CHECK((meet(x) + meet(y)).compute(dally::threads{2}) == 3);
}

TEST_CASE("more workers than cores overlap all the same", "[schedulers][threads]") {
  std::latch all{16};
  auto meet = delayed([&all](int x) {
    all.arrive_and_wait();
    return x;
  });
  std::vector<lazy<int>> tasks;
  for (int i = 0; i < 16; ++i) tasks.push_back(meet(i));
  CHECK(delayed(sum)(tasks).compute(dally::threads{16}) == 120);
}

TEST_CASE("a hundred blocking tasks on four workers take twenty-five rounds", "[schedulers][threads]") {
  std::atomic<int> rounds{0};
  std::barrier round{4, [&rounds]() noexcept { ++rounds; }};
  auto meet = delayed([&round](int x) {
    round.arrive_and_wait();
    return x;
  });
  std::vector<lazy<int>> tasks;
  for (int i = 0; i < 100; ++i) tasks.push_back(meet(i));
  SECTION("into one sum") { CHECK(delayed(sum)(tasks).compute(dally::threads{4}) == 4950); }
  SECTION("into a chain of additions") {
    CHECK(std::accumulate(tasks.begin(), tasks.end(), lazy{0}).compute(dally::threads{4}) == 4950);
  }
  CHECK(rounds == 25);
}

TEST_CASE("never more tasks run at once than there are workers, and the caller is one of them",
          "[schedulers][threads]") {
  auto seen_with = [](dally::threads const& scheduler) {
    std::mutex lock;
    std::set<std::thread::id> seen;
    std::vector<lazy<int>> tasks;
    auto note = delayed([&](int x) {
      std::lock_guard hold{lock};
      seen.insert(std::this_thread::get_id());
      return x;
    });
    for (int i = 0; i < 1000; ++i) tasks.push_back(note(i));
    dally::compute(scheduler, delayed(sum)(tasks));
    return seen;
  };
  CHECK(seen_with(dally::threads{1}) == std::set{std::this_thread::get_id()});
  CHECK(seen_with(dally::threads{3}).size() <= 3);
  dally::thread_pool pool{3};
  CHECK(seen_with(dally::threads{pool}).size() <= 3);
}

TEST_CASE("a pool of one's own is as wide as it says, and serves many runs", "[schedulers][threads]") {
  dally::thread_pool pool{3};
  for (int run = 0; run < 20; ++run) {
    std::latch three{3};
    auto meet = delayed([&three](int x) {
      three.arrive_and_wait();
      return x;
    });
    std::vector<lazy<int>> tasks{meet(1), meet(2), meet(3)};
    CHECK(delayed(sum)(tasks).compute(dally::threads{pool}) == 6);
  }
}

TEST_CASE("tasks that run when another fails finish before compute throws", "[schedulers][threads]") {
  std::latch both{2};
  std::atomic<bool> finished{false};
  auto fail = delayed([&]() -> int {
    both.arrive_and_wait();
    throw 1;
  });
  auto finish = delayed([&] {
    both.arrive_and_wait();
    std::this_thread::sleep_for(std::chrono::milliseconds{20});  // gives a compute that does not wait time to show it
    finished = true;
    return 2;
  });
  bool finished_first = false;
  try {
    (fail() + finish()).compute(dally::threads{2});
  } catch (int) {
    finished_first = finished;
  }
  CHECK(finished_first);
}

TEST_CASE("the number of workers is that of the processors this process may use", "[schedulers][threads]") {
  cpu_set_t allowed;
  REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
  CHECK(dally::available_workers() >= 1);
  CHECK(dally::available_workers() <= static_cast<unsigned>(CPU_COUNT(&allowed)));
}

TEST_CASE("nested runs meet on the workers there are", "[schedulers][threads]") {
  // Two tasks each wait in a nested run for the other: finished only if both workers run nested tasks, and only their
  // own.
  std::latch both{2};
  auto nested = delayed([&both](int x) {
    auto meet = delayed([&both](int y) {
      both.arrive_and_wait();
      return y;
    });
    return (meet(x) + 1).compute(dally::threads{2});
  });
  CHECK((nested(1) + nested(2)).compute(dally::threads{2}) == 5);
}

TEST_CASE("callers of several threads share the pool", "[schedulers][threads]") {
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 20; ++i) {
    callers.emplace_back([&right, i] {
      for (int run = 0; run < 10; ++run) {
        std::vector<lazy<int>> tasks;
        for (int t = 0; t < 20; ++t) tasks.push_back(delayed(same)(i));
        right += delayed(sum)(tasks).compute(dally::threads{4}) == 20 * i;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(right == 200);
}

TEST_CASE("a child computes after fork, with a pool of its own", "[schedulers][threads]") {
  if (dally::tests::thread_sanitizer) return;  // ThreadSanitizer ends children of threaded processes that start threads
  auto x = delayed(same)(1) + delayed(same)(2);
  CHECK(x.compute(dally::threads{2}) == 3);
  // GCC 12's AddressSanitizer does not hold its allocator's locks over a fork: a child of a process one of whose
  // threads is just starting could not allocate.
  if (dally::tests::address_sanitizer) std::this_thread::sleep_for(std::chrono::milliseconds{100});
  auto const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(60);
    std::latch both{2};
    auto meet = delayed([&both](int v) {
      both.arrive_and_wait();
      return v;
    });
    auto const right = (meet(1) + meet(2)).compute(dally::threads{2}) == 3 && x.compute(dally::threads{2}) == 3;
    _exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(x.compute(dally::threads{2}) == 3);
}

TEST_CASE("a process that has computed ends without waiting for its pool", "[schedulers][threads]") {
  if (dally::tests::thread_sanitizer) return;  // as above
  auto const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(60);
    auto const right = (delayed(same)(1) + delayed(same)(2)).compute(dally::threads{4}) == 3;
    std::quick_exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("a run that begins alone is looked after also when its watcher is called to another run",
          "[schedulers][threads]") {
  // Two of the first run's tasks and two of the second's wait for each other: with four threads beside two callers
  // all of them can run, if somebody takes the first run's second one.
  dally::thread_pool pool{4};
  std::latch all{4};
  std::atomic<bool> begun{false};
  std::size_t values = 0;
  std::thread first{[&] {
    std::vector<lazy<int>> tasks;
    for (int i = 0; i < 300'000; ++i) {
      tasks.push_back(delayed([&begun](int x) {
        if (x == 1000) begun = true;
        return x;
      })(i));
    }
    for (int i = 0; i < 2; ++i) {
      tasks.push_back(delayed([&all] {
        all.arrive_and_wait();
        return 1;
      })());
    }
    values = dally::collect(tasks).compute(dally::threads{pool}).size();
  }};
  while (!begun) std::this_thread::yield();
  quiet_observer nobody_listens_but_all_is_told;
  auto wait = [&all] {
    all.arrive_and_wait();
    return 1;
  };
  auto both = delayed(wait)() + delayed(wait)();
  CHECK(both.compute({.scheduler = dally::threads{pool}, .observers = {&nobody_listens_but_all_is_told}}) == 2);
  first.join();
  CHECK(values == 300'002);
}

namespace {

/// Computes when its thread ends, after what the thread's planning left behind is gone.
struct late {
  explicit late(int& to) : result{to} {}
  ~late() {
    auto x = delayed(same)(20);
    result = (x + x).compute(dally::threads{2});
  }
  int& result;
};

}  // namespace

TEST_CASE("a compute in a destructor at the end of its thread is as right", "[schedulers][threads]") {
  if (dally::tests::sanitized) return;  // what a thread takes for planning so late it keeps, which is a leak to them
  int result = 0;
  std::thread{[&result] {
    static thread_local late at_the_end{result};
    static_cast<void>(at_the_end);
    auto x = delayed(same)(1);
    static_cast<void>((x + x).compute(dally::threads{2}));
  }}.join();
  CHECK(result == 40);
}

TEST_CASE("an observed run in the child of a fork does not ask the parent's threads", "[schedulers][threads]") {
  if (dally::tests::sanitized) return;  // sanitizers do not support threads that are started after a fork
  dally::thread_pool pool{3};
  std::latch three{3};
  auto meet = [&three] {
    three.arrive_and_wait();
    return 1;
  };
  CHECK(delayed(sum)(std::vector{delayed(meet)(), delayed(meet)(), delayed(meet)()}).compute(dally::threads{pool}) ==
        3);
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    quiet_observer quiet;
    auto x = delayed(same)(1);
    auto y = delayed(same)(2);
    int const value = (x + y).compute({.scheduler = dally::threads{pool}, .observers = {&quiet}});
    _exit(value == 3 && pool.started() <= 2 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}
