// Tasks that take their process down, each in its own way, and what the caller sees of it.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <numeric>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"
#include "support/running.hpp"
#include "support/sanitizers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::processes;
using dally::tests::add;
using dally::tests::contains;
using dally::tests::is_running;
using dally::tests::ledger;
using dally::tests::same;
using dally::tests::shared_array;
using dally::tests::shared_counter;
using dally::tests::sum;
using namespace std::chrono_literals;

namespace {

int volatile* nowhere = reinterpret_cast<int*>(std::uintptr_t{4096});

/// So that a signal does what it does to a program without Catch2's handlers, or a sanitizer's.
void forget_handlers() {
  for (int const number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) std::signal(number, SIG_DFL);
}

// NOLINTNEXTLINE(misc-no-recursion)
[[gnu::noinline]] int overflow(int depth) {
  int volatile frame[1024];
  frame[depth % 1024] = depth;
  return depth < 0 ? 0 : overflow(depth + 1) + frame[(depth + 1) % 1024];
}

void write_everywhere() {
  char noise[4096];
  std::mt19937 random{5};
  for (char& c : noise) c = static_cast<char>(random());
  for (int fd = 3; fd < 64; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) static_cast<void>(!write(fd, noise, sizeof noise));
  }
}

struct death {
  char const* name;
  void (*die)();
  dally::worker_death::reason why;
  int number;
};
using reason = dally::worker_death::reason;

death const deaths[] = {
    {"kill -9", [] { raise(SIGKILL); }, reason::signalled, SIGKILL},
    {"wild pointer", [] { *nowhere = 1; }, reason::signalled, SIGSEGV},
    {"abort", [] { std::abort(); }, reason::signalled, SIGABRT},
    {"terminate", [] { std::terminate(); }, reason::signalled, SIGABRT},
    {"SIGBUS", [] { raise(SIGBUS); }, reason::signalled, SIGBUS},
    {"SIGILL", [] { raise(SIGILL); }, reason::signalled, SIGILL},
    {"SIGFPE", [] { raise(SIGFPE); }, reason::signalled, SIGFPE},
    {"SIGTERM", [] { raise(SIGTERM); }, reason::signalled, SIGTERM},
    {"_exit(7)", [] { _exit(7); }, reason::exited, 7},
    {"_exit(0)", [] { _exit(0); }, reason::exited, 0},
    {"exit(3)", [] { std::exit(3); }, reason::exited, 3},
    {"exec", [] { execl("/bin/sleep", "sleep", "1000", nullptr); }, reason::signalled, SIGKILL},
    {"stack overflow", [] { overflow(0); }, reason::signalled, SIGSEGV},
    {"noise on every descriptor",
     [] {
       write_everywhere();
       pause();
     },
     reason::breach, 0},
    {"close of every descriptor",
     [] {
       for (int fd = 3; fd < 256; ++fd) close(fd);
       pause();
     },
     reason::signalled, SIGKILL},
};

/// Counts the attempts of tasks as observers are told.
class attempts : public dally::observer {
 public:
  void task_started(dally::run const&, dally::node_id, unsigned) noexcept override { ++started; }
  void task_finished(dally::run const&, dally::task_record const& record) noexcept override {
    ++finished;
    most = std::max(most, record.attempt);
    if (record.outcome == dally::outcome::failed) ++failed;
    orderly = orderly && record.start <= record.end && record.worker <= 4;
  }
  int started = 0, finished = 0, failed = 0;
  unsigned most = 0;
  bool orderly = true;
};

}  // namespace

TEST_CASE("a task whose worker dies runs again, whatever the worker died of", "[processes]") {
  for (death const& d : deaths) {
    INFO(d.name);
    ledger books;
    shared_counter calls;
    auto fragile = delayed([&calls, die = d.die](int x) {
      calls.add();
      if (calls.value() == 1) {
        forget_handlers();
        die();
      }
      return x + 1;
    });
    std::vector<lazy<int>> parts{fragile(10)};
    for (int i = 0; i < 20; ++i) parts.push_back(delayed(same)(i));
    attempts seen;
    CHECK(delayed(sum)(parts).compute({.scheduler = processes{2}, .observers = {&seen}}) == 11 + 190);
    CHECK(calls.value() == 2);
    CHECK(seen.most == 2);
    CHECK(seen.started == 22);
    CHECK(seen.finished == 22);
    CHECK(seen.failed == 0);
    CHECK(seen.orderly);
  }
}

