// Replays recorded task graphs: tasks that spin or sleep as long as the recorded ones ran, scaled, and whose outputs
// are as large, scaled; against the lower bound on the time and against a plain loop.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/dag_file.hpp"
#include "support/machine.hpp"
#include "support/memory.hpp"
#include "support/options.hpp"
#include "support/table.hpp"

using std::chrono::duration;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

namespace {

struct settings {
  std::vector<std::string> files;
  std::vector<std::string> kinds{"spin"};
  double work_seconds = 1;
  double bytes_scale = 0.001;
  std::vector<std::string> schedulers{"serial", "synchronous", "threads"};
  std::vector<std::int64_t> workers{dally::available_workers()};
  std::int64_t repeat = 5;
  std::int64_t spoil = -1;
  std::string visualize;
  bool csv = false;
  bool json = false;
};

// ---- what passes between the tasks ----------------------------------------------------------------------------------

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  a = (a ^ std::rotl(b, 29)) * 0x9e3779b97f4a7c15U;
  return a ^ (a >> 32);
}

/// What a task hands on: its id, the checksum of its content, and the content. Counts the bytes that are live.
class block {
 public:
  /// Content of that many bytes which depends on `seed` and on nothing else.
  block(std::uint32_t task, std::uint64_t seed, std::uint64_t bytes)
      : task_{task}, seed_{seed}, bytes_{bytes}, words_{new std::uint64_t[(bytes + 7) / 8]} {
    for (std::uint64_t i = 0; i < words(); ++i) words_[i] = seed += 0x9e3779b97f4a7c15U;
    checksum_ = computed();
  }
  block(block const&) = delete;
  block& operator=(block const&) = delete;
  ~block() {
    if (published_) live_.fetch_sub(bytes_, std::memory_order_relaxed);
  }

  /// What another process has sent.
  explicit block(dally::archive_reader& in) : block{in.read<std::uint32_t>(), 0, in.read<std::uint64_t>()} {
    in(seed_, checksum_);
    in.read_bytes(words_.get(), words() * sizeof words_[0]);
  }
  void send(dally::archive_writer& out) const {
    out(task_, bytes_, seed_, checksum_);
    out.add_bytes(words_.get(), words() * sizeof words_[0]);
  }

  /// From here on it counts as live; to be called once, by the task that made it, when it ends.
  void publish() {
    // Relaxed: each counter is read when no task runs.
    auto const now = live_.fetch_add(bytes_, std::memory_order_relaxed) + bytes_;
    auto peak = peak_.load(std::memory_order_relaxed);
    while (peak < now && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
    published_ = true;
  }
  /// Makes it wrong, in its content if it has any.
  void spoil() { (bytes_ > 0 ? words_[words() / 2] : seed_) ^= 1U << 7; }

  [[nodiscard]] std::uint32_t task() const { return task_; }
  [[nodiscard]] std::uint64_t checksum() const { return checksum_; }
  [[nodiscard]] bool intact() const { return checksum_ == computed(); }

  static std::uint64_t live_bytes() { return live_.load(std::memory_order_relaxed); }
  static std::uint64_t peak_bytes() { return peak_.load(std::memory_order_relaxed); }
  /// Lets the peak start again; to be called when no task runs.
  static void reset_peak() { peak_.store(live_bytes(), std::memory_order_relaxed); }

 private:
  [[nodiscard]] std::uint64_t words() const { return (bytes_ + 7) / 8; }
  [[nodiscard]] std::uint64_t computed() const {
    // Four sums side by side, so that they need not wait for each other.
    auto const head = mixed(task_, seed_);
    std::array<std::uint64_t, 4> sums{head, head + 1, head + 2, head + 3};
    std::uint64_t i = 0;
    for (; i + 4 <= words(); i += 4)
      for (std::size_t k = 0; k < 4; ++k) sums[k] = mixed(sums[k], words_[i + k]);
    for (; i < words(); ++i) sums[0] = mixed(sums[0], words_[i]);
    return mixed(mixed(sums[0], sums[1]), mixed(sums[2], sums[3]));
  }

  static constinit inline std::atomic<std::uint64_t> live_{0}, peak_{0};

  std::uint32_t task_;
  std::uint64_t seed_, bytes_, checksum_ = 0;
  std::unique_ptr<std::uint64_t[]> words_;
  bool published_ = false;
};

/// Several consumers read one block; it ends with the last of them.
using output = std::shared_ptr<block const>;

}  // namespace

template <>
struct dally::codec<output> {
  static void encode(dally::archive_writer& out, output const& o) { o->send(out); }
  static output decode(dally::archive_reader& in) {
    auto received = std::make_shared<block>(in);
    received->publish();
    return received;
  }
};

