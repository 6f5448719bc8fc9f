// Work that threads have opened in a pool: which of it idle threads join, and that closing waits for them.

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dally/pool/thread_pool.hpp"
#include "support/catch2.hpp"

using dally::shared_work;
using dally::thread_pool;

namespace {

/// Who helped with what, in order.
struct journal {
  std::mutex mutex;
  std::vector<std::string> entries;

  void note(std::string const& what) {
    std::lock_guard const lock{mutex};
    entries.push_back(what);
  }
  std::vector<std::string> wait_for(std::size_t count) {
    for (;;) {
      {
        std::lock_guard const lock{mutex};
        if (entries.size() >= count) return entries;
      }
      std::this_thread::yield();
    }
  }
};

/// What is run by who opened it alone, who never comes any further, until somebody takes it over and helps once.
class stuck_work final : public shared_work {
 public:
  stuck_work(std::string name, journal& of) : name_{std::move(name)}, journal_{of} {}
  bool visible() const noexcept override { return taken_over_ && !helped_; }
  bool wants_watch() const noexcept override { return !taken_over_; }
  bool held_up() noexcept override { return true; }
  bool take_over() noexcept override {
    taken_over_ = true;
    return true;
  }
  void help(unsigned) noexcept override {
    if (!helped_.exchange(true)) journal_.note(name_);
  }

 private:
  std::string name_;
  journal& journal_;
  std::atomic<bool> taken_over_{false}, helped_{false};
};

/// Something to do for one helper, which takes a while.
class slow_work final : public shared_work {
 public:
  bool visible() const noexcept override { return !begun_; }
  void help(unsigned) noexcept override {
    if (begun_.exchange(true)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    ended_ = true;
  }
  bool begun() const { return begun_; }
  bool ended() const { return ended_; }

 private:
  std::atomic<bool> begun_{false}, ended_{false};
};

}  // namespace

TEST_CASE("of work inside work the outermost that is held up is taken over first", "[thread_pool]") {
  journal helped;
  thread_pool pool{2};
  stuck_work outer{"outer", helped}, middle{"middle", helped}, inner{"inner", helped};
  std::vector<stuck_work*> const all{&outer, &middle, &inner};
  bool unwatched = false;
  for (stuck_work* const work : all) unwatched = pool.open(*work) || unwatched;
  CHECK(unwatched);
  pool.notify();
  CHECK(helped.wait_for(3) == std::vector<std::string>{"outer", "middle", "inner"});
  for (auto work = all.rbegin(); work != all.rend(); ++work) pool.close(**work);
  CHECK_FALSE(pool.busy());
}

TEST_CASE("a thread may have work open in several pools, one inside the other", "[thread_pool]") {
  journal helped;
  thread_pool first{2}, second{2};
  stuck_work a{"a", helped}, b{"b", helped}, c{"c", helped}, d{"d", helped};
  first.open(a);
  second.open(b);
  first.open(c);
  first.open(d);
  first.notify();
  second.notify();
  helped.wait_for(4);
  CHECK((first.busy() && second.busy()));
  first.close(d);
  first.close(c);
  second.close(b);
  CHECK((first.busy() && !second.busy()));
  first.close(a);
  CHECK_FALSE(first.busy());
  first.open(a);  // and again
  CHECK(first.busy());
  first.close(a);
  CHECK_FALSE(first.busy());
}

TEST_CASE("who wakes idle threads all the time does not keep them from what is held up", "[thread_pool]") {
  journal helped;
  thread_pool pool{2};
  stuck_work work{"work", helped};
  pool.open(work);
  auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  bool done = false;
  while (!done && std::chrono::steady_clock::now() < deadline) {
    pool.notify();
    std::lock_guard const lock{helped.mutex};
    done = !helped.entries.empty();
  }
  CHECK(done);
  pool.close(work);
}

TEST_CASE("work is closed when who has joined it has left", "[thread_pool]") {
  thread_pool pool{2};
  for (int i = 0; i < 5; ++i) {
    slow_work work;
    pool.open(work);
    while (!work.begun()) {
      pool.notify();
      std::this_thread::yield();
    }
    pool.close(work);
    CHECK(work.ended());
  }
}

TEST_CASE("work of several threads is helped with, whoever opened it", "[thread_pool]") {
  journal helped;
  thread_pool pool{2};
  std::vector<std::thread> openers;
  for (int i = 0; i < 4; ++i) {
    openers.emplace_back([&, i] {
      stuck_work outer{"outer " + std::to_string(i), helped}, inner{"inner " + std::to_string(i), helped};
      pool.open(outer);
      pool.open(inner);
      pool.notify();
      helped.wait_for(8);
      pool.close(inner);
      pool.close(outer);
    });
  }
  for (std::thread& opener : openers) opener.join();
  CHECK(helped.wait_for(8).size() == 8);
  CHECK_FALSE(pool.busy());
}
