#pragma once

#include <cstdint>

#include "dally/core/function.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// How two workers would get on with the next nodes of a plan if they ran chunks of them in turn: tried out on paper.
///
/// Cost  some 4 us
struct window {
  unsigned chunk_log = 0;       ///< chunks of 2 ^ this nodes do best
  std::int64_t took = 0;        ///< ns, by both
  std::int64_t took_alone = 0;  ///< ns, by one

  [[nodiscard]] bool worthwhile() const noexcept { return took * 10 < took_alone * 8; }

  /// Of the nodes from `first` on, whose inputs before it are there, if each takes `each` ns.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN static window of(plan const& graph, node_id first, std::int64_t each) noexcept {
    constexpr node_id most = 128;
    constexpr unsigned largest = 6;            // more in a chunk spares nothing, and shares out worse
    constexpr std::int64_t handing_over = 80;  // ns, from one core's cache to the other's
    constexpr std::int64_t switching = 10;     // ns a chunk
    node_id const size = graph.size() - first < most ? graph.size() - first : most;
    window best;
    best.took_alone = best.took = each * size;
    for (unsigned log = largest + 1; log-- > 0;) {
      std::int64_t done[most];
      std::int64_t now[2] = {0, 0};
      for (node_id n = 0; n < size; ++n) {
        unsigned const me = (n >> log) & 1;
        std::int64_t start = now[me] + ((n & ((node_id{1} << log) - 1)) == 0 ? switching : 0);
        for (std::uint32_t const edge : graph.edges(first + n)) {
          node_id const from = edge - first;  // wraps round for what stands before, and for constants it is too large
          if (from >= n || ((from >> log) & 1) == me) continue;
          if (done[from] + handing_over > start) start = done[from] + handing_over;
        }
        now[me] = done[n] = start + each;
      }
      std::int64_t const took = now[0] > now[1] ? now[0] : now[1];
      if (took * 100 < best.took * 97) {
        best.took = took;
        best.chunk_log = log;
      }
    }
    return best;
  }
};

}  // namespace dally