namespace {

/// An output that is not what its task made.
class wrong_output : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// ---- the tasks ------------------------------------------------------------------------------------------------------

/// A graph, and how its tasks are to be imitated.
struct replayed {
  std::string name;
  support::dag graph;
  bool sleeps = false;
  double time_scale = 0;
  double bytes_scale = 0;
  std::int64_t spoiled = -1;  // the task whose output is made wrong
  std::vector<std::uint32_t> results;
};

void verify(replayed const& of, std::uint32_t id, output const& given, std::string const& whose) {
  if (given->task() == id && given->intact()) return;
  throw wrong_output{fmt::format("{}: {} is wrong: expected the output of task {} ({}), got one of task {}, {}",
                                 of.name, whose, id, of.graph.tasks[id].name, given->task(),
                                 given->intact() ? "intact" : "whose checksum does not match its content")};
}

/// Lasts as long as the recorded task, scaled, with all that is done here in it if that is shorter.
output perform(replayed const& of, std::uint32_t id, std::vector<output> const& inputs) {
  auto const& task = of.graph.tasks[id];
  auto const length = nanoseconds{std::llround(task.seconds * of.time_scale * 1e9)};
  auto const end = length.count() > 0 ? steady_clock::now() + length : steady_clock::time_point{};
  if (inputs.size() != task.deps.size())
    throw wrong_output{fmt::format("{}: task {} ({}) got {} inputs instead of {}", of.name, id, task.name,
                                   inputs.size(), task.deps.size())};
  std::uint64_t seed = id;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    verify(of, task.deps[i], inputs[i], fmt::format("input {} of task {} ({})", i, id, task.name));
    seed = mixed(seed, inputs[i]->checksum());
  }
  constexpr double most = 1e18;  // cannot be had, and fits
  auto const bytes = std::llround(std::min(static_cast<double>(task.bytes) * of.bytes_scale, most));
  auto made = std::make_shared<block>(id, seed, static_cast<std::uint64_t>(bytes));
  if (of.spoiled == id) made->spoil();
  if (length.count() > 0) {
    if (of.sleeps) {
      std::this_thread::sleep_until(end);
    } else {
      while (steady_clock::now() < end) {
      }
    }
  }
  made->publish();
  return made;
}

/// One number for all results, each verified.
std::uint64_t checksum_of(replayed const& of, std::vector<output> const& results) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < of.results.size(); ++i) {
    verify(of, of.results[i], results[i], fmt::format("result {}", i));
    sum = mixed(sum, results[i]->checksum());
  }
  return sum;
}

// ---- one replay -----------------------------------------------------------------------------------------------------

/// One row's question.
struct job {
  std::string scheduler;
  std::int64_t workers;
};

struct timing {
  double record = 0, plan = 0, run = 0;
  std::uint64_t peak_bytes = 0, checksum = 0;
};

double seconds_since(steady_clock::time_point start) { return duration<double>(steady_clock::now() - start).count(); }

/// The dull twin: the tasks one after the other as they stand in the file, outputs dropped after their last use.
timing replay_in_a_loop(replayed const& of) {
  timing took;
  auto left = of.graph.consumers();
  block::reset_peak();
  auto const start = steady_clock::now();
  std::vector<output> outputs(of.graph.tasks.size());
  for (std::uint32_t id = 0; id < outputs.size(); ++id) {
    std::vector<output> inputs;
    for (auto dep : of.graph.tasks[id].deps) inputs.push_back(outputs[dep]);
    outputs[id] = perform(of, id, inputs);
    for (auto dep : of.graph.tasks[id].deps)
      if (--left[dep] == 0) outputs[dep].reset();
  }
  took.run = seconds_since(start);
  took.peak_bytes = block::peak_bytes();
  std::vector<output> results;
  for (auto id : of.results) results.push_back(outputs[id]);
  took.checksum = checksum_of(of, results);
  return took;
}

/// With names, which cost time and memory, where it is to be drawn.
std::vector<dally::lazy<output>> record(replayed const& of, bool named = false) {
  std::vector<dally::lazy<output>> outputs;
  outputs.reserve(of.graph.tasks.size());
  for (std::uint32_t id = 0; id < of.graph.tasks.size(); ++id) {
    std::vector<dally::lazy<output>> inputs;
    inputs.reserve(of.graph.tasks[id].deps.size());
    for (auto dep : of.graph.tasks[id].deps) inputs.push_back(outputs[dep]);
    if (named) {
      outputs.push_back(
          dally::delayed(perform, {.name = of.graph.tasks[id].kind})(std::cref(of), id, std::move(inputs)));
    } else {
      outputs.push_back(dally::delayed(perform)(std::cref(of), id, std::move(inputs)));
    }
  }
  std::vector<dally::lazy<output>> results;
  for (auto id : of.results) results.push_back(outputs[id]);
  return results;
}