TEST_CASE("a task whose worker dies each time is a killed_worker, and the next compute works", "[processes]") {
  for (death const& d : deaths) {
    INFO(d.name);
    ledger books;
    shared_counter calls;
    auto bad = delayed(
        [&calls, die = d.die](int x) {
          calls.add();
          forget_handlers();
          die();
          return x;
        },
        {.name = "legacy"})(1);
    try {
      (bad + delayed(same)(2)).compute(processes{2});
      FAIL("nothing was thrown");
    } catch (dally::killed_worker const& e) {
      CHECK(e.task() == "legacy");
      CHECK(e.key() == bad.key());
      CHECK(e.attempts() == 4);
      CHECK(e.death().why == d.why);
      CHECK(e.death().number == d.number);
      CHECK_THAT(e.what(), contains("legacy") && contains("crash_test.cpp") && contains("4 times"));
    }
    CHECK(calls.value() == 4);
    REQUIRE(dally::last_failure().has_value());
    CHECK(dally::last_failure()->name == "legacy");
    CHECK((delayed(same)(1) + delayed(same)(2)).compute(processes{2}) == 3);
  }
}

TEST_CASE("how often a task runs again after a crash is the scheduler's and the task's to say", "[processes]") {
  shared_counter calls;
  auto die = [&calls] {
    calls.add();
    forget_handlers();
    std::abort();
    return 0;
  };
  auto attempts_of = [&](auto const& x, processes const& scheduler) {
    calls.reset();
    CHECK_THROWS_AS(x.compute(scheduler), dally::killed_worker);
    return calls.value();
  };
  auto const none = processes{{.workers = 2, .crash_retries = 0}};
  CHECK(attempts_of(delayed(die)(), none) == 1);
  CHECK(attempts_of(delayed(die)(), processes{{.workers = 2, .crash_retries = 5}}) == 6);
  CHECK(attempts_of(delayed(die, {.crash_retries = 2})(), none) == 3);
  CHECK(attempts_of(delayed(die, {.crash_retries = 0})(), processes{2}) == 1);
}

TEST_CASE("only the task that ran is charged for a crash, not those that its worker had been sent", "[processes]") {
  ledger books;
  shared_counter crashes;
  // Short tasks, so that many are in flight; one of them crashes thrice, and no other has a try to spare.
  auto innocent = delayed(same, {.crash_retries = 0});
  auto guilty = delayed(
      [&crashes](int x) {
        if (crashes.value() < 3) {
          crashes.add();
          raise(SIGKILL);
        }
        return x;
      },
      {.crash_retries = 3});
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 2000; ++i) parts.push_back(i == 700 ? guilty(i) : innocent(i));
  CHECK(delayed(sum)(parts).compute(processes{2}) == 1999 * 1000);
  CHECK(crashes.value() == 3);
}

TEST_CASE("400 kills in 20,000 tasks", "[processes]") {
  int const kills = dally::tests::sanitized ? 40 : 400;
  ledger books;
  for (unsigned seed = 1; seed <= 2; ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    constexpr std::size_t count = 20'000;
    shared_array<std::atomic<int>> fatal{count};
    for (int k = 0; k < kills; ++k) fatal[random() % count] = 1;
    auto task = delayed([&fatal](std::size_t id, std::int64_t a, std::int64_t b) {
      if (fatal[id].exchange(0) == 1) raise(SIGKILL);
      return static_cast<std::int64_t>(id) + (a + b) % 1'000'003;
    });
    std::vector<lazy<std::int64_t>> nodes;
    std::vector<std::int64_t> expected;
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t const a = i == 0 ? 0 : random() % i, b = i == 0 ? 0 : random() % i;
      nodes.push_back(i == 0 ? task(i, 1, 1) : task(i, nodes[a], nodes[b]));
      expected.push_back(static_cast<std::int64_t>(i) + (i == 0 ? 2 : (expected[a] + expected[b]) % 1'000'003));
    }
    CHECK(dally::compute(processes{4}, nodes) == expected);
  }
}

TEST_CASE("workers that are killed while they are idle, or all at once, cost no task a try", "[processes]") {
  ledger books;
  shared_array<std::atomic<int>> pids{64};
  auto meet = delayed(
      [&pids](std::size_t i) {
        pids[i] = getpid();
        // Both stay until the other is there: two workers.
        while (pids[1 - i] == 0) std::this_thread::yield();
        return 1;
      },
      {.crash_retries = 0});
  auto kill_all = delayed(
      [&pids](int a, int b) {
        for (std::size_t i = 0; i < pids.size(); ++i) {
          if (pids[i] != 0) kill(pids[i], SIGKILL);
        }
        return a + b;
      },
      {.here = true});
  auto killed = kill_all(meet(std::size_t{0}), meet(std::size_t{1}));
  auto after = delayed(add, {.crash_retries = 0});
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 50; ++i) parts.push_back(after(killed, i));
  CHECK(delayed(sum, {.crash_retries = 0})(parts).compute(processes{2}) == 50 * 2 + 49 * 25);
}

