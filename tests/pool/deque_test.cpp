#include "dally/pool/deque.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <latch>
#include <limits>
#include <new>
#include <random>
#include <thread>
#include <type_traits>
#include <vector>

#include "support/catch2.hpp"

using dally::steal_result;
using dally::work_stealing_deque;

namespace {

struct range {
  std::uint32_t first, last;
  bool operator==(range const&) const = default;
};

static_assert(!std::is_copy_constructible_v<work_stealing_deque<int>>);
static_assert(!std::is_move_constructible_v<work_stealing_deque<int>>);

/// Owner and thieves on one deque, and a count of how often each item was taken. An item stands for a place in
/// `written`, an array that only the deque's own ordering protects.
class contest {
 public:
  contest(std::size_t items, unsigned thieves) : written_(items), taken_(items), start_{thieves + 1} {
    for (unsigned i = 0; i < thieves; ++i) threads_.emplace_back([this] { steal_until_over(); });
    start_.arrive_and_wait();
  }
  ~contest() { finish(); }

  bool has_more() const { return next_ < written_.size(); }

  void push() {
    written_[next_] = check(next_);
    deque_.push(static_cast<std::uint32_t>(next_++));
  }

  bool pop() {
    std::uint32_t item = 0;
    if (!deque_.pop(item)) return false;
    take(item);
    return true;
  }

  /// Waits for the thieves, and for what the owner has not popped.
  void finish() {
    while (pop()) {
    }
    over_.store(true);
    for (auto& t : threads_) t.join();
    threads_.clear();
  }

  std::size_t pushed() const { return next_; }
  std::size_t stolen() const { return stolen_.load(); }
  std::size_t wrong() const { return wrong_.load(); }

  /// Items pushed and not taken exactly once.
  std::size_t miscounted() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < next_; ++i) count += taken_[i].load() != 1;
    return count;
  }

 private:
  static std::size_t check(std::size_t item) { return item * 31 + 7; }

  void take(std::uint32_t item) {
    if (item >= written_.size() || written_[item] != check(item)) {
      ++wrong_;
    } else {
      taken_[item].fetch_add(1, std::memory_order_relaxed);
    }
  }

  void steal_until_over() {
    start_.arrive_and_wait();
    std::size_t stolen = 0;
    for (std::uint32_t item = 0;;) {
      auto const result = deque_.steal(item);
      if (result == steal_result::stolen) {
        take(item);
        ++stolen;
      } else if (result == steal_result::empty && over_.load()) {
        break;
      }
    }
    stolen_ += stolen;
  }

  work_stealing_deque<std::uint32_t> deque_;
  std::vector<std::size_t> written_;
  std::vector<std::atomic<unsigned>> taken_;
  std::size_t next_ = 0;
  std::atomic<std::size_t> stolen_{0}, wrong_{0};
  std::atomic<bool> over_{false};
  std::latch start_;
  std::vector<std::thread> threads_;
};

void require_each_taken_once(contest& c) {
  c.finish();
  REQUIRE(c.wrong() == 0);
  REQUIRE(c.miscounted() == 0);
}

}  // namespace

TEST_CASE("a deque that was never pushed to is empty at both ends", "[deque]") {
  work_stealing_deque<int> deque;
  int item = 5;
  REQUIRE(deque.empty());
  REQUIRE(deque.size() == 0);
  REQUIRE_FALSE(deque.pop(item));
  REQUIRE(deque.steal(item) == steal_result::empty);
  deque.clear();
  REQUIRE(deque.empty());
  REQUIRE(item == 5);
}

TEST_CASE("the owner takes the newest item and a thief the oldest", "[deque]") {
  work_stealing_deque<range> deque;
  for (std::uint32_t i = 0; i < 4; ++i) deque.push({i, i + 1});
  range item{};
  REQUIRE(deque.size() == 4);
  REQUIRE(deque.pop(item));
  REQUIRE(item == range{3, 4});
  REQUIRE(deque.steal(item) == steal_result::stolen);
  REQUIRE(item == range{0, 1});
  REQUIRE(deque.pop(item));
  REQUIRE(item == range{2, 3});
  REQUIRE(deque.pop(item));
  REQUIRE(item == range{1, 2});
  REQUIRE_FALSE(deque.pop(item));
  REQUIRE(deque.empty());
}