dally::any_scheduler scheduler_of(job const& asked) {
  if (asked.scheduler == "synchronous") return dally::synchronous{};
  if (asked.scheduler == "shuffled") return dally::shuffled{1};
  if (asked.scheduler == "processes") return dally::processes{static_cast<unsigned>(asked.workers)};
  return dally::threads{static_cast<unsigned>(asked.workers)};
}

timing replay_graph(replayed const& of, job const& asked) {
  timing took;
  auto const scheduler = scheduler_of(asked);
  auto start = steady_clock::now();
  auto const lazies = record(of);
  took.record = seconds_since(start);
  start = steady_clock::now();
  auto const prepared = dally::prepare(lazies);
  took.plan = seconds_since(start);
  block::reset_peak();
  start = steady_clock::now();
  auto const results = prepared(scheduler);
  took.run = seconds_since(start);
  took.peak_bytes = block::peak_bytes();
  took.checksum = checksum_of(of, results);
  return took;
}

// ---- the table ------------------------------------------------------------------------------------------------------

/// Repeats one replay up to `repeat` times, for about two seconds, and adds its row; false for a wrong result.
bool measure(replayed const& of, job const& asked, std::int64_t repeat, std::uint64_t expected, support::table& table) {
  support::reset_peak_rss();
  std::vector<timing> took;
  auto const start = steady_clock::now();
  do {
    took.push_back(asked.scheduler == "serial" ? replay_in_a_loop(of) : replay_graph(of, asked));
    if (took.back().checksum != expected || block::live_bytes() != 0) {
      fmt::print(stderr, "replay: {} on {}: the results' checksum is {:016x}, not {:016x}; {} bytes are left live\n",
                 of.name, asked.scheduler, took.back().checksum, expected, block::live_bytes());
      return false;
    }
  } while (static_cast<std::int64_t>(took.size()) < repeat && seconds_since(start) < 2);

  std::sort(took.begin(), took.end(), [](timing const& a, timing const& b) { return a.run < b.run; });
  auto const& median = took[took.size() / 2];
  auto const spread = (took.back().run - took.front().run) / median.run;
  std::uint64_t peak = 0;
  for (auto const& one : took) peak = std::max(peak, one.peak_bytes);

  auto const tasks = static_cast<std::int64_t>(of.graph.tasks.size());
  auto const bound =
      std::max(of.graph.critical_path_seconds(), of.graph.work_seconds() / static_cast<double>(asked.workers)) *
      of.time_scale;
  bool const graph = asked.scheduler != "serial";
  auto only = [](bool there, double value) { return there ? support::cell{value} : support::cell{}; };
  table.add({of.name, asked.scheduler, asked.workers, tasks, only(graph, median.record * 1e3),
             only(graph, median.plan * 1e3), median.run * 1e3, bound * 1e3, only(bound > 0, median.run / bound),
             static_cast<double>(tasks) / median.run, static_cast<double>(peak) / 1e6,
             only(of.bytes_scale > 0, static_cast<double>(peak) / of.bytes_scale / 1e6), spread * 100,
             static_cast<std::int64_t>(took.size()), static_cast<double>(support::peak_rss_bytes()) / 1e6,
             fmt::format("{:016x}", median.checksum)});
  return true;
}

std::vector<job> jobs_of(settings const& given) {
  std::vector<job> jobs;
  for (auto const& scheduler : given.schedulers) {
    if (scheduler != "threads" && scheduler != "processes") {
      jobs.push_back({scheduler, 1});
      continue;
    }
    for (auto workers : given.workers) jobs.push_back({scheduler, workers});
  }
  return jobs;
}

/// Reads all files before anything is measured, so that a bad one is known at once.
std::vector<replayed> read(settings const& given) {
  std::vector<replayed> all;
  for (auto const& file : given.files) {
    auto& one = all.emplace_back();
    one.name = std::filesystem::path{file}.stem().string();
    try {
      one.graph = support::read_dag(file);
    } catch (support::dag_error const& mistake) {
      throw support::usage_error{mistake.what()};
    }
    if (given.spoil >= static_cast<std::int64_t>(one.graph.tasks.size()))
      throw support::usage_error{fmt::format("--spoil: {} is not a task of {}, which has 0 to {}", given.spoil,
                                             one.name, one.graph.tasks.size() - 1)};
    auto const work = one.graph.work_seconds();
    one.sleeps = given.kinds.front() == "sleep";
    one.time_scale = work > 0 ? given.work_seconds / work : 0;
    one.bytes_scale = given.bytes_scale;
    auto const consumers = one.graph.consumers();
    for (std::uint32_t id = 0; id < consumers.size(); ++id)
      if (consumers[id] == 0) one.results.push_back(id);
  }
  return all;
}