TEST_CASE("a death is noticed although the task's own child holds its socket, or stops the worker's end",
          "[processes]") {
  ledger books;
  shared_counter calls;
  shared_array<std::atomic<int>> grandchild{1};
  auto leaves_child = delayed([&](int x) {
    calls.add();
    if (calls.value() == 1) {
      if (pid_t const child = fork(); child == 0) {
        pause();
        _exit(0);
      } else {
        grandchild[0] = child;
      }
      _exit(9);
    }
    return x;
  });
  CHECK(leaves_child(5).compute(processes{1}) == 5);
  CHECK(calls.value() == 2);
  kill(grandchild[0], SIGKILL);

  // A task that returns in its own child as well has one answer, its own.
  auto forks = delayed([](int x) {
    pid_t const child = fork();
    if (child > 0) waitpid(child, nullptr, 0);
    return x;
  });
  CHECK((forks(3) + forks(4)).compute(processes{2}) == 7);
  // Nor does that child write where the worker's results lie.
  auto large = delayed([](int x) {
    pid_t const child = fork();
    if (child > 0) waitpid(child, nullptr, 0);
    return std::vector<int>(100'000, child > 0 ? x : -1);
  });
  auto first = large(5), second = large(6);
  auto last = delayed([](std::vector<int> const& a, std::vector<int> const& b) { return a.back() * 10 + b.front(); });
  CHECK(last(first, second).compute(processes{1}) == 56);
}

TEST_CASE("a task that takes too long is ended, and tried again as after a crash", "[processes]") {
  ledger books;
  shared_counter calls;
  auto slow_once = [&calls](int x) {
    calls.add();
    if (calls.value() == 1) pause();
    return x;
  };
  CHECK(delayed(slow_once)(1).compute(processes{{.workers = 2, .task_timeout = 2s}}) == 1);
  CHECK(calls.value() == 2);
  calls.reset();
  CHECK(delayed(slow_once, {.timeout = 2s})(2).compute(processes{2}) == 2);
  calls.reset();
  auto stops = [&calls](int x) {
    calls.add();
    if (calls.value() == 1) raise(SIGSTOP);
    return x;
  };
  CHECK(delayed(stops, {.timeout = 2s})(3).compute(processes{2}) == 3);

  auto forever = delayed([] { pause(); }, {.name = "endless", .crash_retries = 1, .timeout = 1s})();
  try {
    forever.compute(processes{2});
    FAIL("nothing was thrown");
  } catch (dally::task_timeout const& e) {
    CHECK(e.task() == "endless");
    CHECK(e.attempts() == 2);
    CHECK_THAT(e.what(), contains("endless") && contains("timeout"));
  }
}

TEST_CASE("a stop request ends workers in the middle of their tasks", "[processes]") {
  ledger books;
  shared_counter running;
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 10; ++i) {
    parts.push_back(delayed([&running](int x) {
      running.add();
      pause();  // for ever
      return x;
    })(i));
  }
  std::stop_source source;
  std::thread stopper{[&] {
    while (running.value() < 2) std::this_thread::yield();
    source.request_stop();
  }};
  CHECK_THROWS_AS(dally::compute({.scheduler = processes{2}, .stop = source.get_token()}, parts), dally::cancelled);
  stopper.join();
  CHECK(running.value() == 2);
}

TEST_CASE("SIGINT ends workers in the middle of their tasks while a stop_on_interrupt lives", "[processes]") {
  ledger books;
  dally::stop_on_interrupt const guard;
  shared_counter running;
  auto wait = delayed([&running](int x) {
    running.add();
    pause();  // for ever: Ctrl-C reaches workers too, which leave it to the program
    return x;
  });
  std::thread interrupter{[&] {
    while (running.value() < 2) std::this_thread::yield();
    kill(getpid(), SIGINT);
  }};
  CHECK_THROWS_AS((wait(1) + wait(2)).compute(processes{2}), dally::cancelled);
  interrupter.join();
}

