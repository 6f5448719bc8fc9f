// The pool of worker processes: what travels to workers that were there before, what stays from run to run, and how it
// ends.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"
#include "support/sanitizers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::process_pool;
using dally::processes;
using dally::tests::add;
using dally::tests::contains;
using dally::tests::ledger;
using dally::tests::own_pid;
using dally::tests::same;
using dally::tests::shared_counter;
using dally::tests::sum;
using namespace std::chrono_literals;

namespace {

int apply(int (*f)(int), int x) { return f(x); }
int length(std::string const& text) { return static_cast<int>(text.size()); }
std::vector<double> numbers(std::size_t count) {
  std::vector<double> all(count);
  std::iota(all.begin(), all.end(), 0.0);
  return all;
}
double total(std::vector<double> const& all) { return std::accumulate(all.begin(), all.end(), 0.0); }
int sleep_for_milliseconds(int x) {
  std::this_thread::sleep_for(std::chrono::milliseconds{x});
  return x;
}
int die(int x) {
  raise(SIGKILL);
  return x;
}

// In memory that every process shares from before the first test on.
shared_counter calls;
int count_call(int x) {
  calls.add();
  return x;
}
int die_at_first(int x) {
  calls.add();
  if (calls.value() == 1) raise(SIGKILL);
  return x;
}
int throw_at_first(int x) {
  calls.add();
  if (calls.value() == 1) throw std::domain_error{"once"};
  return x;
}

shared_counter let_go;
int hold(int x) {
  calls.add();
  while (let_go.value() == 0) std::this_thread::yield();
  return x;
}

struct scaled {
  int factor;
  int operator()(int x) const { return factor * x; }
};
struct account {
  int balance = 0;
  int with(int more) const { return balance + more; }
};
/// Empty, but not for its codec.
struct tag {
  tag() = default;
  tag(tag const&) {}
  template <class Archive>
  void serialize(Archive&) {}
};
/// Aligned to more than shared memory is.
struct wide {
  alignas(128) double values[16];
};
int misaligned(std::span<wide const> all) {
  return static_cast<int>(std::count_if(
      all.begin(), all.end(), [](wide const& w) { return reinterpret_cast<std::uintptr_t>(&w) % alignof(wide) != 0; }));
}

/// Computes on the same pool when it is told of the first task's end.
struct computing_observer : dally::observer {
  explicit computing_observer(process_pool const& on) : pool{on} {}
  void task_finished(dally::run const&, dally::task_record const&) noexcept override {
    if (std::exchange(done, true)) return;
    value = (delayed(same)(20) + delayed(same)(22)).compute(pool);
    std::stop_source stop;
    stop.request_stop();
    try {
      static_cast<void>(delayed(same)(1).compute({.scheduler = pool, .stop = stop.get_token()}));
    } catch (dally::cancelled const&) {
      cancelled = true;
    }
  }
  process_pool const& pool;
  bool done = false;
  bool cancelled = false;
  int value = 0;
};

struct measured {
  lazy<int> value;
  std::string unit;
};
struct measurement {
  int value;
  std::string unit;
};

std::uint64_t resident(pid_t pid) {
  std::ifstream statm{"/proc/" + std::to_string(pid) + "/statm"};
  std::uint64_t size = 0, pages = 0;
  statm >> size >> pages;
  return pages * 4096;
}

/// Everybody whose parent is `parent`.
std::vector<pid_t> children_of(pid_t parent) {
  std::ifstream list{"/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children"};
  return {std::istream_iterator<pid_t>{list}, {}};
}

}  // namespace

template <>
struct dally::traversal<measured> {
  using plain = measurement;
  static measurement rebuild(measured const& m, auto&& value_of) { return {value_of(m.value), m.unit}; }
  static void each(measured const& m, auto&& visit) { visit(m.value); }
};

