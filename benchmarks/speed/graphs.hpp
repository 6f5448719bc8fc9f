#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "speed/dynamic.hpp"
#include "speed/one_node.hpp"
#include "speed/peers.hpp"
#include "speed/phases.hpp"
#include "speed/settings.hpp"
#include "speed/shapes.hpp"
#include "support/machine.hpp"
#include "support/machine_costs.hpp"
#include "support/memory.hpp"
#include "support/table.hpp"

namespace speed {

/// One process: its first graph, then the medians of the later ones; the memory of the first graph at its peak.
struct graph_sample {
  phases cold, warm;
  double peak_bytes = 0;
  bool right = true;
  double others = 0;  ///< cores
};

inline graph_sample measure_graph(peer const& of, unsigned threads, std::int64_t graphs, value expected) {
  graph_sample took;
  auto const before = support::rss_bytes();
  support::reset_peak_rss();
  took.cold = of.run(threads);
  took.peak_bytes = static_cast<double>(support::peak_rss_bytes()) - static_cast<double>(before);
  took.right = took.cold.result == expected;
  std::vector<phases> later;
  for (std::int64_t i = 1; i < graphs; ++i) {
    later.push_back(of.run(threads));
    took.right = took.right && later.back().result == expected;
  }
  if (!later.empty()) took.warm = median_of(later);
  return took;
}

/// The table of W1 to W7 and of the graph of one node: ns and bytes a node.
class graphs_table {
 public:
  explicit graphs_table(settings const& given)
      : given_{given},
        table_{support::format_of(given.csv, given.json),
               {{"workload", "", 0, 8},
                {"threads"},
                {"peer", "", 0, 15},
                {"record", "ns", 1, 7},
                {"plan", "ns", 1, 6},
                {"run", "ns", 1, 7},
                {"destroy", "ns", 1, 7},
                {"to result", "ns", 1, 9},
                {"sum", "ns", 1, 7},
                {"least sum", "ns", 1, 9},
                {"rerun", "ns", 1, 7},
                {"least rerun", "ns", 1, 11},
                {"cold to result", "ns", 1, 14},
                {"cold sum", "ns", 1, 8},
                {"peak", "B", 0, 6},
                {"sum/best peer", "", 2},
                {"sum/best limit", "", 2},
                {"others", "cores", 1}},
               {"speed: 64-bit sums over the same graphs; ns and bytes a node (W7: a call; one: the graph); medians "
                "over processes, each with a cold graph and warm ones",
                support::machine(), support::machine_costs_text()}} {}

  /// Adds the rows of a workload of so many nodes.
  void add(std::string const& workload, std::vector<peer> const& all, double nodes, value expected) {
    for (auto const threads : given_.threads) add_rows(workload, all, nodes, expected, static_cast<unsigned>(threads));
  }

  /// Whether all results were right.
  bool finish() {
    table_.finish(
        {"to result: record, plan, run; sum: and destroy. What a peer does not tell apart is in the later figure; - is "
         "what it does "
         "not do.",
         "peak: resident memory above that before recording, at the first graph. Ratios: over the least median sum of "
         "the same workload and threads.",
         right_ ? "Every result is right." : "A RESULT IS WRONG."});
    return right_;
  }

 private:
  struct row {
    peer const* of;
    phases warm;
    double least_sum, least_rerun, cold_to_result, cold_sum, peak_bytes, others;
  };

  void add_rows(std::string const& workload, std::vector<peer> const& all, double nodes, value expected,
                unsigned threads) {
    auto const peers = given_.those(all, threads);
    auto const samples = interleaved<graph_sample>(given_, peers, workload, threads, [&](peer const& p) {
      return measure_graph(p, threads, given_.graphs, expected);
    });
    std::vector<row> rows;
    for (peer const& p : peers) rows.push_back(row_of(p, samples.at(p.name)));
    double const library = least_sum(rows, peer::kind::library), limit = least_sum(rows, peer::kind::limit);
    auto const ns = [&](double seconds) {
      return seconds == 0 ? support::cell{} : support::cell{seconds * 1e9 / nodes};
    };
    auto const ratio = [](double sum, double over) {
      return over == std::numeric_limits<double>::infinity() ? support::cell{} : support::cell{sum / over};
    };
    for (row const& r : rows) {
      double const sum = r.warm.sum();
      table_.add({workload, std::int64_t{threads}, r.of->name, ns(r.warm.record), ns(r.warm.plan), ns(r.warm.run),
                  ns(r.warm.destroy), ns(r.warm.to_result()), ns(sum), ns(r.least_sum), ns(r.warm.rerun),
                  ns(r.least_rerun), ns(r.cold_to_result), ns(r.cold_sum), r.peak_bytes / nodes, ratio(sum, library),
                  ratio(sum, limit), r.others});
    }
  }

  row row_of(peer const& p, std::vector<graph_sample> const& all) {
    std::vector<phases> warm;
    for (graph_sample const& one : all) {
      warm.push_back(one.warm);
      right_ = right_ && one.right;
    }
    return {&p,
            median_of(warm),
            least_of(warm, [](phases const& w) { return w.sum(); }),
            least_of(warm, [](phases const& w) { return w.rerun; }),
            median_of(all, [](graph_sample const& one) { return one.cold.to_result(); }),
            median_of(all, [](graph_sample const& one) { return one.cold.sum(); }),
            median_of(all, [](graph_sample const& one) { return one.peak_bytes; }),
            median_of(all, others_of<graph_sample>)};
  }

  static double least_sum(std::vector<row> const& rows, peer::kind of) {
    double least = std::numeric_limits<double>::infinity();
    for (row const& r : rows) {
      if (r.of->is == of) least = std::min(least, r.warm.sum());
    }
    return least;
  }

  settings const& given_;
  support::table table_;
  bool right_ = true;
};

inline std::vector<std::string> const graph_workloads{"W1", "W2", "W3", "W4", "W5", "W6", "W7", "one"};

/// Runs those workloads that are asked for; whether all results were right.
inline bool run_graphs(settings const& given) {
  graphs_table table{given};
  for (std::string const& workload : graph_workloads) {
    if (!given.wants(workload)) continue;
    if (workload == "W7") {
      auto const n = static_cast<unsigned>(given.fib);
      table.add(workload, fib_peers(n), static_cast<double>(fib_calls(n)), fib_recursion(n));
    } else if (workload == "one") {
      table.add(workload, one_node_peers(), 1, 0);
    } else {
      shape const s = shape_of(workload, static_cast<std::size_t>(given.scale));
      table.add(workload, graph_peers(s), static_cast<double>(s.size()), s.expected());
    }
  }
  return table.finish();
}

}  // namespace speed
