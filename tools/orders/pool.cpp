// For tools/check_orders.sh: owners, thieves and sleepers hand plain data over through the deque and the parking alone.
// An order that is missing there is a data race here, or an item that two have taken; then the program fails, under
// ThreadSanitizer.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "dally/pool/deque.hpp"
#include "dally/pool/parking.hpp"

namespace {

using dally::steal_result;

// Each item is a place in an array of plain counters: whoever takes it adds one, unordered with any second taker.
bool hand_out(std::size_t items, unsigned burst, unsigned thieves) {
  dally::work_stealing_deque<std::uint32_t> deque;
  std::vector<int> taken(items);
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  std::atomic<unsigned> there{0};
  for (unsigned t = 0; t < thieves; ++t) {
    threads.emplace_back([&] {
      there.fetch_add(1, std::memory_order_relaxed);
      for (std::uint32_t item = 0;;) {
        auto const result = deque.steal(item);
        if (result == steal_result::stolen) {
          ++taken[item];
        } else if (result == steal_result::empty && over.load(std::memory_order_relaxed)) {
          return;
        }
      }
    });
  }
  while (there.load(std::memory_order_relaxed) != thieves) {
  }
  std::uint32_t item = 0;
  for (std::size_t next = 0; next < items;) {
    for (unsigned i = 0; i < burst && next < items; ++i, ++next) {
      taken[next] = 1;  // the thief's addition races with this, unless the push releases and the steal acquires
      deque.push(static_cast<std::uint32_t>(next));
    }
    for (unsigned i = 0; i < burst && burst < 64; ++i) {
      if (deque.pop(item)) ++taken[item];
    }
  }
  while (deque.pop(item)) ++taken[item];
  over.store(true, std::memory_order_relaxed);
  for (auto& t : threads) t.join();
  for (int const count : taken) {
    if (count != 2) return false;
  }
  return true;
}

// Two threads wake each other in turn.
bool take_turns(int rounds) {
  dally::parking there, back;
  int plain = 0;
  std::thread other{[&] {
    for (int i = 0; i < rounds; ++i) {
      there.acquire();
      ++plain;
      back.release();
    }
  }};
  for (int i = 0; i < rounds; ++i) {
    ++plain;
    there.release();
    back.acquire();
  }
  other.join();
  return plain == 2 * rounds;
}

}  // namespace

int main() {
  bool right = take_turns(100);
  for (int round = 0; round < 150; ++round) right = hand_out(2'000, 2'000, 2) && right;  // outgrows its buffers
  right = hand_out(150'000, 1, 1) && right;  // the owner and a thief meet at the only item
  right = hand_out(150'000, 2, 2) && right;
  return right ? 0 : 1;
}
