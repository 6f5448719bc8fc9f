// The same graphs by dally, by other libraries, and by hand-written limits: ns a node to record, plan, run, run again
// and destroy, interleaved, each in a fresh process.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "speed/peers.hpp"
#include "speed/shapes.hpp"
#include "support/in_child.hpp"
#include "support/machine.hpp"
#include "support/memory.hpp"
#include "support/options.hpp"
#include "support/table.hpp"

namespace {

using speed::phases;

struct peer {
  char const* name;
  phases (*run)(speed::shape const& s, unsigned threads);
  bool is_limit;
  bool one_thread_only;
};

peer const peers[] = {
    {"dally", speed::run_dally, false, false},
#if DALLY_BENCHMARK_TBB
    {"tbb-flow", speed::run_tbb, false, false},
#endif
#if DALLY_BENCHMARK_OPENMP
    {"openmp", speed::run_openmp, false, false},
#endif
    {"limit-arena", speed::run_arena, true, true}, {"limit-chunks", speed::run_chunks, true, false},
};

/// One process: its first graph, then the medians of the later ones; bytes a node at the first graph's peak.
struct sample {
  phases cold, warm;
  double peak_bytes = 0;
  bool right = true;
};

phases median_of(std::vector<phases> const& all) {
  phases median;
  for (double phases::* const phase :
       {&phases::record, &phases::plan, &phases::run, &phases::rerun, &phases::destroy}) {
    std::vector<double> values;
    for (phases const& p : all) values.push_back(p.*phase);
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    median.*phase = values[values.size() / 2];
  }
  return median;
}

sample measure(peer const& of, speed::shape const& s, unsigned threads, std::int64_t graphs) {
  speed::value const expected = s.expected();
  return support::in_child(fmt::format("{} on {} threads", of.name, threads), [&] {
    sample took;
    auto const before = support::rss_bytes();
    support::reset_peak_rss();
    took.cold = of.run(s, threads);
    took.peak_bytes = static_cast<double>(support::peak_rss_bytes()) - static_cast<double>(before);
    took.right = took.cold.result == expected;
    std::vector<phases> later;
    for (std::int64_t i = 1; i < graphs; ++i) {
      later.push_back(of.run(s, threads));
      took.right = took.right && later.back().result == expected;
    }
    took.warm = median_of(later);
    return took;
  });
}

double sum_of(phases const& p) { return p.record + p.plan + p.run; }

struct settings {
  std::vector<std::string> workloads{"W1", "W2", "W3", "W4", "W5", "W6"};
  std::vector<std::int64_t> threads{1, 2};
  std::vector<std::string> chosen;
  std::int64_t repeat = 7;
  std::int64_t graphs = 4;
  std::int64_t scale = 1;
  bool csv = false;
  bool json = false;
};

int benchmark(settings const& given) {
  support::table table{
      support::format_of(given.csv, given.json),
      {{"workload", "", 0, 8},
       {"threads"},
       {"peer", "", 0, 12},
       {"record", "ns", 1, 7},
       {"plan", "ns", 1, 6},
       {"run", "ns", 1, 7},
       {"sum", "ns", 1, 7},
       {"least", "ns", 1, 7},
       {"rerun", "ns", 1, 7},
       {"destroy", "ns", 1, 7},
       {"cold sum", "ns", 1, 8},
       {"peak", "B", 0, 6},
       {"sum/dally", "", 2}},
      {"speed: 64-bit sums over the same graphs; ns and bytes a node; medians over processes, each with a "
       "cold graph and warm ones",
       support::machine()}};
  bool right = true;
  for (auto const& workload : given.workloads) {
    auto const s = speed::shape_of(workload, static_cast<std::size_t>(given.scale));
    auto const per_node = 1e9 / static_cast<double>(s.size());
    for (auto const threads : given.threads) {
      std::map<std::string, std::vector<sample>> samples;
      for (std::int64_t round = 0; round < given.repeat; ++round) {
        for (peer const& p : peers) {
          bool const wanted = std::find(given.chosen.begin(), given.chosen.end(), p.name) != given.chosen.end();
          if (!wanted || (p.one_thread_only && threads != 1)) continue;
          samples[p.name].push_back(measure(p, s, static_cast<unsigned>(threads), given.graphs));
        }
      }
      double dally = 0;
      for (peer const& p : peers) {
        auto const& all = samples[p.name];
        if (all.empty()) continue;
        std::vector<phases> warm, cold;
        double peak = 0;
        double least = std::numeric_limits<double>::max();
        for (sample const& one : all) {
          warm.push_back(one.warm);
          cold.push_back(one.cold);
          peak = std::max(peak, one.peak_bytes);
          least = std::min(least, sum_of(one.warm));
          right = right && one.right;
        }
        phases const w = median_of(warm);
        if (std::string{p.name} == "dally") dally = sum_of(w);
        table.add({workload, threads, std::string{p.name}, w.record * per_node, w.plan * per_node, w.run * per_node,
                   sum_of(w) * per_node, least * per_node, w.rerun * per_node, w.destroy * per_node,
                   sum_of(median_of(cold)) * per_node, peak / static_cast<double>(s.size()),
                   dally == 0 ? support::cell{} : support::cell{sum_of(w) / dally}});
      }
    }
  }
  table.finish(
      {"peers that record and run at once have one figure, under run; openmp never runs again; limit-chunks is "
       "given the graph, so it records nothing.",
       "peak: resident memory above that before recording, at the first graph.",
       right ? "Every result is right." : "A RESULT IS WRONG."});
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  settings given;
  std::vector<std::string> names;
  for (peer const& p : peers) names.emplace_back(p.name);
  given.chosen = names;
  support::options options{"speed", "Runs the same graphs by dally, by other libraries and by hand-written limits."};
  options.words("workload", "graphs", {"W1", "W2", "W3", "W4", "W5", "W6"}, given.workloads)
      .numbers("threads", "threads, the caller among them", 1, 4096, given.threads)
      .words("peer", "who runs them", names, given.chosen)
      .number("repeat", "processes for a row", 1, 1000, given.repeat)
      .number("graphs", "graphs in a process, the first of them cold", 2, 1000, given.graphs)
      .number("scale", "divides the sizes of the graphs", 1, 1000, given.scale)
      .flag("csv", "rows as comma-separated values", given.csv)
      .flag("json", "rows, machine and notes as JSON", given.json);
  return support::run<dally::config_error>(options, argc, argv, [&] {
    try {
      return benchmark(given);
    } catch (support::measurement_failed const& failure) {
      fmt::print(stderr, "speed: {}\n", failure.what());
      return 1;
    }
  });
}