TEST_CASE("a program without standard streams gets the right results of tasks that print", "[processes]") {
  ledger books;
  std::fflush(stdout);
  int const kept[] = {fcntl(0, F_DUPFD, 10), fcntl(1, F_DUPFD, 10), fcntl(2, F_DUPFD, 10)};
  for (int fd = 0; fd < 3; ++fd) close(fd);
  auto print = delayed([](int x) {
    std::printf("task %d\n", x);
    std::fprintf(stderr, "task %d\n", x);
    return std::vector<int>(100'000, x);
  });
  auto both = delayed([](std::vector<int> const& a, std::vector<int> const& b) { return a.back() + b.back(); });
  int const result = both(print(1), print(2)).compute(processes{2});
  for (int fd = 0; fd < 3; ++fd) {
    dup2(kept[fd], fd);
    close(kept[fd]);
  }
  clearerr(stdout);
  clearerr(stderr);
  CHECK(result == 3);
}

TEST_CASE("after a failure what runs may end, and what was sent but not begun does not begin", "[processes]") {
  ledger books;
  shared_counter begun;
  shared_counter ended;
  shared_counter thrown;
  auto bad = delayed([&](std::vector<int> const&) -> int {
    thrown.add();
    throw std::out_of_range{"bad"};
  });
  auto other = delayed([&](std::vector<int> const&, int x) {
    begun.add();
    while (thrown.value() == 0) std::this_thread::yield();
    std::this_thread::sleep_for(100ms);  // long enough for the failure to be known
    ended.add();
    return x;
  });
  // So short that the next ones are sent by the dozen.
  std::vector<lazy<int>> shorts;
  for (int i = 0; i < 500; ++i) shorts.push_back(delayed(same)(i));
  auto const ready = delayed([](std::vector<int> const&) { return std::vector<int>{}; })(shorts);
  std::vector<lazy<int>> parts{bad(ready)};
  for (int i = 0; i < 60; ++i) parts.push_back(other(ready, i));
  CHECK_THROWS_AS(dally::compute(processes{2}, parts), std::out_of_range);
  CHECK(begun.value() == ended.value());
  CHECK(begun.value() < 60);
}

TEST_CASE("when the program is killed, so are its workers", "[processes]") {
  shared_array<std::atomic<int>> pids{2};
  pid_t const program = fork();
  if (program == 0) {
    auto stay = delayed([&pids](std::size_t i) {
      pids[i] = getpid();
      pause();
      return 1;
    });
    dally::compute(processes{2}, stay(std::size_t{0}), stay(std::size_t{1}));
    _exit(0);
  }
  while (pids[0] == 0 || pids[1] == 0) std::this_thread::yield();
  kill(program, SIGKILL);
  waitpid(program, nullptr, 0);
  // They end at once; what waits for them here is whoever inherits orphans.
  while (is_running(pids[0]) || is_running(pids[1])) std::this_thread::yield();
  SUCCEED();
}

TEST_CASE("a program that does not wait for children, or lets another thread wait for all, gets the right results",
          "[processes]") {
  shared_counter calls;
  auto crash_once = [&calls](int x) {
    calls.add();
    if (calls.value() == 1) raise(SIGKILL);
    return x;
  };
  auto always = delayed([]() -> int { _exit(4); }, {.crash_retries = 0});
  auto const try_all = [&] {
    calls.reset();
    CHECK((delayed(crash_once)(1) + delayed(same)(2)).compute(processes{2}) == 3);
    CHECK_THROWS_AS(always().compute(processes{2}), dally::killed_worker);
  };
  struct sigaction ignore{};
  struct sigaction former{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &ignore, &former);
  try_all();
  sigaction(SIGCHLD, &former, nullptr);

  std::atomic<bool> done{false};
  std::thread reaper{[&] {
    while (!done) {
      if (waitpid(-1, nullptr, WNOHANG) <= 0) std::this_thread::yield();
    }
  }};
  for (int i = 0; i < 5; ++i) try_all();
  done = true;
  reaper.join();
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

TEST_CASE("what was printed before and by tasks appears once, also of tasks that crash", "[processes]") {
  std::fflush(stdout);
  std::FILE* const file = std::tmpfile();
  int const screen = dup(1);
  dup2(fileno(file), 1);
  std::printf("before;");
  shared_counter calls;
  auto print = delayed([&calls](int x) {
    calls.add();
    std::printf("task %d;", x);
    if (x == 1) std::printf("last words;");
    return x;
  });
  auto crash = delayed([&calls](int x) {
    if (calls.value() < 100) {
      calls.add(100);
      raise(SIGKILL);
    }
    return x;
  });
  CHECK(crash(print(1)).compute(processes{1}) == 1);
  std::fflush(stdout);
  dup2(screen, 1);
  close(screen);
  std::rewind(file);
  char text[256] = {};
  static_cast<void>(std::fread(text, 1, sizeof text - 1, file));
  std::fclose(file);
  CHECK(std::string{text} == "before;task 1;last words;");
}
