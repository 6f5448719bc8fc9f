// What schedulers keep when there is nothing to do: how many threads, and how much processor time they use.

#include <time.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <latch>
#include <numeric>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/sanitizers.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::lazy;

namespace {

int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }

int compute_something(dally::any_scheduler const& scheduler) {
  std::vector<lazy<int>> all;
  for (int i = 0; i < 100; ++i) all.push_back(delayed([](int x) { return x; })(i));
  return delayed(sum)(all).compute(scheduler);
}

/// Makes a pool start all of its threads: the graph finishes only where `workers` of them run at once.
void start_all(dally::threads const& scheduler, unsigned workers) {
  std::latch all{static_cast<std::ptrdiff_t>(workers)};
  std::vector<lazy<int>> tasks;
  for (unsigned i = 0; i < workers; ++i) {
    tasks.push_back(delayed([&all] {
      all.arrive_and_wait();
      return 1;
    })());
  }
  CHECK(delayed(sum)(tasks).compute(scheduler) == static_cast<int>(workers));
}

auto threads_of_this_process() {
  return std::distance(std::filesystem::directory_iterator{"/proc/self/task"}, std::filesystem::directory_iterator{});
}

/// Whether no more threads than `before` are left. One that has been joined may still be listed for a moment.
bool back_to(std::ptrdiff_t before) {
  for (int i = 0; i < 500 && threads_of_this_process() > before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  return threads_of_this_process() <= before;
}

std::chrono::nanoseconds cpu_time() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec};
}

}  // namespace

TEST_CASE("twenty computes do not add threads, whoever asks for them", "[schedulers][threads]") {
  dally::thread_pool own{3};
  start_all(dally::threads{}, dally::available_workers());
  for (unsigned workers : {2U, 4U, 16U}) start_all(dally::threads{workers}, workers);
  start_all(dally::threads{own}, own.size());
  auto const before = threads_of_this_process();

  auto twenty_each = [&own] {
    for (int i = 0; i < 20; ++i) {
      compute_something(dally::threads{});
      for (unsigned workers : {2U, 4U, 16U}) compute_something(dally::threads{workers});
      compute_something(dally::threads{own});
    }
  };
  twenty_each();
  CHECK(back_to(before));
  for (int i = 0; i < 3; ++i) std::thread{twenty_each}.join();
  CHECK(back_to(before));
}

TEST_CASE("schedulers of one thread start none", "[schedulers]") {
  auto const before = threads_of_this_process();
  CHECK(compute_something(dally::synchronous{}) == 4950);
  CHECK(compute_something(dally::threads{1}) == 4950);
  CHECK(compute_something(dally::shuffled{1}) == 4950);
  CHECK(threads_of_this_process() <= before);  // one that had been joined before may still have been listed
}

TEST_CASE("a sleeping program with a live pool uses under 1 ms of CPU a second", "[schedulers][threads]") {
  if (dally::tests::sanitized) return;  // the sanitizers' own threads use CPU meanwhile
  compute_something(dally::threads{4});
  // Beside other programs it may take the workers some seconds to notice that nothing comes; then they stay asleep.
  auto used = std::chrono::nanoseconds::max();
  for (int second = 0; second < 20 && used >= std::chrono::milliseconds{1}; ++second) {
    auto const before = cpu_time();
    std::this_thread::sleep_for(std::chrono::seconds{1});
    used = cpu_time() - before;
  }
  CHECK(used < std::chrono::milliseconds{1});
}