TEST_CASE("a pool's workers stay from run to run, and take no part in what the program has become", "[processes]") {
  ledger books;
  process_pool const pool{2};
  int const first = delayed(own_pid)(0).compute(pool);
  CHECK(first != getpid());
  std::vector<char> const much(std::size_t{64} << 20, 'x');
  for (int i = 0; i < 10; ++i) CHECK(delayed(own_pid)(0).compute(pool) == first);
  if (!dally::tests::sanitized) CHECK(resident(first) < std::uint64_t{32} << 20);
  auto const copy = pool;
  CHECK(delayed(own_pid)(0).compute(copy) == first);
  CHECK(pool.workers() == 2);
  CHECK(delayed(own_pid, {.here = true})(0).compute(pool) == getpid());
}

TEST_CASE("every kind of call without captures travels to a pool", "[processes]") {
  ledger books;
  process_pool const pool{2};
  auto one = delayed(same)(1);
  CHECK(delayed(dally::fn<add>)(one, 2).compute(pool) == 3);
  CHECK(delayed([](int x, int y) { return x * y; })(one, 5).compute(pool) == 5);
  CHECK(((one + 4) * 2).compute(pool) == 10);
  CHECK(delayed(scaled{3})(one).compute(pool) == 3);
  auto books_of = delayed([](int x) { return account{x}; })(one);
  CHECK(books_of.call(&account::with, 4).compute(pool) == 5);
  CHECK((books_of->*&account::balance).compute(pool) == 1);
  CHECK(one.then([](int x) { return x + 1; }).compute(pool) == 2);
  CHECK(delayed(same)(7).after(one, books_of).compute(pool) == 7);
  CHECK(delayed(same)(7).after(one).after(books_of).compute(pool) == 7);
  CHECK(std::get<0>(dally::wait_on(one, books_of)).compute(pool) == 1);
  auto nothing = delayed([](int) {})(one);
  CHECK(nothing.then([] { return 3; }).compute(pool) == 3);
  CHECK(delayed(lazy<int (*)(int)>{same})(6).compute(processes{1}) == 6);
  CHECK(delayed([](std::unique_ptr<int> p) { return *p; })(delayed([] { return std::make_unique<int>(8); })())
            .compute(pool) == 8);
}

