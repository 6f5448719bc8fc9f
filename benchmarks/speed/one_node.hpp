#pragma once

#include <dally/dally.hpp>

#include <vector>

#include "speed/peers.hpp"
#include "speed/phases.hpp"

namespace speed {

// A graph of one node, recorded, run and destroyed at once: what a call costs that has no other to share it with.

inline value one_result(value x) { return x + 1; }

/// Calls `once(x)`, which gives x + 1, a thousand times, but at the first time in a process once; the time of one.
template <class Once>
phases one_by_one(Once const& once) {
  static bool warm = false;
  value const times = warm ? 1000 : 1;
  warm = true;
  phases took;
  stopwatch watch;
  value x = 0;
  for (value i = 0; i < times; ++i) x = once(x);
  took.run = watch.lap() / static_cast<double>(times);
  took.result = x - times;
  return took;
}

inline phases run_one_dally(unsigned threads) {
  dally::scoped_scheduler const guard{dally_scheduler(threads)};
  return one_by_one([](value x) { return dally::delayed(one_result)(x).compute(); });
}

#if DALLY_BENCHMARK_TBB
inline phases run_one_tbb(unsigned threads) {
  phases took;
  in_tbb(threads, [&] {
    took = one_by_one([](value x) {
      tbb::flow::graph graph;
      value result = 0;
      tbb::flow::continue_node<tbb::flow::continue_msg> node{
          graph, [&](tbb::flow::continue_msg const&) { result = one_result(x); }};
      node.try_put({});
      graph.wait_for_all();
      return result;
    });
  });
  return took;
}
#endif

#if DALLY_BENCHMARK_OPENMP
inline phases run_one_openmp(unsigned threads) {
  return one_by_one([threads](value x) {
    value result = 0;
#pragma omp parallel num_threads(threads)
#pragma omp single
#pragma omp task shared(result)
    result = one_result(x);
    return result;
  });
}
#endif

/// A call through a pointer that the compiler does not know.
inline phases run_one_call(unsigned) {
  value (*volatile const call)(value) = one_result;
  return one_by_one([&](value x) { return call(x); });
}

inline std::vector<peer> one_node_peers() {
  return {
      {"dally", peer::kind::dally, run_one_dally},
#if DALLY_BENCHMARK_TBB
      {"tbb-flow", peer::kind::library, run_one_tbb},
#endif
#if DALLY_BENCHMARK_OPENMP
      {"openmp", peer::kind::library, run_one_openmp},
#endif
      {"limit-call", peer::kind::limit, run_one_call, true},
  };
}

}  // namespace speed
