// A chain of n int(int) calls: time and memory a node to record it, to compute it and to destroy it.

#include <dally/dally.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/in_child.hpp"
#include "support/machine.hpp"
#include "support/memory.hpp"
#include "support/options.hpp"
#include "support/table.hpp"

int next(int x) { return x + 1; }

namespace {

constexpr rlim_t stack_bytes = rlim_t{8} << 20;
constexpr double bytes_target = 96;
constexpr double growth_target = 12;  // of a phase's time, for ten times the nodes

struct settings {
  std::vector<std::int64_t> n{1'000'000, 10'000'000};
  std::vector<std::string> schedulers{"threads", "synchronous"};
  std::int64_t workers = 4;
  std::int64_t repeat = 3;
  bool csv = false;
  bool json = false;
};

/// What a child sends back: seconds of each phase, bytes above the start at the peak, and whether the value was right.
struct sample {
  double record = 0, compute = 0, destroy = 0, peak_bytes = 0;
  bool right = false;
};

constexpr std::pair<char const*, double sample::*> phases[] = {
    {"record", &sample::record}, {"compute", &sample::compute}, {"destroy", &sample::destroy}};

dally::any_scheduler scheduler_of(std::string const& name, std::int64_t workers) {
  if (name == "synchronous") return dally::synchronous{};
  return dally::threads{static_cast<unsigned>(workers)};
}

template <typename Work>
double seconds(Work&& work) {
  auto const start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

sample measure_here(std::int64_t n, dally::any_scheduler const& scheduler) {
  sample took;
  auto const before = static_cast<double>(support::rss_bytes());
  support::reset_peak_rss();
  std::optional<dally::lazy<int>> last;
  took.record = seconds([&] {
    last.emplace(0);
    for (std::int64_t i = 0; i < n; ++i) last = dally::delayed(next)(*last);
  });
  int value = 0;
  took.compute = seconds([&] { value = last->compute(scheduler); });
  took.destroy = seconds([&] { last.reset(); });
  took.peak_bytes = static_cast<double>(support::peak_rss_bytes()) - before;
  took.right = value == n;
  return took;
}

/// Measures in a process of its own, on a stack of 8 MiB.
sample measure(std::int64_t n, std::string const& scheduler, std::int64_t workers) {
  auto const what = fmt::format("n = {} on {}", n, scheduler);
  auto const took = support::in_child(what, [&] {
    rlimit stack{};
    getrlimit(RLIMIT_STACK, &stack);
    stack.rlim_cur = std::min(stack.rlim_max, stack_bytes);
    setrlimit(RLIMIT_STACK, &stack);
    return measure_here(n, scheduler_of(scheduler, workers));
  });
  if (!took.right) throw support::measurement_failed{what + ": wrong result"};
  return took;
}

double total(sample const& took) { return took.record + took.compute + took.destroy; }

/// The row's sample with the median total; its peak is the most of all. `spread`: (most - least) / median of totals.
sample median_of(std::vector<sample> samples, double& spread) {
  std::sort(samples.begin(), samples.end(), [](auto const& a, auto const& b) { return total(a) < total(b); });
  auto median = samples[samples.size() / 2];
  spread = (total(samples.back()) - total(samples.front())) / total(median);
  for (auto const& s : samples) median.peak_bytes = std::max(median.peak_bytes, s.peak_bytes);
  return median;
}

/// How much slower the larger case is, a line a phase; the target grows with the sizes as 12 does with 10.
void compare(std::int64_t n, sample const& small, std::int64_t larger_n, sample const& large,
             std::string const& scheduler, std::vector<std::string>& notes) {
  auto const sizes = static_cast<double>(larger_n) / static_cast<double>(n);
  auto const target = sizes * growth_target / 10;
  for (auto [name, phase] : phases) {
    auto const growth = large.*phase / small.*phase;
    notes.push_back(fmt::format("{}: {} of {} takes {:.1f} times that of {} (target at most {:.1f}): {}", scheduler,
                                name, larger_n, growth, n, target, growth <= target ? "met" : "MISSED"));
  }
}

int benchmark(settings const& given) {
  support::table table{
      support::format_of(given.csv, given.json),
      {{"scheduler", "", 0, 11},
       {"workers"},
       {"n", "", 0, 10},
       {"record", "s", 3, 8},
       {"compute", "s", 3, 8},
       {"destroy", "s", 3, 8},
       {"record", "ns/node", 1},
       {"compute", "ns/node", 1},
       {"destroy", "ns/node", 1},
       {"peak", "B/node", 1},
       {"spread", "%", 1},
       {"times"}},
      {"chain: n calls of int(int), each taking the one before; each measurement in a process of its own, "
       "8 MiB of stack",
       support::machine()}};
  std::vector<std::string> notes;
  for (auto const& scheduler : given.schedulers) {
    std::optional<std::pair<std::int64_t, sample>> smallest;
    for (auto n : given.n) {
      std::vector<sample> samples;
      for (std::int64_t i = 0; i < given.repeat; ++i) samples.push_back(measure(n, scheduler, given.workers));
      double spread = 0;
      auto const took = median_of(std::move(samples), spread);
      auto const nodes = static_cast<double>(n);
      auto const bytes = took.peak_bytes / nodes;
      table.add({scheduler, scheduler == "synchronous" ? std::int64_t{1} : given.workers, n, took.record, took.compute,
                 took.destroy, took.record / nodes * 1e9, took.compute / nodes * 1e9, took.destroy / nodes * 1e9, bytes,
                 spread * 100, given.repeat});
      notes.push_back(fmt::format("{}: {:.1f} bytes a node at the peak of {} (target at most {}): {}", scheduler, bytes,
                                  n, bytes_target, bytes <= bytes_target ? "met" : "MISSED"));
      if (smallest) {
        compare(smallest->first, smallest->second, n, took, scheduler, notes);
      } else {
        smallest.emplace(n, took);
      }
    }
  }
  notes.insert(notes.begin(),
               "times: of the repetition with the median total; peak: resident memory above that before "
               "recording, the most of all repetitions.");
  table.finish(notes);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  settings given;
  support::options options{"chain",
                           "Records, computes and destroys a chain of n calls of int(int), on a stack of 8 MiB.\n"
                           "Every result is checked: exit code 1 if one is wrong, 2 for a bad option."};
  options.numbers("n", "nodes; later sizes are compared with the first", 1, 2'000'000'000, given.n)
      .words("scheduler", "schedulers", {"threads", "synchronous"}, given.schedulers)
      .number("workers", "workers of the threads scheduler", 1, 4096, given.workers)
      .number("repeat", "repetitions of a row", 1, 1000, given.repeat)
      .flag("csv", "rows as comma-separated values", given.csv)
      .flag("json", "rows, machine and notes as JSON", given.json);
  return support::run<dally::config_error>(options, argc, argv, [&] {
    try {
      return benchmark(given);
    } catch (support::measurement_failed const& failure) {
      fmt::print(stderr, "chain: {}\n", failure.what());
      return 1;
    }
  });
}
