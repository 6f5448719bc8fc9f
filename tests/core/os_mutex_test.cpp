#include "dally/core/os_mutex.hpp"

#include <mutex>
#include <thread>

#include "support/catch2.hpp"

TEST_CASE("one thread at a time holds a mutex, and a condition wakes who waits for it", "[os_mutex]") {
  dally::os_mutex mutex;
  dally::os_condition changed;
  int turn = 0;
  auto const take_turns = [&](int mine) {
    for (int i = 0; i < 1000; ++i) {
      std::lock_guard const lock{mutex};
      while (turn % 2 != mine) changed.wait(mutex);
      ++turn;
      changed.notify_all();
    }
  };
  std::thread other{take_turns, 1};
  take_turns(0);
  other.join();
  CHECK(turn == 2000);
}
