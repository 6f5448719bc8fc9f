#pragma once

#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "speed/phases.hpp"
#include "speed/shapes.hpp"
#include "speed/work.hpp"

namespace speed {

/// Calls `work()` where `threads` threads work, the caller among them.
template <class Body>
void in_tbb(unsigned threads, Body const& work) {
  tbb::global_control const limit{tbb::global_control::max_allowed_parallelism, threads};
  tbb::task_arena arena{static_cast<int>(threads)};
  arena.execute(work);
}

/// One continue_node a node; values in an array beside the graph, which passes none along such edges.
template <class Work = no_work>
phases run_tbb(shape const& s, unsigned threads) {
  using node = tbb::flow::continue_node<tbb::flow::continue_msg>;
  phases took;
  in_tbb(threads, [&] {
    stopwatch watch;
    std::vector<value> values(s.size());
    tbb::flow::graph graph;
    std::vector<std::unique_ptr<node>> nodes;
    nodes.reserve(s.size());
    for (std::size_t i = 0; i < s.size(); ++i) {
      nodes.push_back(std::make_unique<node>(graph, [&s, &values, i](tbb::flow::continue_msg const&) {
        value total = s.constant[i];
        for (std::uint32_t k = 0; k < s.count(i); ++k) total += values[s.inputs_of(i)[k]];
        values[i] = Work::after(total, s.count(i));
      }));
      for (std::uint32_t k = 0; k < s.count(i); ++k) tbb::flow::make_edge(*nodes[s.inputs_of(i)[k]], *nodes[i]);
    }
    took.record = watch.lap();
    run_twice(took, watch, [&] {
      for (std::size_t i = 0; i < s.size(); ++i) {
        if (s.count(i) == 0) nodes[i]->try_put({});
      }
      graph.wait_for_all();
      return values.back();
    });
    nodes.clear();
    took.destroy = watch.lap();
  });
  return took;
}

}  // namespace speed
