#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "speed/peers.hpp"
#include "speed/phases.hpp"
#include "speed/settings.hpp"
#include "speed/shapes.hpp"
#include "speed/team.hpp"
#include "speed/work.hpp"
#include "support/machine.hpp"
#include "support/machine_costs.hpp"
#include "support/table.hpp"

namespace speed {

// W9: tasks that sleep on more threads than there are cores, and their sum.

inline constexpr unsigned sleeping_threads = 4;

struct sleepers_sample {
  double took = 0, floor = 0;  ///< seconds
  bool right = true;
  double others = 0;  ///< cores
};

/// Seconds that one sleep has when all threads sleep and nothing else happens: the median.
inline double bare_nap(std::size_t times) {
  std::vector<double> all;
  std::mutex guard;
  team::of(sleeping_threads).run([&](unsigned) {
    std::vector<double> mine;
    for (std::size_t i = 0; i < times; ++i) {
      stopwatch watch;
      sleepy::after(0, 0);
      mine.push_back(watch.lap());
    }
    std::scoped_lock const lock{guard};
    all.insert(all.end(), mine.begin(), mine.end());
  });
  return median_of(all);
}

/// Whether all results were right.
inline bool run_sleepers(settings const& given) {
  support::table table{support::format_of(given.csv, given.json),
                       {{"workload", "", 0, 8},
                        {"threads"},
                        {"peer", "", 0, 15},
                        {"wall", "s", 4, 8},
                        {"least wall", "s", 4},
                        {"floor", "s", 4, 8},
                        {"over floor", "percent", 2},
                        {"others", "cores", 1}},
                       {"speed: tasks that sleep 1 ms, and their sum; medians over processes", support::machine(),
                        support::machine_costs_text()}};
  bool right = true;
  std::size_t const tasks = given.scaled(10'000, 8);
  shape const s = sleepers(tasks);
  value const expected = s.expected();
  auto const peers = given.those(graph_peers<sleepy>(s), sleeping_threads);
  auto const samples = interleaved<sleepers_sample>(given, peers, "W9", sleeping_threads, [&](peer const& p) {
    sleepers_sample took;
    double const rounds = static_cast<double>((tasks + sleeping_threads - 1) / sleeping_threads);
    took.floor = bare_nap(given.scaled(200, 2)) * rounds;
    phases const all = p.run(sleeping_threads);
    took.took = all.sum();
    took.right = all.result == expected;
    return took;
  });
  for (peer const& p : peers) {
    auto const& all = samples.at(p.name);
    auto const took = [](sleepers_sample const& one) { return one.took; };
    table.add({std::string{"W9"}, std::int64_t{sleeping_threads}, p.name, median_of(all, took), least_of(all, took),
               median_of(all, [](sleepers_sample const& one) { return one.floor; }),
               median_of(all, [](sleepers_sample const& one) { return 100 * (one.took / one.floor - 1); }),
               median_of(all, others_of<sleepers_sample>)});
    for (sleepers_sample const& one : all) right = right && one.right;
  }
  table.finish(
      {"floor: the rounds of sleeps that the threads need, each as long as bare sleeps of as many threads are in "
       "the same process, their median.",
       right ? "Every result is right." : "A RESULT IS WRONG."});
  return right;
}

}  // namespace speed