TEST_CASE("a deque grows while it is full, whatever the place of its first item", "[deque]") {
  auto const before = GENERATE(0u, 1u, 63u, 64u, 100u);
  CAPTURE(before);
  work_stealing_deque<unsigned> deque;
  unsigned item = 0;
  for (unsigned i = 0; i < before; ++i) {
    deque.push(i);
    REQUIRE(deque.steal(item) == steal_result::stolen);
  }
  for (unsigned i = 0; i < 10'000; ++i) deque.push(i);
  REQUIRE(deque.size() == 10'000);
  for (unsigned i = 0; i < 5'000; ++i) {
    REQUIRE(deque.steal(item) == steal_result::stolen);
    REQUIRE(item == i);
    REQUIRE(deque.pop(item));
    REQUIRE(item == 9'999 - i);
  }
  REQUIRE(deque.empty());
}

TEST_CASE("reserved room keeps the items and the order", "[deque]") {
  work_stealing_deque<int> deque;
  deque.reserve(1'000);
  deque.push(1);
  deque.push(2);
  deque.reserve(5'000);
  deque.reserve(10);
  int item = 0;
  REQUIRE(deque.size() == 2);
  REQUIRE(deque.pop(item));
  REQUIRE(item == 2);
  REQUIRE(deque.steal(item) == steal_result::stolen);
  REQUIRE(item == 1);
}

TEST_CASE("a deque is unchanged after it could not get memory", "[deque]") {
  work_stealing_deque<std::uint32_t> deque;
  REQUIRE_THROWS_AS(deque.reserve(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
  REQUIRE(deque.empty());
  for (std::uint32_t i = 0; i < 100; ++i) deque.push(i);
  REQUIRE_THROWS_AS(deque.reserve(std::numeric_limits<std::size_t>::max() / 4), std::bad_alloc);
  REQUIRE(deque.size() == 100);
  std::uint32_t item = 0;
  for (std::uint32_t i = 100; i-- > 0;) {
    REQUIRE(deque.pop(item));
    REQUIRE(item == i);
  }
}

TEST_CASE("a cleared deque is empty and serves on", "[deque]") {
  work_stealing_deque<int> deque;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) deque.push(i);
    deque.clear();
    REQUIRE(deque.empty());
    int item = 0;
    REQUIRE_FALSE(deque.pop(item));
    REQUIRE(deque.steal(item) == steal_result::empty);
    deque.push(7);
    REQUIRE(deque.pop(item));
    REQUIRE(item == 7);
  }
}

TEST_CASE("a deque used by one thread behaves as std::deque", "[deque]") {
  auto const seed = GENERATE(take(20, random(0u, std::numeric_limits<unsigned>::max())));
  CAPTURE(seed);
  std::mt19937 random{seed};
  work_stealing_deque<std::uint64_t> deque;
  std::deque<std::uint64_t> twin;
  std::uint64_t next = 0;
  std::size_t wrong = 0;
  for (int step = 0; step < 20'000; ++step) {
    // The share of pushes drifts, so that the deque runs both full and empty.
    auto const pushes = 20 + 60 * ((step / 2'500) % 2);
    std::uint64_t item = 0;
    if (static_cast<int>(random() % 100) < pushes) {
      deque.push(next);
      twin.push_back(next++);
    } else if (random() % 2 == 0) {
      bool const popped = deque.pop(item);
      wrong += popped != !twin.empty() || (popped && item != twin.back());
      if (!twin.empty()) twin.pop_back();
    } else {
      bool const stolen = deque.steal(item) == steal_result::stolen;
      wrong += stolen != !twin.empty() || (stolen && item != twin.front());
      if (!twin.empty()) twin.pop_front();
    }
    if (random() % 4'000 == 0) deque.reserve(random() % 3'000);
    if (random() % 8'000 == 0) {
      deque.clear();
      twin.clear();
    }
    wrong += deque.size() != twin.size() || deque.empty() != twin.empty();
  }
  REQUIRE(wrong == 0);
}

TEST_CASE("every item goes to one taker while one owner and three thieves work at random", "[deque]") {
  auto const seed = GENERATE(take(8, random(0u, std::numeric_limits<unsigned>::max())));
  CAPTURE(seed);
  std::mt19937 random{seed};
  contest c{40'000, 3};
  while (c.has_more()) {
    // Bursts from one item to more than the first buffer holds.
    for (auto n = random() % (random() % 8 == 0 ? 150 : 4) + 1; n > 0 && c.has_more(); --n) c.push();
    for (auto n = random() % 6; n > 0; --n) c.pop();
  }
  require_each_taken_once(c);
}

TEST_CASE("the only item goes to the owner or to one thief", "[deque]") {
  contest c{200'000, GENERATE(1u, 3u)};
  while (c.has_more()) {
    c.push();
    c.pop();
  }
  require_each_taken_once(c);
}

TEST_CASE("the last two items are not taken twice", "[deque]") {
  contest c{500'000, GENERATE(1u, 3u)};
  while (c.has_more()) {
    c.push();
    c.push();
    c.pop();
    c.pop();
  }
  require_each_taken_once(c);
}

TEST_CASE("thieves take each item once from a deque that grows under them", "[deque]") {
  for (int round = 0; round < 30; ++round) {
    contest c{3'000, 3};
    while (c.has_more()) c.push();
    require_each_taken_once(c);
  }
}

TEST_CASE("a deque handed from one owner to the next keeps its items", "[deque]") {
  work_stealing_deque<int> deque;
  std::thread{[&] {
    for (int i = 0; i < 100; ++i) deque.push(i);
  }}.join();
  int item = 0;
  for (int i = 100; i-- > 0;) {
    REQUIRE(deque.pop(item));
    REQUIRE(item == i);
  }
}
