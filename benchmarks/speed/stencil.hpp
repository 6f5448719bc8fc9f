#pragma once

#include <dally/dally.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "speed/metg.hpp"
#include "speed/peers.hpp"
#include "speed/phases.hpp"
#include "speed/settings.hpp"
#include "speed/shapes.hpp"
#include "speed/work.hpp"
#include "support/machine.hpp"
#include "support/machine_costs.hpp"
#include "support/table.hpp"

namespace speed {

// W8: Task Bench's stencil of one dimension, its tasks busy for a grain: how small the grain may get.

inline constexpr double smallest_grain = 12.5e-9, largest_grain = 51.2e-6;

/// Seconds; NaN where a peer runs no graph again.
struct stencil_sample {
  double sum_50 = 0, sum_80 = 0, rerun_50 = 0, rerun_80 = 0;
  bool right = true;
  double others = 0;  ///< cores
};

/// One process: all grains, from the largest down to where less than half of the time is work.
inline stencil_sample measure_stencil(peer const& of, shape const& s, unsigned threads, std::int64_t graphs,
                                      value expected) {
  stencil_sample took;
  busy::iterations = 0;
  took.right = of.run(threads).result == expected;  // the cold one
  std::vector<efficiency> sum, rerun;
  bool again = true;
  for (double grain = largest_grain; grain > smallest_grain * 0.99; grain /= 2) {
    std::vector<double> of_sum, of_rerun;
    for (std::int64_t i = 1; i < graphs; ++i) {
      double const iteration = busy::seconds();
      busy::iterations = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(grain / iteration + 0.5));
      phases const p = of.run(threads);
      took.right = took.right && p.result == expected;
      double const work = static_cast<double>(s.size() * busy::iterations) * iteration / threads;
      of_sum.push_back(work / (p.record + p.plan + p.run));
      again = p.rerun != 0;
      of_rerun.push_back(again ? work / p.rerun : 0);
    }
    sum.push_back({grain, median_of(of_sum)});
    rerun.push_back({grain, median_of(of_rerun)});
    if (sum.back().reached < 0.5 && rerun.back().reached < 0.5) break;
  }
  took.sum_50 = metg(sum, 0.5);
  took.sum_80 = metg(sum, 0.8);
  took.rerun_50 = again ? metg(rerun, 0.5) : std::nan("");
  took.rerun_80 = again ? metg(rerun, 0.8) : std::nan("");
  return took;
}

/// Nanoseconds, or that it lies outside of what was tried.
inline support::cell grain_cell(double seconds) {
  if (std::isnan(seconds)) return {};
  if (std::isinf(seconds)) return fmt::format(">{:.0f}", largest_grain * 1e9);
  if (seconds == 0) return fmt::format("<{:.1f}", smallest_grain * 1e9);
  return seconds * 1e9;
}

/// Whether all results were right.
inline bool run_stencil(settings const& given) {
  auto const grain = [](char const* name) { return support::column{name, "ns", 0, 8}; };
  support::table table{support::format_of(given.csv, given.json),
                       {{"workload", "", 0, 8},
                        {"width"},
                        {"threads"},
                        {"peer", "", 0, 15},
                        grain("sum 50%"),
                        grain("least sum 50%"),
                        grain("sum 80%"),
                        grain("least sum 80%"),
                        grain("rerun 50%"),
                        grain("least rerun 50%"),
                        grain("rerun 80%"),
                        grain("least rerun 80%"),
                        {"others", "cores", 1}},
                       {"speed: the smallest grain of a stencil's tasks from which on so much of the threads' time is "
                        "work; medians over processes",
                        support::machine(), support::machine_costs_text()}};
  bool right = true;
  std::size_t const steps = given.scaled(1000, 5);
  for (std::size_t const width : {std::size_t{4}, std::size_t{32}}) {
    shape const s = stencil(width, steps);
    value const expected = s.expected();
    for (auto const wanted : given.threads) {
      auto const threads = static_cast<unsigned>(wanted);
      if (threads > dally::available_workers()) continue;
      auto const peers = given.those(graph_peers<busy>(s), threads);
      auto const samples = interleaved<stencil_sample>(given, peers, "W8", threads, [&](peer const& p) {
        return measure_stencil(p, s, threads, given.graphs, expected);
      });
      for (peer const& p : peers) {
        auto const& all = samples.at(p.name);
        std::vector<support::cell> row{std::string{"W8"}, static_cast<std::int64_t>(width), std::int64_t{threads},
                                       p.name};
        for (double stencil_sample::* const figure :
             {&stencil_sample::sum_50, &stencil_sample::sum_80, &stencil_sample::rerun_50, &stencil_sample::rerun_80}) {
          auto const of = [&](stencil_sample const& one) { return one.*figure; };
          row.push_back(grain_cell(median_of(all, of)));
          row.push_back(grain_cell(least_of(all, of)));
        }
        row.emplace_back(median_of(all, others_of<stencil_sample>));
        for (stencil_sample const& one : all) right = right && one.right;
        table.add(row);
      }
    }
  }
  table.finish(
      {fmt::format("{} steps; sum: record, plan and run; rerun: a prepared plan. Grains from {:.1f} to {:.0f} ns "
                   "were tried; no more threads than cores.",
                   steps, smallest_grain * 1e9, largest_grain * 1e9),
       right ? "Every result is right." : "A RESULT IS WRONG."});
  return right;
}

}  // namespace speed
