// Short tasks: two workers share the plan's order, chunk by chunk. What they hand over is right, and nothing hangs.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "dally/schedulers/window.hpp"
#include "support/catch2.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::lazy;

namespace {

// Some 100 ns of work that the compiler cannot leave out.
std::uint64_t churn(std::uint64_t x) {
  for (int i = 0; i < 40; ++i) x = x * 6364136223846793005U + 1442695040888963407U;
  return x;
}
std::uint64_t start(std::uint64_t x) { return churn(x); }
std::uint64_t step(std::uint64_t left, std::uint64_t own, std::uint64_t right) {
  return churn(left ^ own * 3 ^ right * 5);
}
std::uint64_t last(std::vector<std::uint64_t> const& row) {
  std::uint64_t all = 0;
  for (std::uint64_t const x : row) all = all * 31 + x;
  return all;
}

// A stencil: each cell takes its neighbours of the row before. `plain` computes it without dally.
template <class Step>
lazy<std::uint64_t> stencil(std::size_t width, std::size_t rows, Step const& of) {
  std::vector<lazy<std::uint64_t>> row;
  for (std::size_t i = 0; i < width; ++i) row.push_back(delayed(start)(std::uint64_t{i}));
  for (std::size_t r = 1; r < rows; ++r) {
    std::vector<lazy<std::uint64_t>> next;
    for (std::size_t i = 0; i < width; ++i) {
      next.push_back(of(r * width + i, row[i == 0 ? 0 : i - 1], row[i], row[i + 1 == width ? i : i + 1]));
    }
    row = std::move(next);
  }
  return delayed(last)(row);
}
std::uint64_t plain(std::size_t width, std::size_t rows) {
  std::vector<std::uint64_t> row;
  for (std::size_t i = 0; i < width; ++i) row.push_back(start(i));
  for (std::size_t r = 1; r < rows; ++r) {
    std::vector<std::uint64_t> next;
    for (std::size_t i = 0; i < width; ++i) {
      next.push_back(step(row[i == 0 ? 0 : i - 1], row[i], row[i + 1 == width ? i : i + 1]));
    }
    row = std::move(next);
  }
  return last(row);
}
auto const stepping = [](std::size_t, auto const&... cells) { return delayed(step)(cells...); };

}  // namespace

TEST_CASE("short tasks are right whichever worker runs their inputs", "[schedulers][pairs]") {
  for (std::size_t const width : {2UL, 3UL, 4UL, 7UL, 32UL, 33UL, 200UL}) {
    CAPTURE(width);
    std::size_t const rows = 20'000 / width;
    auto const x = stencil(width, rows, stepping);
    std::uint64_t const expected = plain(width, rows);
    for (unsigned const workers : {2U, 3U}) {
      for (int run = 0; run < 5; ++run) CHECK(x.compute(dally::threads{workers}) == expected);
    }
  }
}

// Between short and long: pairs go on with them in a narrow graph until they prove unequal, deques take a wide one.
TEST_CASE("tasks of microseconds are right and run once, equal and unequal, in narrow graphs and wide",
          "[schedulers][pairs]") {
  for (std::size_t const width : {2UL, 4UL, 60UL}) {
    for (bool const equal : {true, false}) {
      CAPTURE(width, equal);
      std::size_t const rows = 3'000 / width;
      std::vector<std::atomic<int>> calls(width * rows);
      auto const x = stencil(width, rows, [&](std::size_t cell, auto const&... cells) {
        return delayed([&calls, cell, equal](std::uint64_t left, std::uint64_t own, std::uint64_t right) {
          ++calls[cell];
          std::size_t const times = equal ? 30 : cell % 23 == 0 ? 300 : cell % 7 * 8;
          std::uint64_t volatile sink = left;
          for (std::size_t i = 0; i < times; ++i) sink = churn(sink);
          return step(left, own, right);
        })(cells...);
      });
      std::uint64_t const expected = plain(width, rows);
      for (unsigned const workers : {2U, 3U}) {
        for (auto& count : calls) count = 0;
        CHECK(x.compute(dally::threads{workers}) == expected);
        CHECK(std::all_of(calls.begin() + static_cast<std::ptrdiff_t>(width), calls.end(),
                          [](std::atomic<int> const& times) { return times == 1; }));
      }
    }
  }
}

TEST_CASE("short tasks are right where a graph is narrow and wide by turns", "[schedulers][pairs]") {
  std::uint64_t expected = start(1);
  lazy<std::uint64_t> x = delayed(start)(std::uint64_t{1});
  for (int turn = 0; turn < 4; ++turn) {
    for (int i = 0; i < 5'000; ++i) {  // a chain
      x = delayed(churn)(x);
      expected = churn(expected);
    }
    std::vector<lazy<std::uint64_t>> row;
    std::vector<std::uint64_t> of_row;
    for (std::uint64_t i = 0; i < 5'000; ++i) {
      row.push_back(delayed(step)(x, i, x));
      of_row.push_back(step(expected, i, expected));
    }
    x = delayed(last)(row);
    expected = last(of_row);
  }
  for (unsigned const workers : {2U, 6U, 2U, 16U}) {
    for (int run = 0; run < 5; ++run) CHECK(x.compute(dally::threads{workers}) == expected);
  }
}

