#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "speed/peers.hpp"
#include "support/in_child.hpp"

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

/// What `measure(peer)` gives, each in a process of its own: rounds over all peers, so that what disturbs the machine
/// for a while disturbs all. By the name of the peer.
template <class Sample, class Measure>
std::map<std::string, std::vector<Sample>> interleaved(std::int64_t rounds, std::vector<peer> const& peers,
                                                       std::string const& workload, unsigned threads,
                                                       Measure const& measure) {
  std::map<std::string, std::vector<Sample>> samples;
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (peer const& p : peers) {
      samples[p.name].push_back(support::in_child(fmt::format("{}: {} on {} threads", workload, p.name, threads),
                                                  [&]() -> Sample { return measure(p); }));
    }
  }
  return samples;
}

}  // namespace speed
