// The floors of the process scheduler: what a task, a run, a death and 100 MB cost, each beside the floor it must
// reach. With Python at hand the same of its executors, for comparison.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/machine.hpp"
#include "support/options.hpp"
#include "support/table.hpp"

using dally::delayed;
using dally::lazy;
using dally::processes;
using std::chrono::duration;
using std::chrono::steady_clock;

namespace {

struct settings {
  std::int64_t tasks = 200'000;
  std::int64_t kills = 400;
  std::int64_t megabytes = 100;
  std::int64_t ballast = 1024;
  std::int64_t runs = 20;
  bool python = false;
  bool csv = false;
  bool json = false;
};

double now() { return duration<double>(steady_clock::now().time_since_epoch()).count(); }

/// The median of what `measure()` gives, `runs` times.
template <typename Measure>
double median(std::int64_t runs, Measure const& measure) {
  std::vector<double> all;
  for (std::int64_t i = 0; i < runs; ++i) all.push_back(measure());
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

int same(int x) { return x; }
int add(int x, int y) { return x + y; }
double last(std::vector<double> const& all) { return *std::max_element(all.begin(), all.end()); }

/// Tasks a second of a random graph of empty tasks.
double throughput(std::int64_t tasks, dally::any_scheduler const& workers) {
  std::mt19937 random{1};
  std::vector<lazy<int>> nodes{delayed(same)(1)};
  for (std::int64_t i = 1; i < tasks; ++i)
    nodes.push_back(delayed(add)(nodes[random() % nodes.size()], nodes[random() % nodes.size()]));
  auto const all = dally::collect(nodes);
  auto const start = now();
  static_cast<void>(all.compute(workers));
  return static_cast<double>(tasks) / (now() - start);
}

/// Seconds from one task to the next that takes its result, the start of the run taken off.
double round_trip(std::int64_t links) {
  auto chain = [](std::int64_t length) {
    auto x = delayed(same)(0);
    for (std::int64_t i = 1; i < length; ++i) x = delayed(same)(x);
    auto const start = now();
    static_cast<void>(x.compute(processes{1}));
    return now() - start;
  };
  // Of a chain there is one task to send at a time.
  return (chain(links) - chain(1)) / static_cast<double>(links - 1);
}

/// Seconds of a compute of one task.
double one_node(dally::any_scheduler const& workers) {
  auto const start = now();
  static_cast<void>(delayed(same)(1).compute(workers));
  return now() - start;
}

/// Seconds from a task's death to the begin of its second attempt.
double death() {
  dally::shared_mapping const page{sizeof(double), PROT_READ | PROT_WRITE};
  auto task = delayed([died = reinterpret_cast<double*>(page.data())](int) {
    if (*died != 0) return now() - *died;
    *died = now();
    raise(SIGKILL);
    return 0.0;
  });
  return task(0).compute(processes{1});
}

/// Seconds of a graph of 20,000 tasks on 4 workers, some of which kill their worker the first time; negative if wrong.
double killing_run(std::int64_t kills, std::int64_t tasks, unsigned seed) {
  std::mt19937 random{seed};
  auto const count = static_cast<std::size_t>(tasks);
  // Memory of all processes together, so that each dies once.
  dally::shared_mapping const flags{count, PROT_READ | PROT_WRITE};
  for (std::int64_t chosen = 0; chosen < std::min(kills, tasks);) {
    std::byte& f = flags.data()[random() % count];
    if (f == std::byte{0}) ++chosen;
    f = std::byte{1};
  }
  auto task = delayed([left = flags.data()](std::size_t id, std::int64_t a, std::int64_t b) {
    if (left[id] != std::byte{0}) {
      left[id] = std::byte{0};
      raise(SIGKILL);
    }
    return static_cast<std::int64_t>(id) + (a + b) % 1'000'003;
  });
  std::vector<lazy<std::int64_t>> nodes;
  std::vector<std::int64_t> expected;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t const a = i == 0 ? 0 : random() % i, b = i == 0 ? 0 : random() % i;
    nodes.push_back(i == 0 ? task(i, 1, 1) : task(i, nodes[a], nodes[b]));
    expected.push_back(static_cast<std::int64_t>(i) + (i == 0 ? 2 : (expected[a] + expected[b]) % 1'000'003));
  }
  auto const start = now();
  bool const right = dally::compute(processes{4}, nodes) == expected;
  return right ? now() - start : -1;
}

/// Seconds to hand a vector<double> from task to task, memory warm: the mean of all hops but the first few.
double handing_on(std::int64_t megabytes) {
  using numbers = std::vector<double>;
  constexpr int hops = 12;
  auto make =
      delayed([](std::int64_t bytes) { return numbers(static_cast<std::size_t>(bytes) / sizeof(double), 1.5); });
  auto pass = delayed([](numbers v) { return v; });
  auto when = delayed([](numbers const& v) { return v.empty() ? 0 : now(); });
  auto v = make(megabytes * 1'000'000);
  std::vector<lazy<double>> times;
  for (int i = 0; i < hops; ++i) {
    v = pass(v);
    if (i == 3 || i == hops - 1) times.push_back(when(v));
  }
  auto const at = dally::compute(processes{1}, times);
  return (at[1] - at[0]) / (hops - 4);
}

/// Seconds from the end of a task that makes a vector<double> to the beginning of one that reads it as a Reader in the
/// other of two workers, memory warm.
template <class Reader>
double handing_over(std::int64_t megabytes) {
  using numbers = std::vector<double>;
  constexpr std::size_t rounds = 7;
  dally::shared_mapping const page{rounds * sizeof(std::atomic<int>), PROT_READ | PROT_WRITE};
  auto* const there = reinterpret_cast<std::atomic<int>*>(page.data());
  for (std::size_t i = 0; i < rounds; ++i) new (there + i) std::atomic<int>{0};
  auto make = delayed([bytes = static_cast<std::size_t>(megabytes) * 1'000'000](double, double) {
    numbers v(bytes / sizeof(double), 1.5);
    v[1] = getpid();
    v[0] = now();
    return v;
  });
  // Neither reader ends before the other has begun: in two workers.
  auto read = delayed([there](Reader v, std::size_t round, int) {
    double const took = now() - v[0];
    ++there[round];
    while (there[round] != 2) std::this_thread::yield();
    return static_cast<int>(v[1]) == getpid() ? 0.0 : took;
  });
  std::vector<lazy<double>> times;
  lazy<double> a{0.0}, b{0.0};
  for (std::size_t i = 0; i < rounds; ++i) {
    auto const v = make(a, b);
    a = read(v, i, 0);
    b = read(v, i, 1);
    times.push_back(a + b);
  }
  auto took = dally::compute(processes{2}, times);
  std::nth_element(took.begin() + 2, took.begin() + 2 + (rounds - 2) / 2, took.end());  // the first warm the memory
  return took[2 + (rounds - 2) / 2];
}

/// Seconds from task to task that read one shared_array where it lies.
double reading(std::int64_t megabytes) {
  using numbers = dally::shared_array<double>;
  auto make = delayed([](std::int64_t bytes) {
    return numbers::make(static_cast<std::size_t>(bytes) / sizeof(double),
                         [](std::span<double> to) { std::fill(to.begin(), to.end(), 1.5); });
  });
  auto when = delayed([](std::span<double const> all, double before) { return all.empty() ? before : now(); });
  auto const all = make(megabytes * 1'000'000);
  constexpr int readers = 20;
  std::vector<lazy<double>> times{when(all, 0.0)};
  for (int i = 1; i < readers; ++i) times.push_back(when(all, times.back()));
  auto const at = dally::compute(processes{2}, times);
  return (at.back() - at.front()) / (readers - 1);
}

/// Seconds from compute until 2 workers have begun, and those of two bare forks with their exit.
std::pair<double, double> start_beside_ballast(std::int64_t megabytes) {
  std::vector<char> ballast(static_cast<std::size_t>(megabytes) << 20, 'b');
  auto const forks = [] {
    auto const start = now();
    pid_t children[2];
    for (pid_t& child : children) {
      child = fork();
      if (child == 0) _exit(0);
    }
    auto const forked = now() - start;
    for (pid_t const child : children) waitpid(child, nullptr, 0);
    return forked;
  };
  dally::shared_mapping const page{sizeof(std::atomic<int>), PROT_READ | PROT_WRITE};
  auto& there = *new (page.data()) std::atomic<int>{0};
  auto const run = [&there] {
    there = 0;
    // Neither ends before the other has begun: in two workers.
    auto begin = delayed([&there](int) {
      double const at = now();
      ++there;
      while (there != 2) std::this_thread::yield();
      return at;
    });
    std::vector<lazy<double>> both{begin(1), begin(2)};
    auto const start = now();
    return delayed(last)(both).compute(processes{2}) - start;
  };
  static_cast<void>(forks());
  static_cast<void>(run());
  return {median(5, run), median(5, forks)};
}

/// Seconds of one task of 1 s followed by 31 of 10 ms on 2 workers: 1 s, if nobody waits behind the long one.
double one_long_task() {
  auto nap = delayed([](int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds{ms});
    return ms;
  });
  std::vector<lazy<int>> all{nap(1000)};
  for (int i = 0; i < 31; ++i) all.push_back(nap(10));
  auto const start = now();
  static_cast<void>(dally::compute(processes{2}, all));
  return now() - start;
}

