// The main job: n calls of increment, each sleeping, then their sum; recorded, planned and run, against a plain loop.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/machine.hpp"
#include "support/memory.hpp"
#include "support/options.hpp"
#include "support/table.hpp"

using std::chrono::duration;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

nanoseconds nap{0};  // how long an increment sleeps; set between runs only

std::int64_t increment(std::int64_t x) {
  if (nap.count() > 0) std::this_thread::sleep_for(nap);
  return x + 1;
}

std::int64_t sum(std::vector<std::int64_t> const& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

namespace {

using number = dally::lazy<std::int64_t>;

struct settings {
  std::vector<std::int64_t> n{100, 1000};
  std::vector<double> sleep_ms{10, 1, 0};
  std::int64_t workers = 4;
  std::vector<std::string> schedulers{"threads", "synchronous"};
  std::vector<std::string> answers{"1", "2", "serial"};
  std::int64_t repeat = 5;
  bool csv = false;
  bool json = false;
  std::string dot;
};

/// One row's question.
struct job {
  std::string answer, scheduler;
  std::int64_t n, workers;
  double sleep_ms;
};

struct timing {
  double record = 0, plan = 0, run = 0;
  double total() const { return record + plan + run; }
};

double seconds_since(steady_clock::time_point start) { return duration<double>(steady_clock::now() - start).count(); }

/// The lesson's two answers: a chain of n additions, and one sum of n results.
number record(std::string const& answer, std::int64_t n) {
  std::vector<number> output;
  output.reserve(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) output.push_back(dally::delayed(increment)(i));
  if (answer == "1") return std::accumulate(output.begin(), output.end(), number{0});
  return dally::delayed(sum)(output);
}

dally::any_scheduler scheduler_of(job const& asked) {
  if (asked.scheduler == "synchronous") return dally::synchronous{};
  if (asked.scheduler == "processes") return dally::processes{static_cast<unsigned>(asked.workers)};
  return dally::threads{static_cast<unsigned>(asked.workers)};
}

timing measure_serial(std::int64_t n, std::int64_t& result) {
  timing took;
  auto start = steady_clock::now();
  std::vector<std::int64_t> output;
  output.reserve(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) output.push_back(increment(i));
  result = sum(output);
  took.run = seconds_since(start);
  return took;
}

timing measure_graph(job const& asked, std::int64_t& result) {
  timing took;
  auto const scheduler = scheduler_of(asked);
  auto start = steady_clock::now();
  auto total = record(asked.answer, asked.n);
  took.record = seconds_since(start);
  start = steady_clock::now();
  auto prepared = dally::prepare(total);
  took.plan = seconds_since(start);
  start = steady_clock::now();
  result = prepared(scheduler);
  took.run = seconds_since(start);
  return took;
}

/// What one sleep of this length takes here: the median of some, in seconds.
double measured_sleep(double ms) {
  if (ms == 0) return 0;
  auto const length = duration<double, std::milli>(ms);
  auto const times = static_cast<std::size_t>(std::clamp(300 / ms, 3.0, 51.0));
  std::vector<double> took(times);
  for (auto& one : took) {
    auto start = steady_clock::now();
    std::this_thread::sleep_for(std::chrono::duration_cast<nanoseconds>(length));
    one = seconds_since(start);
  }
  std::nth_element(took.begin(), took.begin() + static_cast<std::ptrdiff_t>(times / 2), took.end());
  return took[times / 2];
}

/// Repeats one job up to `repeat` times, for about two seconds, and adds its row; false for a wrong result.
bool measure(job const& asked, std::int64_t repeat, double one_sleep, support::table& table) {
  support::reset_peak_rss();
  std::vector<timing> took;
  auto const start = steady_clock::now();
  do {
    std::int64_t result = 0;
    took.push_back(asked.answer == "serial" ? measure_serial(asked.n, result) : measure_graph(asked, result));
    auto const expected = asked.n * (asked.n + 1) / 2;
    if (result != expected) {
      fmt::print(stderr, "increment_sum: wrong result: answer {} on {}, n = {}: {}, not {}\n", asked.answer,
                 asked.scheduler, asked.n, result, expected);
      return false;
    }
  } while (static_cast<std::int64_t>(took.size()) < repeat && seconds_since(start) < 2);

  auto by_total = [](timing const& a, timing const& b) { return a.total() < b.total(); };
  std::sort(took.begin(), took.end(), by_total);
  auto const& median = took[took.size() / 2];
  auto const spread = (took.back().total() - took.front().total()) / median.total();
  auto const rounds = (asked.n + asked.workers - 1) / asked.workers;
  auto const ideal = static_cast<double>(rounds) * one_sleep;
  auto const overhead_us = (median.total() - ideal) / static_cast<double>(asked.n) * 1e6;
  support::cell ratio;  // empty where nothing sleeps
  if (ideal > 0) ratio = median.total() / ideal;
  table.add({asked.answer, asked.scheduler, asked.workers, asked.n, fmt::format("{}", asked.sleep_ms),
             median.record * 1e3, median.plan * 1e3, median.run * 1e3, ideal * 1e3, ratio, overhead_us, spread * 100,
             static_cast<std::int64_t>(took.size()), static_cast<double>(support::peak_rss_bytes()) / 1e6});
  return true;
}

/// FILE, with answer and n before its suffix where several of them are drawn.
std::string picture_name(settings const& given, std::string const& answer, std::int64_t n, std::size_t answers) {
  std::filesystem::path path{given.dot};
  auto stem = path.stem().string();
  if (answers > 1) stem += "." + answer;
  if (given.n.size() > 1) stem += fmt::format(".{}", n);
  return path.replace_filename(stem + path.extension().string()).string();
}

/// Draws before anything is measured, so that a path that cannot be written is known at once.
void draw(settings const& given) {
  auto drawn = given.answers;
  std::erase(drawn, "serial");
  if (drawn.empty()) throw support::usage_error{"--dot: the serial loop has no graph; allowed with --answer 1 or 2"};
  for (auto const& answer : drawn)
    for (auto n : given.n) record(answer, n).visualize(picture_name(given, answer, n, drawn.size()));
}

std::vector<job> jobs_of(settings const& given) {
  std::vector<job> jobs;
  for (auto n : given.n) {
    for (auto ms : given.sleep_ms) {
      for (auto const& answer : given.answers) {
        if (answer == "serial") {
          jobs.push_back({answer, "-", n, 1, ms});
          continue;
        }
        for (auto const& scheduler : given.schedulers)
          jobs.push_back({answer, scheduler, n, scheduler == "synchronous" ? 1 : given.workers, ms});
      }
    }
  }
  return jobs;
}

int benchmark(settings const& given) {
  auto const format = support::format_of(given.csv, given.json);
  if (!given.dot.empty()) draw(given);
  support::table table{format,
                       {{"answer"},
                        {"scheduler", "", 0, 11},
                        {"workers"},
                        {"n", "", 0, 7},
                        {"sleep", "ms"},
                        {"record", "ms", 3, 9},
                        {"plan", "ms", 3, 9},
                        {"run", "ms", 3, 12},
                        {"ideal", "ms", 3, 12},
                        {"ratio", "", 4, 7},
                        {"overhead", "us/task", 3, 9},
                        {"spread", "%", 1},
                        {"times"},
                        {"peak RSS", "MB", 1}},
                       {"increment_sum: n sleeping increments and their sum", support::machine()}};
  double asked_ms = -1, one_sleep = 0;
  for (auto const& job : jobs_of(given)) {
    if (job.sleep_ms != asked_ms) one_sleep = measured_sleep(asked_ms = job.sleep_ms);
    nap = std::chrono::duration_cast<nanoseconds>(duration<double, std::milli>(job.sleep_ms));
    if (!measure(job, given.repeat, one_sleep, table)) return 1;
  }
  table.finish({"answer 1: a chain of n additions; 2: one sum(vector) of n results; serial: a plain loop, then sum.",
                "ideal: ceil(n / workers) times the median length of one such sleep measured here.",
                "ratio: (record + plan + run) / ideal.  overhead: (record + plan + run - ideal) / n.",
                "record, plan, run: of the repetition with the median total.  spread: (most - least) / median of the "
                "totals."});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  settings given;
  support::options options{
      "increment_sum",
      "Records, plans and runs n calls of a sleeping increment and their sum, in every combination "
      "of the lists.\nEvery result is checked: exit code 1 if one is wrong, 2 for a bad option."};
  options.numbers("n", "increments", 1, 100'000'000, given.n)
      .numbers("sleep-ms", "milliseconds that an increment sleeps", 0, 60'000, given.sleep_ms)
      .number("workers", "workers of the schedulers threads and processes", 1, 4096, given.workers)
      .words("scheduler", "schedulers of answers 1 and 2", {"threads", "synchronous", "processes"}, given.schedulers)
      .words("answer", "chain of additions, one sum, plain loop", {"1", "2", "serial"}, given.answers)
      .number("repeat", "repetitions of a row, stopped after two seconds", 1, 1000, given.repeat)
      .flag("csv", "rows as comma-separated values", given.csv)
      .flag("json", "rows, machine and notes as JSON", given.json)
      .text("dot", "FILE",
            "writes the graph (.dot or .gv); with several answers or n: FILE with them before the suffix", given.dot);
  return support::run<dally::error>(options, argc, argv, [&] { return benchmark(given); });
}