/// Into FILE, or FILE with the graph's name before its suffix where there are several graphs.
void draw(settings const& given, std::vector<replayed> const& graphs) {
  for (auto const& graph : graphs) {
    std::filesystem::path path{given.visualize};
    if (graphs.size() > 1) path.replace_filename(path.stem().string() + "." + graph.name + path.extension().string());
    dally::visualize(path.string(), {.color = dally::coloring::kind}, record(graph, true));
  }
}

int benchmark(settings const& given) {
  auto const format = support::format_of(given.csv, given.json);
  if (given.kinds.size() != 1) throw support::usage_error{"--kind: one word is allowed, spin or sleep"};
  auto const graphs = read(given);
  if (!given.visualize.empty()) draw(given, graphs);
  support::table table{
      format,
      {{"graph", "", 0, 20},
       {"scheduler", "", 0, 11},
       {"workers"},
       {"tasks"},
       {"record", "ms", 3, 8},
       {"plan", "ms", 3, 8},
       {"makespan", "ms", 3, 9},
       {"bound", "ms", 3, 9},
       {"ratio", "", 4},
       {"tasks/s", "", 0, 8},
       {"peak live", "MB", 3},
       {"unscaled", "MB", 1},
       {"spread", "%", 1},
       {"times"},
       {"peak RSS", "MB", 1},
       {"checksum", "", 0, 16}},
      {fmt::format("replay: recorded graphs with {}ing tasks, {} s of work each, outputs scaled by {}",
                   given.kinds.front() == "spin" ? "spinn" : "sleep", given.work_seconds, given.bytes_scale),
       support::machine()}};
  try {
    for (auto graph : graphs) {
      auto const time_scale = std::exchange(graph.time_scale, 0);
      auto const expected = replay_in_a_loop(graph).checksum;
      graph.time_scale = time_scale;
      graph.spoiled = given.spoil;
      for (auto const& job : jobs_of(given))
        if (!measure(graph, job, given.repeat, expected, table)) return 1;
    }
  } catch (wrong_output const& wrong) {
    fmt::print(stderr, "replay: {}\n", wrong.what());
    return 1;
  } catch (std::bad_alloc const&) {
    fmt::print(stderr, "replay: not enough memory for the outputs: give a --bytes-scale below {}\n", given.bytes_scale);
    return 1;
  }
  table.finish({"serial: a plain loop over the tasks as they stand in the file; it drops an output after its last use.",
                "bound: the larger of critical path and work / workers, scaled.  ratio: makespan / bound.",
                "peak live: most bytes of outputs at once, each from the end of its task to the end of its last "
                "consumer,",
                "results to the end; unscaled: divided by --bytes-scale.  spread: (most - least) / median of the "
                "makespans.",
                "Every input and result was verified, and checksum, of all results, is that of a plain loop."});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  settings given;
  support::options options{
      "replay",
      "Replays recorded task graphs on every scheduler of the list. Every task verifies its inputs by their checksums:"
      "\nexit code 1 if one is wrong, 2 for a bad option or file."};
  options.operands("FILE.dag", "graphs in the format dag 1, such as benchmarks/data/estee-gridcat.dag", given.files)
      .words("kind", "how a task passes its time", {"spin", "sleep"}, given.kinds)
      .number("work-seconds", "all run times of a graph together are scaled to this; 0: tasks take no time", 0, 100'000,
              given.work_seconds)
      .number("bytes-scale", "the outputs' sizes are scaled by this", 0, 1000, given.bytes_scale)
      .words("scheduler", "what runs the graph", {"serial", "synchronous", "threads", "shuffled", "processes"},
             given.schedulers)
      .numbers("workers", "workers of the schedulers threads and processes", 1, 4096, given.workers)
      .number("repeat", "repetitions of a row, stopped after two seconds", 1, 1000, given.repeat)
      .number("spoil", "makes the output of this task wrong, to see that it is noticed; -1: of none", -1, 0xffff'ffff,
              given.spoil)
      .text("visualize", "FILE",
            "draws the graph (.dot, .gv; with Graphviz .svg, .png, .pdf); of several, FILE with their names before the "
            "suffix",
            given.visualize)
      .flag("csv", "rows as comma-separated values", given.csv)
      .flag("json", "rows, machine and notes as JSON", given.json);
  return support::run<dally::error>(options, argc, argv, [&] { return benchmark(given); });
}