TEST_CASE("every kind of argument travels to a pool: plain, in containers, beside lazies", "[processes]") {
  ledger books;
  process_pool const pool{2};
  auto one = delayed(same)(1);
  CHECK(delayed(length)("a literal").compute(pool) == 9);
  CHECK(delayed(length)(std::string(100'000, 'x')).compute(pool) == 100'000);
  CHECK(delayed(sum)(std::vector<lazy<int>>{one, one, 5}).compute(pool) == 7);
  auto of_map = [](std::map<std::string, int> const& m) { return m.at("a") + 10 * m.at("b"); };
  CHECK(delayed(of_map)(std::map<std::string, lazy<int>>{{"a", one}, {"b", 2}}).compute(pool) == 21);
  auto of_tuple = [](std::tuple<int, std::string, std::vector<int>> const& t) {
    return std::get<0>(t) + static_cast<int>(std::get<1>(t).size()) + std::get<2>(t).at(0);
  };
  CHECK(delayed(of_tuple)(std::tuple{one, std::string{"four"}, std::vector{one}}).compute(pool) == 6);
  CHECK(delayed([](measurement const& m) { return m.unit + std::to_string(m.value); })(measured{one, "m"})
            .compute(pool) == "m1");
  CHECK(delayed([](std::optional<int> o) { return o.value_or(-1); })(std::optional<lazy<int>>{}).compute(pool) == -1);

  CHECK(delayed([](tag const&, std::vector<int> const& v) { return v.size(); })(tag{}, std::vector<int>(256))
            .compute(pool) == 256);
  CHECK(delayed(apply)(same, 5).compute(pool) == 5);
  CHECK(delayed([](std::nullptr_t, std::wstring const& w) { return w.size(); })(nullptr, L"wide").compute(pool) == 4);
  auto wides = delayed([](int n) { return std::vector<wide>(static_cast<std::size_t>(n)); })(2000);
  CHECK(delayed(misaligned)(wides).compute(pool) == 0);
  auto made = delayed([](int n) {
    int wrong = 0;
    static_cast<void>(dally::shared_array<wide>::make(static_cast<std::size_t>(n),
                                                      [&](std::span<wide> all) { wrong = misaligned(all); }));
    return wrong;
  });
  CHECK(made(2000).compute(pool) == 0);

  // Literals and persisted values, small and large; large ones are written once, whoever reads them.
  lazy<std::vector<double>> const literal{numbers(200'000)};
  auto const kept = delayed(numbers)(std::size_t{100'000}).persist(pool);
  CHECK(delayed(total)(literal).compute(pool) == 199'999.0 * 100'000);
  CHECK(delayed(total)(kept).compute(pool) == 99'999.0 * 50'000);
  std::vector<lazy<double>> all;
  for (int i = 0; i < 50; ++i) all.push_back(delayed(total)(literal) + delayed(total)(kept) + lazy<double>{1.0 * i});
  CHECK(delayed(total)(all).compute(pool) == 50 * (199'999.0 * 100'000 + 99'999.0 * 50'000) + 1225);
  // A large result of a task that runs here.
  auto here = delayed(numbers, {.here = true})(std::size_t{100'000});
  CHECK((delayed(total)(here) + delayed(total)(here)).compute(pool) == 2 * 99'999.0 * 50'000);
}

TEST_CASE("what cannot travel to a pool is refused before anything runs, by task, type and cure", "[processes]") {
  ledger books;
  calls.reset();
  process_pool const pool{1};
  auto counted = delayed(count_call)(1);
  auto const refused = [&](auto const& x, std::string const& type) {
    try {
      static_cast<void>((x + counted).compute(pool));
      FAIL("nothing was refused");
    } catch (dally::not_serializable const& e) {
      CAPTURE(e.what());
      CHECK_THAT(e.what(), contains("pool_test.cpp:") && contains("processes{}") && contains("{.here = true}"));
      CHECK_THAT(e.type_name(), contains(type));
      CHECK(e.task() == x.name());
    }
    CHECK(calls.value() == 0);
  };
  int captured = 4;
  refused(delayed([captured](int x) { return x + captured; })(counted), "lambda");
  refused(delayed([&captured](int x) { return x + captured; })(counted), "lambda");
  refused(delayed([p = std::make_unique<int>(1)](int x) { return x + *p; })(counted), "lambda");
  refused(delayed(std::function<int(int)>{same})(counted), "std::function");
  refused(delayed(add)(counted, std::cref(captured)), "std::reference_wrapper");
  refused(delayed([](int const* p) { return *p; })(&captured), "int");  // compilers differ in blanks
  std::string const text = "not a literal";
  refused(delayed(length)(text.c_str()), "pointer to text");
  // What is refused there runs on processes, and on the calling thread.
  CHECK(delayed([captured](int x) { return x + captured; })(counted).compute(processes{1}) == 5);
  CHECK(delayed([captured](int x) { return x + captured; }, {.here = true})(counted).compute(pool) == 5);
}

TEST_CASE("a task from a library that was loaded after the pool is refused by its name", "[processes]") {
  ledger books;
  process_pool const pool{1};
  CHECK(delayed(same)(1).compute(pool) == 1);
  void* const library = dlopen(DALLY_LATE_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  auto const record = reinterpret_cast<void (*)(lazy<int>&)>(dlsym(library, "record_late_task"));
  auto const late = reinterpret_cast<int (*)(int)>(dlsym(library, "late_function"));
  REQUIRE(record != nullptr);
  REQUIRE(late != nullptr);
  lazy<int> recorded_there;
  record(recorded_there);
  CHECK_THROWS_WITH(recorded_there.compute(pool),
                    contains("loaded after the process_pool was made") && contains("late_library.cpp"));
  CHECK_THROWS_AS(delayed(late)(1).compute(pool), dally::not_serializable);
  CHECK_THROWS_AS(delayed(apply)(late, 1).compute(pool), dally::not_serializable);
  auto const text = reinterpret_cast<char const* (*)()>(dlsym(library, "late_text"));
  REQUIRE(text != nullptr);
  CHECK_THROWS_AS(delayed(length)(text()).compute(pool), dally::not_serializable);
  CHECK(delayed(same)(2).compute(pool) == 2);
  // Nor can a task that takes what was recorded there.
  CHECK_THROWS_AS(delayed(same)(recorded_there).compute(pool), dally::not_serializable);
  CHECK(delayed(add)(recorded_there, recorded_there).compute(dally::synchronous{}) == 84);
  process_pool const later{1};
  CHECK(recorded_there.compute(later) == 42);
  CHECK(delayed(late)(1).compute(later) == 43);
  CHECK(delayed(apply)(late, 1).compute(later) == 43);
  CHECK(delayed(length)(text()).compute(later) == 14);
}

TEST_CASE("deaths, exceptions, retries and limits are a pool's as they are those of processes", "[processes]") {
  ledger books;
  process_pool const pool{{.workers = 2, .task_timeout = 10s, .max_tasks_per_worker = 3}};
  calls.reset();
  CHECK(delayed(die_at_first)(5).compute(pool) == 5);
  CHECK(calls.value() == 2);
  try {
    (delayed(die)(1) + 1).compute(pool);
    FAIL("nobody died");
  } catch (dally::killed_worker const& e) {
    CHECK(e.attempts() == 4);
    CHECK(e.death().number == SIGKILL);
    CHECK(e.task() == "die");
  }
  calls.reset();
  CHECK_THROWS_AS(delayed(throw_at_first)(1).compute(pool), std::domain_error);
  calls.reset();
  CHECK(delayed(throw_at_first, {.retries = 1})(6).compute(pool) == 6);
  CHECK_THROWS_AS(delayed(sleep_for_milliseconds, {.crash_retries = 0, .timeout = 2s})(1'000'000).compute(pool),
                  dally::task_timeout);
  auto const named = delayed([](int) -> int { throw 3L; }, {.name = "the thrower"})(1);
  CHECK_THROWS_WITH(named.compute(pool), contains("the thrower"));
  std::vector<lazy<int>> pids;
  for (int i = 0; i < 40; ++i) pids.push_back(delayed(own_pid)(i));
  auto const all = delayed([](std::vector<int> const& v) { return std::set<int>(v.begin(), v.end()).size(); })(pids);
  CHECK(all.compute(pool) >= 13);  // a worker is replaced after three tasks
}

TEST_CASE("an observer may compute on the pool whose run it watches", "[processes]") {
  ledger books;
  process_pool const pool{1};
  computing_observer seen{pool};
  CHECK((delayed(same)(1) + delayed(same)(2)).compute({.scheduler = pool, .observers = {&seen}}) == 3);
  CHECK(seen.value == 42);
  CHECK(seen.cancelled);
  CHECK(delayed(same)(4).compute(pool) == 4);
}

TEST_CASE("a worker that was stopped before its task began is replaced when the task's time is over", "[processes]") {
  ledger books;
  process_pool const pool{{.workers = 1, .task_timeout = 1s}};
  int const stopped = delayed(own_pid)(0).compute(pool);
  kill(stopped, SIGSTOP);
  calls.reset();
  CHECK(delayed(count_call)(7).compute(pool) == 7);
  CHECK(calls.value() == 1);
  CHECK(delayed(own_pid)(0).compute(pool) != stopped);
}

TEST_CASE("a zygote that does not answer is given up, once and for all", "[processes]") {
  ledger books;
  process_pool const pool{2};
  auto const zygotes = children_of(getpid());
  REQUIRE(zygotes.size() == 1);
  kill(zygotes[0], SIGSTOP);
  CHECK_THROWS_WITH(delayed(same)(1).compute(pool), contains("make a new process_pool"));
  kill(zygotes[0], SIGCONT);
  CHECK_THROWS_WITH(delayed(same)(1).compute(pool), contains("make a new process_pool"));
}

TEST_CASE("a pool makes do with few descriptors", "[processes]") {
  if (dally::tests::sanitized) return;  // UBSan looks at an object through a pipe, for which there is no descriptor
  ledger books;
  rlimit former{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &former) == 0);
  rlimit const few{64, former.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::vector<std::string> notes;
  {
    process_pool const pool{{.workers = 40, .note = [&](std::string_view note) { notes.emplace_back(note); }}};
    std::vector<lazy<int>> naps;
    for (int i = 0; i < 60; ++i) naps.push_back(delayed(sleep_for_milliseconds)(5));
    CHECK(delayed(sum)(naps).compute(pool) == 300);
  }
  setrlimit(RLIMIT_NOFILE, &former);
  REQUIRE(!notes.empty());
  CHECK_THAT(notes[0], contains("of 40 workers") && !contains("Success"));
}

TEST_CASE("a pool cancels, and computes again", "[processes]") {
  ledger books;
  process_pool const pool{2};
  for (int round = 0; round < 3; ++round) {
    std::stop_source stop;
    std::jthread const later{[&] {
      std::this_thread::sleep_for(20ms);
      stop.request_stop();
    }};
    auto const start = std::chrono::steady_clock::now();
    auto slow = delayed(sleep_for_milliseconds)(30'000) + delayed(sleep_for_milliseconds)(30'001);
    CHECK_THROWS_AS(slow.compute({.scheduler = pool, .stop = stop.get_token()}), dally::cancelled);
    CHECK(std::chrono::steady_clock::now() - start < 10s);
    CHECK(delayed(total)(delayed(numbers)(std::size_t{100'000})).compute(pool) == 99'999.0 * 50'000);
  }
}

TEST_CASE("graphs that tasks return run on the same pool, also a long loop of them", "[processes]") {
  ledger books;
  process_pool const pool{2};
  auto grow = [](int x) { return delayed(own_pid)(x) * 0 + delayed(add)(x, delayed(same)(1)); };
  CHECK(dally::flatten(delayed(grow)(4)).compute(pool) == 5);
  std::vector<lazy<int>> several;
  for (int i = 0; i < 10; ++i) {
    several.push_back(dally::flatten(delayed(grow)(i)));
    several.push_back(delayed(sleep_for_milliseconds)(i));
  }
  CHECK(delayed(sum)(several).compute(pool) == 45 + 10 + 45);
  struct counting {
    static lazy<int> down(int n) {
      return n == 0 ? delayed(same)(99) : dally::flatten(delayed(&counting::down)(delayed(same)(n - 1)));
    }
  };
  CHECK(counting::down(300).compute(pool) == 99);
}

TEST_CASE("a compute inside a task that runs here has workers of its own", "[processes]") {
  ledger books;
  process_pool const pool{2};
  auto nested = delayed(
      [&pool](int x) {
        // The others' tasks are under way on the pool.
        return (delayed(own_pid)(0) * 0 + delayed(same)(x)).compute(pool);
      },
      {.here = true});
  std::vector<lazy<int>> all;
  for (int i = 0; i < 4; ++i) all.push_back(delayed(sleep_for_milliseconds)(50));
  all.push_back(nested(3));
  CHECK(delayed(sum)(all).compute(pool) == 203);
}

TEST_CASE("a task that runs here may wait for a thread that computes on the same pool", "[processes]") {
  if (dally::tests::sanitized) return;  // forks beside a thread that allocates
  ledger books;
  process_pool const pool{1};
  auto waiting = delayed(
      [&pool](int x) {
        int got = 0;
        std::thread{[&] { got = delayed(same)(x).compute(pool); }}.join();
        return got;
      },
      {.here = true});
  CHECK(waiting(7).compute(pool) == 7);
}

TEST_CASE("a pool that was moved from is still the same pool", "[processes]") {
  ledger books;
  process_pool a{1};
  process_pool const b = std::move(a);
  CHECK(delayed(same)(1).compute(b) == 1);
  CHECK(delayed(same)(2).compute(a) == 2);  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("a pool's memory goes with it, also when a later pool is still there", "[processes]") {
  ledger books;
  auto const shared_memory = [] {
    std::ifstream list{"/proc/meminfo"};
    for (std::string word; list >> word;) {
      std::int64_t kilobytes = 0;
      if (word == "Shmem:" && list >> kilobytes) return kilobytes * 1024;
    }
    return std::int64_t{0};
  };
  // Other programs take and give back such memory meanwhile: once in some times must do.
  bool given_back = false;
  for (int i = 0; i < 10 && !given_back; ++i) {
    auto former = std::make_optional<process_pool>(1U);
    process_pool const later{1};
    constexpr std::size_t count = 20'000'000;
    CHECK(delayed(total)(delayed(numbers)(count)).compute(*former) > 0);
    auto const with = shared_memory();
    former.reset();
    given_back = with - shared_memory() > 100'000'000;  // of 160 MB
    CHECK(delayed(same)(1).compute(later) == 1);
  }
  CHECK(given_back);
}

TEST_CASE("threads take turns on a pool", "[processes]") {
  if (dally::tests::thread_sanitizer) return;  // it ends children of threaded processes
  ledger books;
  process_pool const pool{2};
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      for (int run = 0; run < 20; ++run) {
        std::vector<lazy<int>> tasks;
        for (int t = 0; t < 10; ++t) tasks.push_back(delayed(same)(i));
        right += delayed(sum)(tasks).compute(pool) == 10 * i ? 1 : 0;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(right == 80);
  // Who is stopped while others compute need not wait.
  std::stop_source stop;
  calls.reset();
  let_go.reset();
  int held = 0;
  bool cancelled = false;
  std::thread busy{[&] { held = delayed(hold)(500).compute(pool); }};
  while (calls.value() == 0) std::this_thread::yield();
  std::thread waiting{[&] {
    try {
      static_cast<void>(delayed(same)(1).compute({.scheduler = pool, .stop = stop.get_token()}));
    } catch (dally::cancelled const&) {
      cancelled = true;
    }
  }};
  stop.request_stop();
  waiting.join();
  let_go.add();
  busy.join();
  CHECK(cancelled);
  CHECK(held == 500);
}

TEST_CASE("a thread that made a pool may end before it", "[processes]") {
  if (dally::tests::thread_sanitizer) return;
  ledger books;
  std::optional<process_pool> pool;
  std::thread{[&] {
    pool.emplace(2U);
    CHECK(delayed(same)(1).compute(*pool) == 1);
  }}.join();
  std::this_thread::sleep_for(20ms);
  CHECK(delayed(same)(2).compute(*pool) == 2);
}

TEST_CASE("a worker or the zygote that is killed between runs: the next run goes on, or says what is gone",
          "[processes]") {
  ledger books;
  process_pool const pool{2};
  for (int i = 0; i < 3; ++i) {
    pid_t const worker = delayed(own_pid)(0).compute(pool);
    kill(worker, SIGKILL);
    CHECK(delayed(total)(delayed(numbers)(std::size_t{100'000})).compute(pool) == 99'999.0 * 50'000);
  }
  auto const zygotes = children_of(getpid());
  REQUIRE(zygotes.size() == 1);
  auto const workers = children_of(zygotes[0]);
  CHECK(!workers.empty());
  kill(zygotes[0], SIGKILL);
  for (pid_t const w : workers) {
    for (int wait = 0; wait < 1000 && kill(w, 0) == 0 && resident(w) != 0; ++wait) std::this_thread::sleep_for(1ms);
    CHECK(resident(w) == 0);
  }
  for (int i = 0; i < 2; ++i) {
    CHECK_THROWS_AS(delayed(same)(1).compute(pool), dally::resource_error);
    CHECK_THROWS_WITH(delayed(same)(1).compute(pool), contains("make a new process_pool"));
  }
  process_pool const other{1};
  CHECK(delayed(same)(1).compute(other) == 1);
}

TEST_CASE("nothing is left of a pool whose program is killed", "[processes]") {
  ledger books;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t const program = fork();
  if (program == 0) {
    process_pool const pool{1};
    pid_t all[2] = {delayed(own_pid)(0).compute(pool), 0};
    all[1] = children_of(getpid()).at(0);
    static_cast<void>(!write(ends[1], all, sizeof all));
    raise(SIGKILL);
  }
  pid_t all[2] = {0, 0};
  REQUIRE(read(ends[0], all, sizeof all) == sizeof all);
  int status = 0;
  waitpid(program, &status, 0);
  for (pid_t const p : all) {
    REQUIRE(p > 0);
    for (int wait = 0; wait < 5000 && resident(p) != 0; ++wait) std::this_thread::sleep_for(1ms);
    CHECK(resident(p) == 0);
  }
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("a child of fork has no part in its parent's pool, and does it no harm", "[processes]") {
  ledger books;
  process_pool const pool{2};
  int const worker = delayed(own_pid)(0).compute(pool);
  pid_t const child = fork();
  if (child == 0) {
    alarm(60);
    bool right = false;
    try {
      std::optional<process_pool> const copy{pool};
      static_cast<void>(delayed(same)(1).compute(*copy));
    } catch (dally::resource_error const& e) {
      right = std::string{e.what()}.find("child of fork") != std::string::npos;
    }
    {
      process_pool const own{1};
      right = right && delayed(same)(2).compute(own) == 2;
    }
    const_cast<process_pool&>(pool).~process_pool();
    _exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(delayed(own_pid)(0).compute(pool) == worker);
}

TEST_CASE("pools come and go, and leave nothing", "[processes]") {
  ledger books;
  for (int i = 0; i < 30; ++i) {
    process_pool const unused{2};
    process_pool const used{2};
    CHECK(delayed(same)(i).compute(used) == i);
  }
  CHECK_THROWS_AS(process_pool{0}, dally::config_error);
  CHECK_THROWS_AS(process_pool{10'000}, dally::config_error);
}

TEST_CASE("the initializer runs once in each of a pool's workers", "[processes]") {
  ledger books;
  calls.reset();
  process_pool const pool{{.workers = 1, .initializer = [] { calls.add(); }}};
  CHECK(calls.value() == 0);
  for (int i = 0; i < 5; ++i) CHECK(delayed(same)(i).compute(pool) == i);
  CHECK(calls.value() == 1);
  process_pool const failing{{.workers = 1, .initializer = [] { throw std::domain_error{"no licence"}; }}};
  CHECK_THROWS_WITH(delayed(same)(1).compute(failing), "no licence");
}

TEST_CASE("random graphs of mixed types come to the same on a pool as on the calling thread", "[processes]") {
  ledger books;
  process_pool const pool{3};
  auto join = [](std::string const& a, int b) { return a.substr(0, 20'000) + std::to_string(b); };
  auto measure = [](std::string const& text) { return static_cast<int>(text.size() % 1000); };
  auto spread = [](int n, std::string text) {
    text.resize(static_cast<std::size_t>(n) * 200, 'x');
    return text;
  };
  for (unsigned seed = 0; seed < 30; ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    std::vector<lazy<int>> ints{1, delayed(same)(2)};
    std::vector<lazy<std::string>> texts{std::string{"a"}, delayed(join)(std::string{"b"}, ints[1])};
    for (int i = 0; i < 60; ++i) {
      auto const& a = ints[random() % ints.size()];
      auto const& t = texts[random() % texts.size()];
      switch (random() % 5) {
        case 0:
          ints.push_back(delayed(measure)(t) + a % 7);
          break;
        case 1:
          texts.push_back(delayed(join)(t, a));
          break;
        case 2:
          texts.push_back(delayed(spread, {.here = random() % 4 == 0})(a % 1000, t));
          break;
        case 3:
          ints.push_back(delayed(sum)(std::vector{a, ints.back()}) % 1000);
          break;
        default:
          texts.push_back(delayed([](std::vector<std::string> const& v) {
            std::string all;
            for (auto const& s : v) all += s.substr(0, 100);
            return all;
          })(std::vector{t, texts.back()}));
      }
    }
    auto [number, text] = dally::compute(pool, delayed(sum)(ints), texts.back());
    auto [expected, expected_text] = dally::compute(dally::synchronous{}, delayed(sum)(ints), texts.back());
    CHECK(number == expected);
    CHECK(text == expected_text);
  }
}