/// The number that a Python program prints; none where there is no Python, or what it imports is missing.
support::cell python(bool wanted, char const* program) {
  if (!wanted) return {};
  std::string const command = fmt::format("python3 -c '{}' 2>/dev/null", program);
  std::FILE* const out = popen(command.c_str(), "r");
  if (out == nullptr) return {};
  double value = 0;
  bool const there = std::fscanf(out, "%lf", &value) == 1;
  pclose(out);
  return there ? support::cell{value} : support::cell{};
}

constexpr char const* executor = "import time\nfrom concurrent.futures import ProcessPoolExecutor as P\n";
constexpr char const* dask = "import time, dask\nfrom operator import add\n";

int benchmark(settings const& given) {
  support::table table{support::format_of(given.csv, given.json),
                       {{"what", "", 0, 44},
                        {"measured", "", 2, 11},
                        {"floor", "", 2, 9},
                        {"unit"},
                        {"reached"},
                        {"executor", "Python", 2, 10},
                        {"dask", "processes", 2, 10}},
                       {"processes: what the scheduler costs", support::machine()}};
  auto const row = [&](std::string what, double measured, double floor, std::string unit, bool at_least,
                       support::cell const& of_executor = {}, support::cell const& of_dask = {}) {
    bool const reached = at_least ? measured >= floor : measured <= floor;
    table.add(
        {std::move(what), measured, floor, std::move(unit), std::string{reached ? "yes" : "NO"}, of_executor, of_dask});
  };
  dally::process_pool const pool{2};
  // First what is measured in a small program: a graph leaves memory that a fork would have to copy.
  row("round trip of one task", median(3, [] { return round_trip(5000); }) * 1e6, 100, "us", false);
  row("compute of one task on a process_pool", median(21, [&] { return one_node(pool); }) * 1e3, 2, "ms", false);
  row("compute of one task", median(21, [] { return one_node(processes{2}); }) * 1e3, 2, "ms", false,
      python(given.python, fmt::format("{}s=time.time()\nwith P(2) as p:\n p.submit(abs, 1).result()\n "
                                       "print((time.time()-s)*1e3)",
                                       executor)
                               .c_str()),
      python(given.python, fmt::format("{}f=dask.delayed(add)\ns=time.time()\nf(1,2).compute(scheduler=\"processes\","
                                       "num_workers=2)\nprint((time.time()-s)*1e3)",
                                       dask)
                               .c_str()));
  row("from a death to the next attempt", median(21, death) * 1e3, 5, "ms", false);
  row(fmt::format("empty tasks, random graph of {}, 2 workers", given.tasks),
      median(3, [&] { return throughput(given.tasks, processes{2}); }), 50'000, "1/s", true,
      python(given.python,
             fmt::format("{}with P(2) as p:\n s=time.time()\n f=[p.submit(abs, i) for i in range(10000)]\n [x.result() "
                         "for x in f]\n print(10000/(time.time()-s))",
                         executor)
                 .c_str()),
      python(given.python,
             fmt::format("{}f=dask.delayed(add)\ns=time.time()\ndask.compute([f(i,1) for i in "
                         "range(5000)],scheduler=\"processes\",num_workers=2)\nprint(5000/(time.time()-s))",
                         dask)
                 .c_str()));
  row("the same on a process_pool", median(3, [&] { return throughput(given.tasks, pool); }), 50'000, "1/s", true);
  double slowest = 0;
  for (unsigned seed = 1; seed <= static_cast<unsigned>(given.runs); ++seed) {
    double const took = killing_run(given.kills, std::min<std::int64_t>(given.tasks, 20'000), seed);
    if (took < 0) {
      fmt::print(stderr, "processes: wrong values after kills, seed {}\n", seed);
      return 1;
    }
    slowest = std::max(slowest, took);
  }
  row(fmt::format("{} kills in 20,000 tasks, slowest of {}", given.kills, given.runs), slowest, 2, "s", false);
  row(fmt::format("{} MB from task to task, warm", given.megabytes), handing_on(given.megabytes) * 1e3, 40, "ms",
      false);
  row(fmt::format("{} MB to another worker, as vector const&", given.megabytes),
      handing_over<std::vector<double> const&>(given.megabytes) * 1e3, 40, "ms", false);
  row(fmt::format("{} MB to another worker, as span", given.megabytes),
      handing_over<std::span<double const>>(given.megabytes) * 1e3, 40, "ms", false);
  row(fmt::format("{} MB read by another task, shared_array", given.megabytes), reading(given.megabytes) * 1e3, 40,
      "ms", false);
  auto const [run, forks] = start_beside_ballast(given.ballast);
  row(fmt::format("start of 2 workers at {} MiB, of bare forks", given.ballast), run / forks, 1.3, "", false);
  row("1 task of 1 s, 31 of 10 ms, 2 workers", one_long_task(), 1.1, "s", false);
  table.finish(
      {"reached: whether the measured value is on the right side of the floor; on a busy machine it may not be.",
       "--python: the same of concurrent.futures and of dask, where they are installed."});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  settings given;
  support::options options{"processes",
                           "Measures the scheduler processes beside the floors that it must reach.\n"
                           "Exit code 1 if a value is wrong, 2 for a bad option."};
  options.number("tasks", "tasks of the random graph", 2, 10'000'000, given.tasks)
      .number("kills", "tasks that kill their worker", 0, 10'000, given.kills)
      .number("megabytes", "size of what is handed on", 1, 10'000, given.megabytes)
      .number("ballast", "MiB of memory beside which workers start", 1, 100'000, given.ballast)
      .number("runs", "runs with kills", 1, 1000, given.runs)
      .flag("python", "compares with Python's executor and Dask", given.python)
      .flag("csv", "rows as comma-separated values", given.csv)
      .flag("json", "rows, machine and notes as JSON", given.json);
  return support::run<dally::error>(options, argc, argv, [&] { return benchmark(given); });
}
