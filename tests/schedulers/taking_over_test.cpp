// Another thread takes over what the caller of a run has not begun, at any moment: the node that the caller claims just
// then is run once, by one of the two.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "dally/core/spin_pause.hpp"
#include "dally/schedulers/crew_run.hpp"
#include "support/catch2.hpp"
#include "support/schedulers.hpp"

namespace {

/// Threads that go over to steps when they are told to.
struct taken_over {
  dally::thread_pool* pool;
  std::atomic<int>* now;  ///< set by a task, after which the taking over begins
  int pauses;             ///< and this late
  int* times;             ///< how often there was something to take

  void run(dally::execution& job) const {
    dally::crew_run crew{job, *pool};
    std::thread other{[&] {
      while (*now == 0) dally::spin_pause();
      for (int i = 0; i < pauses; ++i) dally::spin_pause();
      if (crew.take_over()) ++*times;
    }};
    crew.run();
    other.join();
  }
};

}  // namespace

TEST_CASE("what is taken over at any moment runs once", "[schedulers][pairs]") {
  constexpr std::size_t size = 3'000;
  dally::thread_pool pool{3};
  int taken = 0;
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    std::vector<std::atomic<int>> calls(size);
    std::atomic<int> now{0};
    std::vector<dally::lazy<std::size_t>> all;
    for (std::size_t n = 0; n < size; ++n) {
      std::size_t const own = n;
      auto const task = dally::delayed([&, own](std::size_t before) {
        ++calls[own];
        if (own == size / 8) now = 1;
        return before + 1;
      });
      all.push_back(n < 2 ? task(std::size_t{0}) : task(all[n - 2]));
    }
    auto const sum = dally::delayed([](std::size_t a, std::size_t b) { return a + b; })(all[size - 2], all[size - 1]);
    CHECK(sum.compute(taken_over{&pool, &now, round % 200, &taken}) == size);
    CHECK(std::all_of(calls.begin(), calls.end(), [](std::atomic<int> const& times) { return times == 1; }));
  }
  CHECK(taken > 0);
}