// In the middle a chain, with some tasks that take long: who has run the end of a chunk waits until the other has run
// the next one, whose first task takes what the former has run last. Then the run goes over to steps.
TEST_CASE("each task runs once when the run goes over in the middle of shares", "[schedulers][pairs]") {
  constexpr std::size_t size = 150'000;
  for (std::size_t const first : {75'000UL, 85'000UL, 95'000UL, 105'000UL, 115'000UL}) {  // a stretch may begin there
    CAPTURE(first);
    std::vector<std::atomic<int>> calls(size);
    std::vector<lazy<std::uint64_t>> all;
    for (std::size_t i = 0; i < size; ++i) {
      bool const in_chain = i > first && i < first + 260;
      bool const slow = i > first + 130 && i < first + 200;
      all.push_back(delayed([&calls, i, slow](std::uint64_t x) {
        ++calls[i];
        if (slow) std::this_thread::sleep_for(std::chrono::microseconds{1'500});
        return churn(churn(churn(x))) == 0 ? x : x + 1;
      })(in_chain ? all.back() : lazy{std::uint64_t{1}}));
    }
    auto const end = delayed([first](std::vector<std::uint64_t> const& of) { return of[first + 259]; })(all);
    CHECK(end.compute(dally::threads{2}) == 261);
    CHECK(std::all_of(calls.begin(), calls.end(), [](std::atomic<int> const& n) { return n == 1; }));
  }
}

TEST_CASE("a partner that ends its share while the run goes over is waited for", "[schedulers][pairs]") {
  auto const slow_start = [](std::uint64_t x) { return churn(churn(x)); };
  // The last task, the partner's as often as not, takes a few times as long as it takes to make the join counters.
  for (int run = 0; run < 30; ++run) {
    CAPTURE(run);
    std::vector<lazy<std::uint64_t>> cells;
    std::uint64_t expected = 0;
    std::size_t const size = 300'000 + static_cast<std::size_t>(run) * 7;
    for (std::size_t i = 0; i < size; ++i) {
      cells.push_back(delayed(slow_start)(std::uint64_t{i % 3}));
      expected += slow_start(i % 3);
    }
    auto const slow_sum = [run](std::vector<std::uint64_t> const& all) {
      std::uint64_t sum = 0;
      for (std::uint64_t const x : all) sum += x;
      auto const end = std::chrono::steady_clock::now() + std::chrono::microseconds{run % 10 * 500};
      while (std::chrono::steady_clock::now() < end) {
      }
      return sum;
    };
    CHECK(delayed(slow_sum)(cells).compute(dally::threads{2}) == expected);
  }
}

TEST_CASE("two workers share short tasks", "[schedulers][pairs]") {
  std::atomic<int> by_others{0};
  std::thread::id const caller = std::this_thread::get_id();
  auto const x = stencil(32, 2'000, [&](std::size_t, auto const&... cells) {
    return delayed([&](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
      if (std::this_thread::get_id() != caller) by_others.fetch_add(1, std::memory_order_relaxed);
      return step(a, b, c);
    })(cells...);
  });
  std::uint64_t const expected = plain(32, 2'000);
  // Beside other programs the two are seldom both there.
  for (int run = 0; run < 5'000 && by_others == 0; ++run) REQUIRE(x.compute(dally::threads{2}) == expected);
  CHECK(by_others > 0);
}

TEST_CASE("among short tasks, two that wait for each other finish", "[schedulers][pairs]") {
  for (auto const& [first, second] : {std::pair{6'000, 6'001}, {6'000, 6'031}, {6'005, 9'000}, {6'000, 6'002}}) {
    CAPTURE(first, second);
    for (int run = 0; run < 20; ++run) {
      std::latch both{2};
      std::vector<lazy<std::uint64_t>> all;
      for (int i = 0; i < 12'000; ++i) {
        all.push_back(i == first || i == second ? delayed([&both](std::uint64_t x) {
          both.arrive_and_wait();
          return x;
        })(std::uint64_t{1})
                                                : delayed(churn)(std::uint64_t{1}));
      }
      std::uint64_t const ran =
          delayed([](std::vector<std::uint64_t> const& of) { return of.size(); })(all).compute(dally::threads{2});
      CHECK(ran == 12'000);
    }
  }
}

TEST_CASE("a task that takes long among short ones is waited for", "[schedulers][pairs]") {
  for (std::size_t const slow : {1'000UL, 1'017UL, 10'000UL, 19'999UL}) {
    CAPTURE(slow);
    auto const x = stencil(4, 5'000, [&](std::size_t n, auto const&... cells) {
      if (n != slow) return delayed(step)(cells...);
      return delayed([](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
        return step(a, b, c);
      })(cells...);
    });
    CHECK(x.compute(dally::threads{2}) == plain(4, 5'000));
    CHECK(x.compute(dally::threads{4}) == plain(4, 5'000));
  }
}

// Tasks of some tenths of a millisecond now and then: who waits for one gives its share up, or takes the other's back,
// and the caller runs what is left of both.
TEST_CASE("each task runs once when shares are given up and taken back", "[schedulers][pairs]") {
  constexpr std::size_t width = 8, rows = 3'000;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::vector<std::atomic<int>> calls(width * rows);
    auto const x = stencil(width, rows, [&](std::size_t n, auto const&... cells) {
      bool const slow = n * 2654435761U % 4'001 < 2 * (seed % 4) + 1;
      bool const asleep = seed % 2 == 0;
      return delayed([&calls, n, slow, asleep](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
        calls[n].fetch_add(1, std::memory_order_relaxed);
        if (slow && asleep) std::this_thread::sleep_for(std::chrono::microseconds{100});
        for (auto const end = std::chrono::steady_clock::now() + std::chrono::microseconds{slow ? 200 : 0};
             slow && std::chrono::steady_clock::now() < end;) {
        }
        return step(a, b, c);
      })(cells...);
    });
    std::uint64_t const expected = plain(width, rows);
    for (unsigned const workers : {2U, 3U}) {
      for (auto& count : calls) count = 0;
      CHECK(x.compute(dally::threads{workers}) == expected);
      CHECK(std::all_of(calls.begin() + width, calls.end(), [](std::atomic<int> const& n) { return n == 1; }));
    }
  }
}

TEST_CASE("a task that throws among short ones ends the run with its exception", "[schedulers][pairs]") {
  for (std::size_t const bad : {500UL, 5'000UL, 5'001UL, 5'002UL, 5'003UL, 19'999UL}) {
    CAPTURE(bad);
    auto const x = stencil(4, 5'000, [&](std::size_t n, auto const&... cells) {
      if (n != bad) return delayed(step)(cells...);
      return delayed([](std::uint64_t, std::uint64_t, std::uint64_t) -> std::uint64_t {
        throw std::runtime_error{"of this task"};
      })(cells...);
    });
    for (int run = 0; run < 10; ++run) CHECK_THROWS_WITH(x.compute(dally::threads{2}), "of this task");
  }
}

TEST_CASE("short tasks are cancelled from another thread, or from one of them", "[schedulers][pairs]") {
  for (std::size_t const at : {100UL, 7'000UL, 15'001UL}) {
    CAPTURE(at);
    std::stop_source stop;
    auto const x = stencil(4, 5'000, [&](std::size_t n, auto const&... cells) {
      if (n != at) return delayed(step)(cells...);
      return delayed([&](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
        stop.request_stop();
        return step(a, b, c);
      })(cells...);
    });
    dally::compute_options options;
    options.scheduler = dally::threads{2};
    options.stop = stop.get_token();
    CHECK_THROWS_AS(x.compute(options), dally::cancelled);
  }
}

TEST_CASE("a run inside a short task is as right", "[schedulers][pairs]") {
  auto const x = stencil(4, 2'000, [&](std::size_t n, auto const&... cells) {
    if (n % 1'000 != 7) return delayed(step)(cells...);
    return delayed([](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
      return delayed(step)(a, b, c).compute(dally::threads{2});
    })(cells...);
  });
  for (int run = 0; run < 10; ++run) CHECK(x.compute(dally::threads{2}) == plain(4, 2'000));
}

TEST_CASE("a window tells how chunks of the order do", "[schedulers][pairs]") {
  auto const chunk_of = [](lazy<std::uint64_t> const& x, std::int64_t each) {
    dally::node const* const output = dally::detail::node_of(x);
    dally::plan const graph{&output, 1};
    return dally::window::of(graph, 8, each);
  };
  auto const narrow = chunk_of(stencil(4, 100, stepping), 200);
  CHECK(narrow.worthwhile());
  CHECK(narrow.chunk_log == 1);  // half of the width
  auto const wide = chunk_of(stencil(400, 4, stepping), 200);
  CHECK(wide.worthwhile());
  CHECK(wide.chunk_log == 6);
  CHECK_FALSE(chunk_of(stencil(1, 100, stepping), 200).worthwhile());
  CHECK_FALSE(chunk_of(stencil(4, 100, stepping), 5).worthwhile());
}
