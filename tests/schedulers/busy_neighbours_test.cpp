// Where other programs compute: nobody waits for a thread by turns of which each takes a slice of theirs.

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <latch>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/sanitizers.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::lazy;

namespace {

/// Twice as many processes as processors, which compute until this object ends; or the program, or two minutes.
class neighbours {
 public:
  neighbours() {
    pid_t const parent = getpid();
    for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency() && i < 16; ++i) {
      pid_t const child = fork();
      if (child == 0) {
        alarm(120);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(0);
        for (std::atomic<unsigned> turns{0};;) turns.fetch_add(1, std::memory_order_relaxed);
      }
      if (child > 0) processes_.push_back(child);
    }
  }
  neighbours(neighbours const&) = delete;
  neighbours& operator=(neighbours const&) = delete;
  ~neighbours() {
    for (pid_t const child : processes_) kill(child, SIGKILL);
    for (pid_t const child : processes_) waitpid(child, nullptr, 0);
  }

 private:
  std::vector<pid_t> processes_;
};

std::uint64_t churn(std::uint64_t x) {
  for (int i = 0; i < 40; ++i) x = x * 6364136223846793005U + 1442695040888963407U;
  return x;
}

}  // namespace

TEST_CASE("beside busy processes, a run whose caller waits in a task is taken over soon", "[schedulers][threads]") {
  neighbours const beside;
  auto const start = std::chrono::steady_clock::now();
  for (int run = 0; run < (dally::tests::sanitized ? 5 : 20); ++run) {
    std::latch both{2};
    std::vector<lazy<std::uint64_t>> all;
    for (int i = 0; i < 12'000; ++i) {
      all.push_back(i == 6'000 || i == 6'001 ? delayed([&both](std::uint64_t x) {
        both.arrive_and_wait();
        return x;
      })(std::uint64_t{1})
                                             : delayed(churn)(std::uint64_t{1}));
    }
    auto const count = delayed([](std::vector<std::uint64_t> const& of) { return of.size(); })(all);
    CHECK(count.compute(dally::threads{2}) == 12'000);
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{60});  // by turns: seconds a run
}

TEST_CASE("beside busy processes, short tasks that two share are right", "[schedulers][pairs]") {
  neighbours const beside;
  for (int run = 0; run < (dally::tests::sanitized ? 3 : 20); ++run) {
    constexpr std::size_t width = 8, rows = 2'000;
    std::vector<std::atomic<int>> calls(width * rows);
    std::vector<lazy<std::uint64_t>> row;
    std::vector<std::uint64_t> plain;
    for (std::uint64_t i = 0; i < width; ++i) {
      row.emplace_back(i);
      plain.push_back(i);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      std::vector<lazy<std::uint64_t>> next;
      std::vector<std::uint64_t> plain_next;
      for (std::size_t i = 0; i < width; ++i) {
        std::atomic<int>& called = calls[r * width + i];
        next.push_back(delayed([&called](std::uint64_t a, std::uint64_t b) {
          called.fetch_add(1, std::memory_order_relaxed);
          return churn(a * 3 + b);
        })(row[i], row[(i + 1) % width]));
        plain_next.push_back(churn(plain[i] * 3 + plain[(i + 1) % width]));
      }
      row = std::move(next);
      plain = std::move(plain_next);
    }
    auto const all = delayed([](std::vector<std::uint64_t> const& of) { return of; })(row);
    CHECK(all.compute(dally::threads{2}) == plain);
    int wrong = 0;
    for (auto const& times : calls) wrong += times != 1;
    CHECK(wrong == 0);
  }
}
