// What every scheduler promises when a task throws, and when a run is stopped.

#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
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
using dally::tests::shared_log;

namespace {

int same(int x) { return x; }
int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }

int throw_number(int x) { throw x; }

struct no_base {
  int code;
  std::string why;
};
int throw_no_base(int code) { throw no_base{code, "because"}; }

class coded_error : public std::runtime_error {
 public:
  explicit coded_error(int code) : std::runtime_error{"coded " + std::to_string(code)}, code_{code} {}
  [[nodiscard]] int code() const { return code_; }

 private:
  int code_;
};
int throw_coded(int code) { throw coded_error{code}; }

}  // namespace

// What lets these exceptions leave the process that threw them.
template <>
struct dally::codec<coded_error> {
  static void encode(dally::archive_writer& out, coded_error const& e) { out(e.code()); }
  static coded_error decode(dally::archive_reader& in) { return coded_error{in.read<int>()}; }
};

namespace {

dally::travelling_exception<coded_error> const coded_error_travels;
dally::travelling_exception<no_base> const no_base_travels;

/// The exception that leaves `compute`; a null pointer if none does.
template <typename Compute>
std::exception_ptr thrown_by(Compute const& compute) {
  try {
    compute();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

/// The exception itself, if it is an E; `otherwise` else.
template <typename E, typename Read>
auto read_as(std::exception_ptr const& thrown, Read const& read) -> decltype(read(std::declval<E const&>())) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (E const& e) {
    return read(e);
  } catch (...) {
  }
  return {};
}

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("a task's exception reaches the caller with its type and payload") {
  auto coded = thrown_by([&] { dally::compute(scheduler, delayed(same)(delayed(throw_coded)(7))); });
  CHECK(read_as<coded_error>(coded, [](auto const& e) { return e.code(); }) == 7);
  CHECK(read_as<coded_error>(coded, [](auto const& e) { return std::string{e.what()}; }) == "coded 7");
  auto plain = thrown_by([&] { (delayed(throw_number)(42) + 1).compute(scheduler); });
  CHECK(read_as<int>(plain, [](int x) { return x; }) == 42);
  auto own = thrown_by([&] { dally::compute(scheduler, lazy{1}, delayed(throw_no_base)(3)); });
  CHECK(read_as<no_base>(own, [](auto const& e) { return e.why + std::to_string(e.code); }) == "because3");
  auto from_void = delayed([] { throw std::out_of_range{"void"}; })();
  CHECK_THROWS_AS(from_void.compute(scheduler), std::out_of_range);
  CHECK_THROWS_AS(dally::prepare(from_void)(scheduler), std::out_of_range);
  CHECK_THROWS_AS(from_void.persist(scheduler), std::out_of_range);
}

DALLY_TEST_ON_EVERY_SCHEDULER("nothing that needs a failed task runs") {
  shared_log ran;
  auto note = delayed([&ran](int id, int) {
    ran.append(id);
    return id;
  });
  auto bad = delayed(throw_number)(note(0, 0));
  auto x = note(1, bad);
  for (int i = 2; i < 100; ++i) x = note(i, x);
  CHECK_THROWS_AS(x.compute(scheduler), int);
  CHECK(ran.values() == std::vector{0});
}

TEST_CASE("after a failure synchronous starts no other task", "[schedulers][synchronous]") {
  std::vector<int> ran;
  auto note = delayed([&ran](int id) {
    ran.push_back(id);
    return id;
  });
  std::vector<lazy<int>> all{note(0), delayed(throw_number)(1), note(2), note(3)};
  CHECK_THROWS_AS(delayed(sum)(all).compute(dally::synchronous{}), int);
  CHECK(ran == std::vector{0});
}

DALLY_TEST_ON_EVERY_SCHEDULER("graph and scheduler stay usable after a failure") {
  shared_counter attempts;
  auto flaky = delayed([&attempts](int x) {
    attempts.add();
    if (attempts.value() % 2 == 1) throw coded_error{x};
    return x;
  })(5);
  std::vector<lazy<int>> parts{flaky};
  for (int i = 0; i < 50; ++i) parts.push_back(delayed(same)(1));
  auto total = delayed(sum)(parts);
  auto prepared = dally::prepare(total);
  for (int i = 0; i < 10; ++i) {
    CHECK_THROWS_AS(total.compute(scheduler), coded_error);
    CHECK(total.compute(scheduler) == 55);
    CHECK_THROWS_AS(prepared(scheduler), coded_error);
    CHECK(prepared(scheduler) == 55);
  }
}

DALLY_TEST_ON_EVERY_SCHEDULER("when many tasks fail, the exception of one arrives") {
  std::vector<lazy<int>> all;
  for (int i = 0; i < 64; ++i) all.push_back(delayed(throw_coded)(i + 1));
  for (int run = 0; run < 10; ++run) {
    auto thrown = thrown_by([&] { dally::compute(scheduler, delayed(sum)(all)); });
    auto const code = read_as<coded_error>(thrown, [](auto const& e) { return e.code(); });
    CHECK(code >= 1);
    CHECK(code <= 64);
    REQUIRE(dally::last_failure().has_value());
    CHECK(dally::last_failure()->key == all[static_cast<std::size_t>(code - 1)].key());
  }
}

DALLY_TEST_ON_EVERY_SCHEDULER("a failed run leaves no result behind") {
  auto make = [](int x) { return counted{x}; };
  std::vector<lazy<counted>> parts;
  for (int i = 0; i < 50; ++i) parts.push_back(delayed(make)(i));
  auto size = [](std::vector<counted> const& all) { return static_cast<int>(all.size()); };
  auto bad = delayed(throw_number)(delayed(size)(parts));
  CHECK_THROWS_AS(dally::compute(scheduler, bad, parts[0], parts[1]), int);
  CHECK(counted::live() == 0);
  CHECK_THROWS_AS(dally::persist(scheduler, bad, parts[0]), int);
  CHECK(counted::live() == 0);
}

DALLY_TEST_ON_EVERY_SCHEDULER("last_failure names the task that failed") {
  auto bad = delayed(throw_coded, {.name = "boom"})(1);
  auto const line = __LINE__ - 1;
  CHECK_THROWS_AS((bad + 1).compute(scheduler), coded_error);
  auto failed = dally::last_failure();
  REQUIRE(failed.has_value());
  CHECK(failed->name == "boom");
  CHECK(failed->key == bad.key());
  CHECK(failed->place.line() == line);
  CHECK_THAT(std::string{failed->place.file_name()}, contains("conformance_failure_test"));

  bool elsewhere = true;
  std::thread{[&] { elsewhere = dally::last_failure().has_value(); }}.join();
  CHECK(!elsewhere);
}

DALLY_TEST_ON_EVERY_SCHEDULER("of a failure in a nested run, last_failure names the outermost task") {
  auto outer = delayed([&scheduler](int x) { return delayed(throw_coded, {.name = "inner"})(x).compute(scheduler); },
                       {.name = "outer"})(4);
  auto thrown = thrown_by([&] { (outer + 1).compute(scheduler); });
  CHECK(read_as<coded_error>(thrown, [](auto const& e) { return e.code(); }) == 4);
  REQUIRE(dally::last_failure().has_value());
  CHECK(dally::last_failure()->name == "outer");
}

DALLY_TEST_ON_EVERY_SCHEDULER("a task may catch what a nested run throws") {
  auto careful = delayed([&scheduler](int x) {
    try {
      return delayed(throw_number)(x).compute(scheduler);
    } catch (int caught) {
      return -caught;
    }
  });
  std::vector<lazy<int>> several;
  for (int i = 0; i < 20; ++i) several.push_back(careful(i));
  CHECK(delayed(sum)(several).compute(scheduler) == -190);
}

namespace {

class ends : public dally::observer {
 public:
  void run_finished(dally::run const&, dally::outcome) noexcept override { ++runs; }
  void task_finished(dally::run const&, dally::task_record const& record) noexcept override {
    if (record.outcome == dally::outcome::done) ++done;
    if (record.outcome == dally::outcome::failed) ++failed;
    if (record.outcome == dally::outcome::skipped) ++skipped;
  }
  std::atomic<int> runs{0}, done{0}, failed{0}, skipped{0};
};

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER(
    "observers are told of the end of a failed run, of its failed task and of those that were skipped") {
  ends seen;
  auto after = delayed(same)(delayed(throw_number)(delayed(same)(1)));
  CHECK_THROWS_AS(after.compute({.scheduler = scheduler, .observers = {&seen}}), int);
  CHECK(seen.runs == 1);
  CHECK(seen.done == 1);
  CHECK(seen.failed == 1);
  CHECK(seen.skipped == 1);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a stop that was requested before lets nothing run") {
  shared_counter calls;
  auto count = delayed([&calls] {
    calls.add();
    return 1;
  });
  std::stop_source source;
  source.request_stop();
  auto total = count() + count();
  CHECK_THROWS_AS(total.compute({.scheduler = scheduler, .stop = source.get_token()}), dally::cancelled);
  CHECK(calls.value() == 0);
  CHECK(total.compute({.scheduler = scheduler, .stop = std::stop_source{}.get_token()}) == 2);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a stop request cancels what has not started") {
  std::stop_source source;
  shared_counter calls;
  auto stop = delayed(
      [&source] {
        source.request_stop();
        return counted{1};
      },
      {.here = true});
  auto count = delayed([&calls](counted const& x) {
    calls.add();
    return counted{x.value() + 1};
  });
  auto x = stop();
  for (int i = 0; i < 100; ++i) x = count(x);
  CHECK_THROWS_AS(x.compute({.scheduler = scheduler, .stop = source.get_token()}), dally::cancelled);
  CHECK(calls.value() == 0);
  CHECK(counted::live() == 0);
  CHECK(delayed(same)(3).compute(scheduler) == 3);
}

DALLY_TEST_ON_EVERY_SCHEDULER(
    "SIGINT cancels while a stop_on_interrupt lives, and does what it did before afterwards") {
  struct sigaction before{}, after{};
  sigaction(SIGINT, nullptr, &before);
  {
    dally::stop_on_interrupt guard;
    // The signal may take its time to arrive, so it is followed by more work than anybody would wait for.
    auto x = delayed(
        [](int v) {
          std::raise(SIGINT);
          return v;
        },
        {.here = true})(0);
    for (int i = 0; i < 100'000; ++i) {
      x = delayed([](int v) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
        return v;
      })(x);
    }
    CHECK_THROWS_AS(x.compute(scheduler), dally::cancelled);
  }
  sigaction(SIGINT, nullptr, &after);
  CHECK(before.sa_handler == after.sa_handler);
  {
    dally::stop_on_interrupt guard;
    CHECK(delayed(same)(4).compute(scheduler) == 4);
  }
}
