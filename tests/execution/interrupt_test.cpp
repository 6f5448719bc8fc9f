// Ctrl-C.

#include <dally/dally.hpp>

#include <signal.h>

#include <atomic>
#include <csignal>
#include <optional>

#include "support/catch2.hpp"
#include "support/counted.hpp"

using dally::delayed;
using dally::lazy;
using dally::stop_on_interrupt;
using dally::synchronous;
using dally::tests::counted;

namespace {

std::atomic<int> formerly{0};

/// SIGINT goes to a counter while one lives: what was there before the guards.
class counted_signals {
 public:
  counted_signals() {
    formerly = 0;
    struct sigaction action = {};
    action.sa_handler = [](int) { ++formerly; };
    sigaction(SIGINT, &action, &before_);
  }
  counted_signals(counted_signals const&) = delete;
  counted_signals& operator=(counted_signals const&) = delete;
  ~counted_signals() { sigaction(SIGINT, &before_, nullptr); }

 private:
  struct sigaction before_ = {};
};

void* handler_now() {
  struct sigaction now = {};
  sigaction(SIGINT, nullptr, &now);
  return reinterpret_cast<void*>(now.sa_handler);
}

lazy<int> interrupted_after(int raises, std::atomic<int>& calls) {
  auto first = delayed([raises](int x) {
    for (int i = 0; i < raises; ++i) std::raise(SIGINT);
    return counted{x};
  })(1);
  return delayed([&calls](counted const& c) {
    ++calls;
    return c.value();
  })(first);
}

int five() {
  return delayed([](int x) { return x; })(5).compute(synchronous{});
}

}  // namespace

TEST_CASE("SIGINT in a run cancels it, and that run alone", "[interrupt]") {
  counted_signals const outside;
  stop_on_interrupt const guard;
  std::atomic<int> calls{0};
  for (int round = 0; round < 3; ++round) {
    CHECK_THROWS_AS(interrupted_after(1, calls).compute(synchronous{}), dally::cancelled);
    CHECK_THROWS_AS(interrupted_after(1, calls).compute(dally::shuffled{1}), dally::cancelled);
    CHECK_THROWS_AS(interrupted_after(1, calls).compute(dally::threads{1}), dally::cancelled);
    CHECK(five() == 5);
  }
  CHECK(calls == 0);
  CHECK(formerly == 0);
  CHECK(counted::live() == 0);
  CHECK(!dally::last_failure().has_value());
}

TEST_CASE("SIGINT between two runs cancels the next", "[interrupt]") {
  counted_signals const outside;
  stop_on_interrupt const guard;
  std::raise(SIGINT);
  std::atomic<int> calls{0};
  CHECK_THROWS_AS(interrupted_after(0, calls).compute(synchronous{}), dally::cancelled);
  CHECK(calls == 0);
  CHECK(five() == 5);
}

TEST_CASE("a second SIGINT before the first has taken effect does what it did before the guard", "[interrupt]") {
  counted_signals const outside;
  stop_on_interrupt const guard;
  std::atomic<int> calls{0};
  CHECK_THROWS_AS(interrupted_after(2, calls).compute(synchronous{}), dally::cancelled);
  CHECK(formerly == 1);
  CHECK(calls == 0);
}

TEST_CASE("the outermost guard puts the former handler back", "[interrupt]") {
  counted_signals const outside;
  void* const before = handler_now();
  std::optional<stop_on_interrupt> outer, inner;
  outer.emplace();
  CHECK(handler_now() != before);
  inner.emplace();
  inner.reset();
  CHECK(handler_now() != before);
  std::atomic<int> calls{0};
  CHECK_THROWS_AS(interrupted_after(1, calls).compute(synchronous{}), dally::cancelled);
  outer.reset();
  CHECK(handler_now() == before);
  std::raise(SIGINT);
  CHECK(formerly == 1);
  CHECK(five() == 5);
}

TEST_CASE("a SIGINT that no run has seen ends with its guard", "[interrupt]") {
  counted_signals const outside;
  {
    stop_on_interrupt const guard;
    std::raise(SIGINT);
  }
  CHECK(five() == 5);
  {
    stop_on_interrupt const guard;
    CHECK(five() == 5);
  }
  CHECK(formerly == 0);
}

TEST_CASE("SIGINT in a nested run stops the outer one too", "[interrupt]") {
  counted_signals const outside;
  stop_on_interrupt const guard;
  std::atomic<int> inner_calls{0}, outer_calls{0};
  auto outer = delayed([&](int) { return interrupted_after(1, inner_calls).compute(synchronous{}); })(1);
  auto next = delayed([&](int x) { return ++outer_calls, x; })(outer);
  CHECK_THROWS_AS(next.compute(synchronous{}), dally::cancelled);
  CHECK(inner_calls == 0);
  CHECK(outer_calls == 0);
  CHECK(five() == 5);
}
