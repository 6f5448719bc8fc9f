// What a task meets in a worker besides its arguments: what the program has printed, its terminal's signals, its locks,
// generators of random numbers and floating-point environment; and what is left of a task when its worker ends.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <ios>
#include <iostream>
#include <latch>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"
#include "support/running.hpp"
#include "support/sanitizers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::process_pool;
using dally::processes;
using dally::worker_start;
using dally::tests::contains;
using dally::tests::is_running;
using dally::tests::ledger;
using dally::tests::own_pid;
using dally::tests::same;
using dally::tests::shared_array;
using dally::tests::shared_counter;
using dally::tests::sum;
using namespace std::chrono_literals;

namespace {

// In memory that every process shares from before the first test on.
shared_array<std::atomic<int>> notes{8};
shared_array<std::atomic<std::uint64_t>> seeds{64};

void forget_notes() {
  for (std::size_t k = 0; k < notes.size(); ++k) notes[k] = 0;
}

/// What a program does that is this one, in a process of its own: its exit status.
template <class Body>
int status_of(Body&& body) {
  std::cout.flush();
  std::fflush(stdout);  // or the child would write what Catch has printed, too
  pid_t const program = fork();
  if (program == 0) {
    alarm(150);
    _exit(body());
  }
  int status = -1;
  waitpid(program, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

/// Starts two commands that take for ever, the second in a group of its own, and notes them.
void start_commands() {
  for (std::size_t k : {0U, 1U}) {
    pid_t const command = fork();
    if (command == 0) {
      if (k == 1) setpgid(0, 0);
      notes[k] = getpid();
      execl("/bin/sleep", "sleep", "1000", nullptr);
      _exit(1);
    }
  }
  while (notes[0] == 0 || notes[1] == 0) std::this_thread::yield();
}

int start_and_wait(int x) {
  start_commands();
  notes[2] = 1;
  for (;;) pause();
  return x;
}
int start_and_crash(int x) {
  start_commands();
  raise(SIGKILL);
  return x;
}

std::mutex held_mutex;
int lock_mutex(int x) {
  std::lock_guard const lock{held_mutex};
  return x;
}
int halt(int x) {
  for (;;) pause();
  return x;
}

int print_everywhere(int x) {
  std::printf("printed %d;", x);
  std::cout << "streamed " << x << ';';
  return x;
}

void note_start(worker_start const& start) {
  static std::atomic<int>& count = notes[7];
  seeds[static_cast<std::size_t>(count++)] = start.seed;
  notes[start.worker] = static_cast<int>(start.attempt);
}
int die_once(int x) {
  if (notes[6].exchange(1) == 0) raise(SIGKILL);
  return x;
}

int rounding(int) { return std::fegetround(); }
int round_down(int) { return std::fesetround(FE_DOWNWARD); }

struct rounding_guard {
  explicit rounding_guard(int mode) { std::fesetround(mode); }
  ~rounding_guard() { std::fesetround(FE_TONEAREST); }
};

}  // namespace

TEST_CASE("tasks whose text cannot be written have their values, whatever the streams are told to throw",
          "[processes]") {
  bool const full = GENERATE(true, false);
  CHECK(status_of([full] {
          int ends[2] = {-1, open("/dev/full", O_WRONLY)};
          if (!full) {
            if (pipe(ends) != 0) return 1;
            close(ends[0]);
          }
          dup2(ends[1], 1);
          std::ios::sync_with_stdio(false);
          std::cout.exceptions(std::ios::badbit | std::ios::failbit);
          auto const both = delayed(print_everywhere)(20) + delayed(print_everywhere)(22);
          int wrong = both.compute(processes{1}) == 42 ? 0 : 2;
          std::cout << "unwritten";
          if (both.compute(processes{2}) != 42) wrong |= 4;
          process_pool const pool{1};
          if (both.compute(pool) != 42) wrong |= 8;
          return wrong;
        }) == 0);
}

TEST_CASE("what tasks write to a file that the program has opened with stdio is not lost with their workers",
          "[processes]") {
  ledger books;
  std::FILE* const log = std::tmpfile();
  std::fprintf(log, "begin;");
  auto write = delayed([log](int x) {
    std::fprintf(log, "task %d;", x);
    return x;
  });
  CHECK(write(2).after(write(1)).compute(processes{1}) == 2);
  std::fprintf(log, "end;");
  std::rewind(log);
  char text[256] = {};
  static_cast<void>(std::fread(text, 1, sizeof text - 1, log));
  std::fclose(log);
  if (dally::tests::thread_sanitizer) return;  // its thread could be the one that is writing
  CHECK(std::string{text} == "begin;task 1;task 2;end;");
}

TEST_CASE("a stop request ends what a task has started, with its worker", "[processes]") {
  ledger books;
  bool const on_pool = GENERATE(false, true);
  CAPTURE(on_pool);
  forget_notes();
  process_pool const pool{1};
  std::stop_source source;
  std::thread stopper{[&] {
    while (notes[2] == 0) std::this_thread::yield();
    source.request_stop();
  }};
  dally::any_scheduler on{processes{1}};
  if (on_pool) on = pool;
  auto const task = delayed(start_and_wait)(1);
  CHECK_THROWS_AS(task.compute({.scheduler = on, .stop = source.get_token()}), dally::cancelled);
  stopper.join();
  for (std::size_t const k : {0U, 1U}) {
    CHECK(kill(notes[k], 0) != 0);  // no zombie either
  }
  CHECK(delayed(same)(5).compute(on) == 5);
}

TEST_CASE("a time limit, and an interrupt, end what a task has started", "[processes]") {
  ledger books;
  std::chrono::nanoseconds limit = 1s;
  do {  // until the time was enough to start something
    forget_notes();
    auto const task = delayed(start_and_wait, {.crash_retries = 0, .timeout = limit})(1);
    CHECK_THROWS_AS(task.compute(processes{1}), dally::task_timeout);
    limit *= 2;
  } while (notes[2] == 0);
  for (std::size_t const k : {0U, 1U}) CHECK(kill(notes[k], 0) != 0);

  forget_notes();
  dally::stop_on_interrupt const guard;
  std::thread interrupter{[] {
    while (notes[2] == 0) std::this_thread::yield();
    kill(getpid(), SIGINT);
  }};
  CHECK_THROWS_AS(delayed(start_and_wait)(1).compute(processes{1}), dally::cancelled);
  interrupter.join();
  for (std::size_t const k : {0U, 1U}) CHECK(kill(notes[k], 0) != 0);
}

TEST_CASE("a crash ends what its task has started, in the worker's group", "[processes]") {
  ledger books;
  bool const on_pool = GENERATE(false, true);
  CAPTURE(on_pool);
  forget_notes();
  process_pool const pool{1};
  dally::any_scheduler on{processes{1}};
  if (on_pool) on = pool;
  CHECK_THROWS_AS(delayed(start_and_crash, {.crash_retries = 0})(1).compute(on), dally::killed_worker);
  while (is_running(notes[0])) std::this_thread::yield();
  kill(notes[1], SIGKILL);  // it had left the group
  while (is_running(notes[1])) std::this_thread::yield();
}

TEST_CASE("when the program is killed, what its tasks have started ends with their workers", "[processes]") {
  bool const on_pool = GENERATE(false, true);
  CAPTURE(on_pool);
  forget_notes();
  pid_t const program = fork();
  if (program == 0) {
    if (on_pool) {
      process_pool const pool{1};
      static_cast<void>(delayed(start_and_wait)(1).compute(pool));
    } else {
      static_cast<void>(delayed(start_and_wait)(1).compute(processes{1}));
    }
    _exit(0);
  }
  while (notes[2] == 0) std::this_thread::yield();
  kill(program, SIGKILL);
  waitpid(program, nullptr, 0);
  while (is_running(notes[0])) std::this_thread::yield();
  kill(notes[1], SIGKILL);
  SUCCEED();
}

TEST_CASE("a task that waits for a lock which no thread holds any more is told of by its time limit", "[processes]") {
  if (dally::tests::sanitized) return;  // forks beside a thread
  ledger books;
  std::latch locked{1}, done{1};
  std::thread holder{[&] {
    std::lock_guard const lock{held_mutex};
    locked.count_down();
    done.wait();
  }};
  locked.wait();
  auto const limited = [](auto f) { return delayed(f, {.crash_retries = 0, .timeout = 2s})(1); };
  CHECK_THROWS_WITH(limited(lock_mutex).compute(processes{1}),
                    contains("lock_mutex") && contains("waited for a lock") && contains("process_pool"));
  CHECK_THROWS_WITH(limited(halt).compute(processes{1}), contains("halt") && !contains("lock"));
  done.count_down();
  holder.join();
  CHECK(limited(lock_mutex).compute(processes{1}) == 1);
}

TEST_CASE("an initializer is told which worker it prepares, which attempt this is, and a seed", "[processes]") {
  ledger books;
  bool const on_pool = GENERATE(false, true);
  CAPTURE(on_pool);
  auto const start = [&](unsigned workers, dally::worker_initializer const& initializer) -> dally::any_scheduler {
    dally::process_options options{.workers = workers, .initializer = initializer};
    if (on_pool) return process_pool{options};
    return processes{options};
  };
  forget_notes();
  CHECK(delayed(die_once)(3).compute(start(1, note_start)) == 3);
  CHECK(notes[1] == 2);  // the second process of the first worker
  CHECK(notes[7] == 2);
  CHECK(seeds[0] != seeds[1]);

  forget_notes();
  auto const meet = delayed([](int x) {
    ++notes[6];
    while (notes[6] < 3) std::this_thread::yield();
    return x;
  });
  CHECK(delayed(sum)(std::vector{meet(1), meet(2), meet(3)}).compute(start(3, note_start)) == 6);
  for (std::size_t const worker : {1U, 2U, 3U}) CHECK(notes[worker] == 1);
  std::set<std::uint64_t> distinct;
  for (int k = 0; k < notes[7]; ++k) distinct.insert(seeds[static_cast<std::size_t>(k)]);
  CHECK(distinct.size() == 3);

  // It may take nothing, or be nothing.
  forget_notes();
  CHECK(delayed(same)(1).compute(start(1, [] { ++notes[0]; })) == 1);
  CHECK(delayed(same)(1).compute(start(1, std::function<void()>{[] { ++notes[0]; }})) == 1);
  CHECK(delayed(same)(1).compute(start(1, std::function<void()>{})) == 1);
  CHECK(delayed(same)(1).compute(start(1, nullptr)) == 1);
  CHECK(notes[0] == 2);
}

TEST_CASE("tasks in workers round as the thread that computes does, each from the beginning", "[processes]") {
  ledger books;
  process_pool const pool{1};
  auto const modes = [](auto const& on) {
    auto const changed = delayed(round_down)(0);
    return dally::compute(on, delayed(rounding)(1), delayed(rounding)(2).after(changed));
  };
  for (int const mode : {FE_UPWARD, FE_TONEAREST, FE_TOWARDZERO}) {
    rounding_guard const guard{mode};
    CHECK(modes(processes{1}) == std::tuple{mode, mode});
    CHECK(modes(pool) == std::tuple{mode, mode});
  }
}
