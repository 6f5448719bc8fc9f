#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "speed/peers.hpp"
#include "support/in_child.hpp"
#include "support/other_load.hpp"

namespace speed {

/// What the command line asks for.
struct settings {
  std::vector<std::string> workloads;
  std::vector<std::int64_t> threads{1, 2, 16};
  std::vector<std::string> chosen;  ///< peers
  std::int64_t repeat = 7;
  std::int64_t graphs = 4;
  std::int64_t scale = 1;
  std::int64_t fib = 30;
  double others = 1000;  ///< cores; a process beside more load of others is measured again
  bool csv = false;
  bool json = false;

  [[nodiscard]] bool wants(std::string const& workload) const {
    return std::find(workloads.begin(), workloads.end(), workload) != workloads.end();
  }
  /// A size divided by the scale, at least `least`.
  [[nodiscard]] std::size_t scaled(std::size_t size, std::size_t least) const {
    return std::max(least, size / static_cast<std::size_t>(scale));
  }
  /// Those of `all` that were asked for and can.
  [[nodiscard]] std::vector<peer> those(std::vector<peer> all, unsigned on) const {
    std::erase_if(all, [&](peer const& p) {
      return std::find(chosen.begin(), chosen.end(), p.name) == chosen.end() || (p.one_thread_only && on != 1);
    });
    return all;
  }
};

template <class Sample>
double others_of(Sample const& one) {
  return one.others;
}

/// What `measure(peer)` gives, each in a process of its own: rounds over all peers, so that what disturbs the machine
/// for a while disturbs all. By the name of the peer. Notes in each sample's `others` how many cores others took.
template <class Sample, class Measure>
std::map<std::string, std::vector<Sample>> interleaved(settings const& given, std::vector<peer> const& peers,
                                                       std::string const& workload, unsigned threads,
                                                       Measure const& measure) {
  std::map<std::string, std::vector<Sample>> samples;
  for (std::int64_t round = 0; round < given.repeat; ++round) {
    for (peer const& p : peers) {
      Sample calmest;
      for (int attempt = 0; attempt == 0 || (attempt < 10 && calmest.others > given.others); ++attempt) {
        support::other_load const load;
        Sample sample = support::in_child(fmt::format("{}: {} on {} threads", workload, p.name, threads),
                                          [&]() -> Sample { return measure(p); });
        sample.others = load.cores();
        if (attempt == 0 || sample.others < calmest.others) calmest = sample;
      }
      samples[p.name].push_back(calmest);
    }
  }
  return samples;
}

}  // namespace speed
