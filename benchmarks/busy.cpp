// What more threads gain or cost where other programs compute: the graphs of speed, quiet and beside busy processes, on
// one thread and on more, by dally and by other libraries, interleaved, each in a fresh process.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "speed/peers.hpp"
#include "speed/phases.hpp"
#include "speed/settings.hpp"
#include "speed/shapes.hpp"
#include "support/busy_neighbours.hpp"
#include "support/in_child.hpp"
#include "support/machine.hpp"
#include "support/options.hpp"
#include "support/other_load.hpp"
#include "support/table.hpp"

namespace {

constexpr char const* purpose =
    "Runs the graphs of speed quiet and beside busy processes, on one thread and on more.\n\n"
    "W1 chain of 1,000,000; W2 100,000 into one sum; W3 left fold of 100,000; W4 binary reduction of 2^20;\n"
    "W5 wavefront 1024 x 1024; W6 1,000 layers of 1,000, 3 inputs each.\n"
    "run: of a prepared graph on warm memory; OpenMP's with recording, which it does not tell apart.\n"
    "The busy processes end with this one, and after ten minutes each.";

/// Of one process, seconds: all runs of its warm graphs.
struct run_sample {
  double run = 0;  ///< the median
  double others = 0;
  bool right = true;
};

run_sample measure(speed::peer const& of, unsigned threads, std::int64_t graphs, speed::value expected) {
  run_sample took;
  std::vector<double> runs;
  for (std::int64_t i = 0; i < graphs; ++i) {
    speed::phases const p = of.run(threads);
    took.right = took.right && p.result == expected;
    if (i == 0) continue;  // the cold one
    runs.push_back(p.run);
    if (p.rerun != 0) runs.push_back(p.rerun);
  }
  took.run = speed::median_of(runs);
  return took;
}

struct figures {
  double median = 0, least = 0, most = 0, others = 0;
};

figures figures_of(std::vector<run_sample> const& all) {
  auto const run = [](run_sample const& one) { return one.run; };
  return {speed::median_of(all, run), speed::least_of(all, run),
          -speed::least_of(all, [](auto const& x) { return -x.run; }),
          speed::median_of(all, [](run_sample const& one) { return one.others; })};
}

int benchmark(speed::settings const& given, std::vector<std::int64_t> const& neighbours) {
  support::table table{support::format_of(given.csv, given.json),
                       {{"workload", "", 0, 8},
                        {"busy", "processes"},
                        {"threads"},
                        {"peer", "", 0, 9},
                        {"run", "ns", 1, 8},
                        {"least", "ns", 1, 8},
                        {"most", "ns", 1, 8},
                        {"run/first", "", 2},
                        {"least/first", "", 2},
                        {"others", "cores", 1}},
                       {"busy: what a node takes to run beside so many busy processes; medians, least and most of "
                        "processes, each of which has run a cold graph and the median of warm ones",
                        support::machine()}};
  bool right = true;
  for (std::string const& workload : given.workloads) {
    speed::shape const s = speed::shape_of(workload, static_cast<std::size_t>(given.scale));
    speed::value const expected = s.expected();
    auto const ns = [&](double seconds) { return seconds * 1e9 / static_cast<double>(s.size()); };
    for (std::int64_t const count : neighbours) {
      std::map<std::pair<std::string, std::int64_t>, std::vector<run_sample>> samples;
      support::busy_neighbours const beside{static_cast<std::size_t>(count)};
      for (std::int64_t round = 0; round < given.repeat; ++round) {
        for (std::int64_t const threads : given.threads) {
          auto const on = static_cast<unsigned>(threads);
          for (speed::peer const& p : given.those(speed::graph_peers(s), on)) {
            support::other_load const load;
            run_sample one = support::in_child(fmt::format("{}: {} on {} threads", workload, p.name, threads),
                                               [&] { return measure(p, on, given.graphs, expected); });
            one.others = load.cores();
            right = right && one.right;
            samples[{p.name, threads}].push_back(one);
          }
        }
      }
      for (std::string const& name : given.chosen) {
        figures const first = figures_of(samples.at({name, given.threads.front()}));
        for (std::int64_t const threads : given.threads) {
          figures const f = figures_of(samples.at({name, threads}));
          table.add({workload, count, threads, name, ns(f.median), ns(f.least), ns(f.most), f.median / first.median,
                     f.least / first.least, f.others});
        }
      }
    }
  }
  table.finish({fmt::format("run/first, least/first: over the same peer's on {} thread{}.", given.threads.front(),
                            given.threads.front() == 1 ? "" : "s"),
                right ? "Every result is right." : "A RESULT IS WRONG."});
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  speed::settings given;
  given.workloads = {"W1", "W2", "W3", "W4", "W5", "W6"};
  given.threads = {1, 2};
  std::vector<std::int64_t> neighbours{0, 2, 4, 8};
  speed::shape const none;
  for (speed::peer const& p : speed::graph_peers(none)) {
    if (p.is != speed::peer::kind::limit) given.chosen.push_back(p.name);
  }
  support::options options{"busy", purpose};
  options.words("workload", "graphs", given.workloads, given.workloads)
      .numbers("busy", "busy processes beside", 0, 1000, neighbours)
      .numbers("threads", "threads, the caller among them; ratios are over the first", 1, 4096, given.threads)
      .words("peer", "who runs them", given.chosen, given.chosen)
      .number("repeat", "processes for a row", 1, 1000, given.repeat)
      .number("graphs", "graphs in a process, the first of them cold", 2, 1000, given.graphs)
      .number("scale", "divides the sizes of the graphs", 1, 1000, given.scale)
      .flag("csv", "rows as comma-separated values", given.csv)
      .flag("json", "rows, machine and notes as JSON", given.json);
  return support::run<dally::config_error>(options, argc, argv, [&] {
    try {
      return benchmark(given, neighbours);
    } catch (support::measurement_failed const& failure) {
      fmt::print(stderr, "busy: {}\n", failure.what());
      return 1;
    }
  });
}
