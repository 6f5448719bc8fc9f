#pragma once

#include <functional>
#include <string>
#include <vector>

#include "speed/counters.hpp"
#include "speed/limits.hpp"
#include "speed/phases.hpp"
#include "speed/run_dally.hpp"
#include "speed/shapes.hpp"
#include "speed/work.hpp"

#if DALLY_BENCHMARK_TBB
#include "speed/run_tbb.hpp"
#endif
#if DALLY_BENCHMARK_OPENMP
#include "speed/run_openmp.hpp"
#endif

namespace speed {

// Compiled in run_dally.cpp.
extern template phases run_dally<no_work>(shape const& s, unsigned threads);
extern template phases run_dally<busy>(shape const& s, unsigned threads);

/// Who runs a workload.
struct peer {
  enum class kind { dally, library, limit };
  std::string name;
  kind is;
  std::function<phases(unsigned threads)> run;
  bool one_thread_only = false;
};

/// All that run graphs; the shape must outlive them.
template <class Work = no_work>
std::vector<peer> graph_peers(shape const& s) {
  auto const on_it = [&s](phases (*run)(shape const&, unsigned)) {
    return [&s, run](unsigned threads) { return run(s, threads); };
  };
  return {
      {"dally", peer::kind::dally, on_it(run_dally<Work>)},
#if DALLY_BENCHMARK_TBB
      {"tbb-flow", peer::kind::library, on_it(run_tbb<Work>)},
#endif
#if DALLY_BENCHMARK_OPENMP
      {"openmp", peer::kind::library, on_it(run_openmp<Work>)},
#endif
      {"limit-arena", peer::kind::limit, on_it(run_arena<Work>), true},
      {"limit-counted", peer::kind::limit, on_it(run_arena<Work, true>), true},
      {"limit-chunks", peer::kind::limit, on_it(run_chunks<Work>)},
      {"limit-counters", peer::kind::limit, on_it(run_counters<Work>)},
  };
}

}  // namespace speed
