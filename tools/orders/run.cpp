// For tools/check_orders.sh: graphs whose tasks hand plain data to each other through the run's own orders alone.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "dally/dally.hpp"

namespace {

using dally::delayed;
using dally::lazy;

using cell = std::shared_ptr<int>;

// Long enough for the pool to join in.
void spin(int pauses) {
  for (int i = 0; i < pauses; ++i) dally::spin_pause();
}

// Layers of tasks that each take two of the layer before; plain ints, in the run's own slots.
long layers(dally::threads const& pool, int pauses) {
  auto next = delayed([pauses](long a, long b) {
    spin(pauses);
    return (a + b) % 1'000'003;
  });
  std::vector<lazy<long>> row;
  for (long i = 0; i < 8; ++i) row.push_back(next(i, i + 1));
  for (int layer = 0; layer < 12; ++layer) {
    std::vector<lazy<long>> above;
    for (std::size_t i = 0; i < row.size(); ++i) above.push_back(next(row[i], row[(i + 3) % row.size()]));
    row = above;
  }
  auto sum = delayed([](std::vector<long> all) {
    long total = 0;
    for (long const x : all) total += x;
    return total;
  })(row);
  return sum.compute({.scheduler = pool});
}

// The same with results that own memory and end with their last taker.
std::size_t vectors(dally::threads const& pool, int pauses) {
  auto make = delayed([pauses](int n) {
    spin(pauses);
    return std::vector<int>(static_cast<std::size_t>(n), n);
  });
  auto join = delayed([pauses](std::vector<int> const& a, std::vector<int> const& b) {
    spin(pauses);
    std::vector<int> both{a};
    both.insert(both.end(), b.begin(), b.end());
    both.resize(20);
    return both;
  });
  std::vector<lazy<std::vector<int>>> row;
  for (int i = 1; i <= 8; ++i) row.push_back(make(i));
  for (int layer = 0; layer < 8; ++layer) {
    std::vector<lazy<std::vector<int>>> above;
    for (std::size_t i = 0; i < row.size(); ++i) above.push_back(join(row[i], row[(i + 3) % row.size()]));
    row = above;
  }
  auto size = delayed([](std::vector<std::vector<int>> const& all) { return all.size(); })(row);
  return size.compute({.scheduler = pool});
}

// Short tasks, which two workers share; one now and then that is waited for.
template <class Scheduler>
std::uint64_t stencil(Scheduler const& pool, std::size_t width, int rounds, bool slow) {
  auto next = delayed([](std::uint64_t a, std::uint64_t b, int pauses) {
    spin(pauses);
    return a * 31 + b;
  });
  std::vector<lazy<std::uint64_t>> row;
  for (std::size_t i = 0; i < width; ++i) row.push_back(next(std::uint64_t{i}, std::uint64_t{1}, 8));
  for (int round = 0; round < rounds; ++round) {
    std::vector<lazy<std::uint64_t>> above;
    for (std::size_t i = 0; i < width; ++i) {
      above.push_back(next(row[i], row[(i + 1) % width], slow && round % 500 == 499 && i == 0 ? 200'000 : 8));
    }
    row = above;
  }
  return delayed([](std::vector<std::uint64_t> const& all) {
           std::uint64_t total = 0;
           for (std::uint64_t const x : all) total = total * 3 + x;
           return total;
         })(row)
      .compute({.scheduler = pool});
}

// Threads whose run is taken over at some moment, between two claims, two chunks, a mark and the next.
struct taken_over {
  dally::thread_pool& pool;
  int pauses;

  void run(dally::execution& job) const {
    dally::crew_run crew{job, pool};
    std::thread other{[&] {
      spin(pauses);
      static_cast<void>(crew.take_over());
    }};
    crew.run();
    other.join();
  }
};

// Results that are read by one task and taken by another, at about the same time: who takes later may move.
std::size_t takers(dally::threads const& pool, int pauses) {
  auto make = delayed([](int n) { return std::vector<int>(static_cast<std::size_t>(n), n); });
  auto read = delayed([pauses](std::vector<int> const& v) {
    spin(pauses);
    return v[0] + v[1];
  });
  auto take = delayed([pauses](std::vector<int> v) {
    spin(pauses);
    v[0] = v[1] = 7;
    return v.size();
  });
  std::vector<lazy<std::size_t>> sizes;
  std::vector<lazy<int>> sums;
  for (int i = 0; i < 40; ++i) {
    auto const v = make(2 + i % 3);
    sums.push_back(read(v));
    sizes.push_back(take(v));
  }
  auto total = delayed([](std::vector<std::size_t> const& all, std::vector<int> const& read_ones) {
    return all.size() + read_ones.size();
  })(sizes, sums);
  return total.compute({.scheduler = pool});
}

// A task holds the caller up in the midst of short ones: others go on with what it has run.
bool held_up(dally::threads const& pool) {
  auto next = delayed([](int x) { return x + 1; });
  std::vector<lazy<int>> first, second;
  for (int i = 0; i < 40; ++i) first.push_back(next(i));
  auto held = delayed([](int x) {
    std::this_thread::sleep_for(std::chrono::milliseconds{3});
    return x;
  })(0);
  for (lazy<int> const& x : first) second.push_back(next(x));
  second.push_back(held);
  auto sum = delayed([](std::vector<int> const& all) {
    int total = 0;
    for (int const x : all) total += x;
    return total;
  })(second);
  return sum.compute({.scheduler = pool}) == 860;
}

// Sees nothing: a run that is observed goes by steps at once.
struct nobody_looks : dally::observer {};

// Short runs one after the other: each goes by steps while pool threads of the one before still look around, or just
// when the thread that watches looks in.
bool in_quick_succession(dally::threads const& pool, int rounds) {
  nobody_looks eyes;
  bool right = true;
  for (int round = 0; round < rounds; ++round) {
    auto task = delayed([pauses = round % 2 * (300 + round)](int n) {
      spin(pauses);
      return n;
    });
    auto three =
        delayed([](int a, int b, int c) { return a + b + c; }, {.here = round % 3 == 0})(task(1), task(2), task(3));
    dally::compute_options options{.scheduler = pool};
    if (round % 2 == 0) options.observers = {&eyes};
    right = three.compute(options) == 6 && right;
  }
  return right;
}

// Tasks for the caller's thread, most of which others make ready while it is busy with one.
bool left_to_caller(dally::threads const& pool, int pauses) {
  nobody_looks eyes;
  auto anywhere = delayed([pauses](int n) {
    spin(pauses);
    return n;
  });
  auto here = delayed(
      [pauses](int n) {
        spin(pauses);
        return n + 1;
      },
      {.here = true});
  std::vector<lazy<int>> all;
  for (int i = 0; i < 40; ++i) all.push_back(here(anywhere(i)));
  auto const sum = delayed([](std::vector<int> const& of) {
    int total = 0;
    for (int const x : of) total += x;
    return total;
  })(all);
  return sum.compute({.scheduler = pool, .observers = {&eyes}}) == 820;
}

}  // namespace

int main() {
  dally::thread_pool pool{3};
  dally::threads const three{pool};
  bool right = true;
  dally::threads const alone{1};
  long const wanted = layers(alone, 0);
  for (int round = 0; round < 60; ++round) {
    right = layers(three, 400) == wanted && right;
    right = layers(three, 40 * round) == wanted && right;
    right = vectors(three, 400) == 8 && right;
  }
  for (int round = 0; round < 100; ++round) right = left_to_caller(three, 10 * round) && right;
  for (int round = 0; round < 50; ++round) {
    right = held_up(three) && right;
    right = takers(three, 100 + 10 * round) == 80 && right;
  }
  dally::threads const two{2};
  for (std::size_t const width : {2UL, 3UL, 16UL, 200UL}) {
    for (bool const slow : {false, true}) {
      int const rounds = static_cast<int>(8'000 / width);
      right = stencil(two, width, rounds, slow) == stencil(alone, width, rounds, false) && right;
    }
  }
  dally::thread_pool pair{2};
  std::uint64_t const untouched = stencil(alone, 16, 250, false);
  for (int round = 0; round < 400; ++round) {
    right = stencil(taken_over{pair, 1'000 + 150 * round}, 16, 250, false) == untouched && right;
  }
  return right && in_quick_succession(three, 3'000) ? 0 : 1;
}
