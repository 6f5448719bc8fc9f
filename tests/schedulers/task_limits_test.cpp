// Limits of tasks, a timeout and crash_retries: who honours them, and what is refused.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <chrono>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "support/catch2.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::tests::contains;
using namespace std::chrono_literals;

namespace {

int calls = 0;
int count_call(int x) {
  ++calls;
  return x;
}

/// Says that it honours limits, of which it makes nothing.
class patient : public dally::tests::newest_first {
 public:
  [[nodiscard]] bool honours_task_limits() const { return true; }
};
/// Honours what the scheduler does that it has been given.
class forwarding {
 public:
  explicit forwarding(dally::any_scheduler to) : to_{std::move(to)} {}
  void run(dally::execution& job) { to_.run(job); }
  [[nodiscard]] bool honours_task_limits() const { return to_.honours_task_limits(); }

 private:
  dally::any_scheduler to_;
};

template <class Run>
std::string refusal_of(Run const& run) {
  try {
    run();
  } catch (dally::config_error const& e) {
    return e.what();
  }
  return "nothing was refused";
}

}  // namespace

DALLY_TEST_ON_EVERY_LOCAL_SCHEDULER("limits that a scheduler does not honour are refused before anything runs") {
  calls = 0;
  auto first = delayed(count_call)(1);
  auto timed = delayed(count_call, {.name = "timed", .timeout = 50ms})(first);
  auto retried = delayed(count_call, {.name = "retried", .crash_retries = 2})(first);
  auto once = delayed(count_call, {.name = "once", .crash_retries = 0})(first);
  for (auto const& run : {std::function<void()>{[&] { timed.compute(scheduler); }},
                          std::function<void()>{[&] { static_cast<void>(timed.persist(scheduler)); }},
                          std::function<void()>{[&] { dally::prepare(timed)(scheduler); }}, std::function<void()>{[&] {
                            dally::scoped_scheduler const scope{scheduler};
                            timed.compute();
                          }}}) {
    CHECK_THAT(refusal_of(run), contains("\"timed\" (task_limits_test.cpp:") && contains(".timeout = 50 ms") &&
                                    contains("dally::processes"));
  }
  CHECK_THAT(refusal_of([&] { retried.compute(scheduler); }),
             contains("\"retried\"") && contains(".crash_retries = 2"));
  CHECK_THAT(refusal_of([&] { once.compute(scheduler); }), contains("\"once\"") && contains(".crash_retries = 0"));
  CHECK(calls == 0);
  CHECK_FALSE(dally::last_failure().has_value());
  // What nobody has said needs nobody to honour it.
  CHECK(delayed(count_call, {.name = "plain", .crash_retries = -1, .timeout = 0s})(first).compute(scheduler) == 1);
  // A graph that a task returns is refused when it is there.
  auto grow = delayed([](int x) { return delayed(count_call, {.name = "late", .timeout = 1s})(x); })(1);
  CHECK_THAT(refusal_of([&] { dally::flatten(grow).compute(scheduler); }), contains("\"late\""));
}

TEST_CASE("the refusal names the scheduler, wherever it came from", "[task_limits]") {
  auto timed = delayed(count_call, {.name = "timed", .timeout = 50ms})(1);
  CHECK_THAT(refusal_of([&] { timed.compute(dally::threads{2}); }), contains("dally::threads"));
  CHECK_THAT(refusal_of([&] { timed.compute(dally::shuffled{}); }), contains("dally::shuffled"));
  CHECK_THAT(refusal_of([&] { timed.compute(dally::tests::newest_first{}); }), contains("newest_first"));
  CHECK_THAT(refusal_of([&] { timed.compute(dally::scheduler_by_name("synchronous")); }),
             contains("dally::synchronous"));
  CHECK_THAT(refusal_of([&] { timed.compute(dally::scheduler_of_environment("threads", "3")); }),
             contains("dally::threads"));
}

TEST_CASE("a scheduler that says so is given tasks with limits", "[task_limits]") {
  auto timed = delayed(count_call, {.timeout = 50ms})(3);
  CHECK(timed.compute(patient{}) == 3);
  CHECK(timed.compute(forwarding{patient{}}) == 3);
  CHECK_THAT(refusal_of([&] { timed.compute(forwarding{dally::threads{2}}); }), contains("forwarding"));
  CHECK(dally::honours_task_limits(dally::processes{1}));
  CHECK_FALSE(dally::honours_task_limits(dally::threads{}));
}

TEST_CASE("options of a task that make no sense are refused by task, option and value", "[task_limits]") {
  auto const refused = [&](dally::task_options options) {
    calls = 0;
    options.name = "odd";
    auto const said = refusal_of([&] { delayed(count_call, options)(delayed(count_call)(1)).compute(patient{}); });
    CHECK(calls == 0);
    CHECK_THAT(said, contains("\"odd\" (task_limits_test.cpp:") && contains("is allowed"));
    return said;
  };
  CHECK_THAT(refused({.timeout = -1s}), contains(".timeout = -1 s"));
  CHECK_THAT(refused({.timeout = -1ns}), contains(".timeout = -1 ns"));
  CHECK_THAT(refused({.timeout = std::chrono::duration<double>{std::numeric_limits<double>::quiet_NaN()}}),
             contains(".timeout = no number"));
  CHECK_THAT(refused({.crash_retries = -2}), contains(".crash_retries = -2"));
  CHECK_THAT(refused({.crash_retries = std::numeric_limits<int>::min()}), contains(".crash_retries = -2147483648"));
  dally::task_options negative;
  negative.retries = static_cast<unsigned>(-1);
  CHECK_THAT(refused(negative), contains(".retries = 4294967295"));
}
