#pragma once

#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "dally/execution/scheduler.hpp"

namespace dally {

/// Steps ready nodes in a random order on the calling thread: finds tasks that depend on an order which the graph does
/// not promise. Equal seeds give equal orders of one graph.
class shuffled {
 public:
  shuffled() = default;
  template <std::integral Seed>
  explicit shuffled(Seed seed) noexcept : state_{static_cast<std::uint64_t>(seed)} {}

  void run(execution& job) {
    node_ids const first = job.ready();
    std::vector<node_id> ready{first.begin(), first.end()};
    while (!ready.empty()) {
      std::swap(ready[next() % ready.size()], ready.back());
      node_id const n = ready.back();
      ready.pop_back();
      job.step(n, [&](node_id next_ready) { ready.push_back(next_ready); });
    }
  }

 private:
  // Source: S. Vigna, SplitMix64, public domain; <random> costs every including file a third of a second.
  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  std::uint64_t state_ = 0;
};

static_assert(scheduler<shuffled>);

}  // namespace dally
