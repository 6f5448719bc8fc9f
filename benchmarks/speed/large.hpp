#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "speed/graphs.hpp"
#include "speed/peers.hpp"
#include "speed/phases.hpp"
#include "speed/settings.hpp"
#include "speed/shapes.hpp"
#include "support/machine.hpp"
#include "support/machine_costs.hpp"
#include "support/table.hpp"

namespace speed {

/// One graph of 10,000,000 tasks in each process, on two threads; whether all results were right.
inline bool run_large(settings const& given) {
  constexpr unsigned threads = 2;
  std::size_t const tasks = given.scaled(10'000'000, 1000);
  std::size_t const window = tasks / 100;
  shape const s = window_graph(tasks, window);
  value const expected = s.expected();
  support::table table{
      support::format_of(given.csv, given.json),
      {{"workload", "", 0, 8},
       {"threads"},
       {"peer", "", 0, 15},
       {"record", "s", 3, 7},
       {"plan", "s", 3, 7},
       {"run", "s", 3, 7},
       {"destroy", "s", 3, 7},
       {"sum", "s", 3, 7},
       {"least sum", "s", 3, 9},
       {"peak", "GB", 3, 7},
       {"least peak", "GB", 3},
       {"others", "cores", 1}},
      {fmt::format("speed: {} tasks with 3 inputs each among the last {}, once in a process; medians over processes",
                   tasks, window),
       support::machine(), support::machine_costs_text()}};
  bool right = true;
  auto const peers = given.those(graph_peers(s), threads);
  auto const samples = interleaved<graph_sample>(given, peers, "large", threads,
                                                 [&](peer const& p) { return measure_graph(p, threads, 1, expected); });
  for (peer const& p : peers) {
    auto const& all = samples.at(p.name);
    auto const of = [&](auto const& figure) {
      return median_of(all, [&](graph_sample const& one) { return figure(one.cold); });
    };
    auto const peak = [](graph_sample const& one) { return one.peak_bytes / 1e9; };
    table.add({std::string{"large"}, std::int64_t{threads}, p.name, of([](phases const& c) { return c.record; }),
               of([](phases const& c) { return c.plan; }), of([](phases const& c) { return c.run; }),
               of([](phases const& c) { return c.destroy; }), of([](phases const& c) { return c.sum(); }),
               least_of(all, [](graph_sample const& one) { return one.cold.sum(); }), median_of(all, peak),
               least_of(all, peak), median_of(all, others_of<graph_sample>)});
    for (graph_sample const& one : all) right = right && one.right;
  }
  table.finish(
      {"peak: resident memory above that before recording.", right ? "Every result is right." : "A RESULT IS WRONG."});
  return right;
}

}  // namespace speed
