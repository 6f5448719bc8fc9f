#pragma once

#include <dally/dally.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "speed/shapes.hpp"

#if DALLY_BENCHMARK_TBB
#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#endif

namespace speed {

/// Seconds of each phase; what a peer does not tell apart is in the later one.
struct phases {
  double record = 0, plan = 0, run = 0, rerun = 0, destroy = 0;
  value result = 0;
};

class stopwatch {
 public:
  /// Seconds since the last call.
  double lap() {
    auto const now = std::chrono::steady_clock::now();
    double const passed = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return passed;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// ---- dally ----------------------------------------------------------------------------------------------------------

inline value leaf(value c) { return c; }
inline value next(value a) { return a + 1; }
inline value add(value a, value b) { return a + b + 1; }
inline value add_three(value a, value b, value c) { return a + b + c + 1; }
inline value sum(std::vector<value> const& all) {
  value total = 0;
  for (value const v : all) total += v;
  return total;
}

/// Recorded with typed values and counted handles, planned once, run twice.
inline phases run_dally(shape const& s, unsigned threads) {
  phases took;
  stopwatch watch;
  std::vector<dally::lazy<value>> nodes;
  nodes.reserve(s.size());
  for (std::size_t i = 0; i < s.size(); ++i) {
    std::uint32_t const* const in = s.inputs_of(i);
    switch (s.count(i)) {
      case 0:
        nodes.push_back(dally::delayed(leaf)(s.constant[i]));
        break;
      case 1:
        nodes.push_back(dally::delayed(next)(nodes[in[0]]));
        break;
      case 2:
        nodes.push_back(dally::delayed(add)(nodes[in[0]], nodes[in[1]]));
        break;
      case 3:
        nodes.push_back(dally::delayed(add_three)(nodes[in[0]], nodes[in[1]], nodes[in[2]]));
        break;
      default:
        nodes.push_back(dally::delayed(sum)(std::vector(nodes.begin() + in[0], nodes.begin() + in[0] + s.count(i))));
    }
  }
  took.record = watch.lap();
  auto again = std::make_unique<dally::prepared<dally::lazy<value>>>(dally::prepare(nodes.back()));
  took.plan = watch.lap();
  dally::any_scheduler const scheduler =
      threads == 1 ? dally::any_scheduler{dally::synchronous{}} : dally::any_scheduler{dally::threads{threads}};
  took.result = (*again)(scheduler);
  took.run = watch.lap();
  took.result = (*again)(scheduler) == took.result ? took.result : ~took.result;
  took.rerun = watch.lap();
  again.reset();
  nodes = {};
  took.destroy = watch.lap();
  return took;
}

// ---- hand-written limits --------------------------------------------------------------------------------------------

/// A mock-up of the least that a typed recorder can do: nodes of just the needed size, one behind the other, swept in
/// order by one call through a function pointer each. No counts, no types, no values' ends. One thread.
inline phases run_arena(shape const& s, unsigned) {
  struct node {
    void (*invoke)(node*);
    value result;
    std::uint32_t count;
    value constant;
    [[nodiscard]] node** inputs() { return reinterpret_cast<node**>(this + 1); }
  };
  static constexpr auto invoke = [](node* n) {
    value sum = n->constant;
    for (std::uint32_t i = 0; i < n->count; ++i) sum += n->inputs()[i]->result;
    n->result = sum;
  };
  phases took;
  stopwatch watch;
  constexpr std::size_t block_bytes = std::size_t{2} << 20;
  static std::vector<std::unique_ptr<std::byte[]>> blocks;  // kept from graph to graph
  std::size_t block = 0;
  std::byte* at = nullptr;
  std::byte* end = nullptr;
  std::vector<node*> nodes;
  nodes.reserve(s.size());
  for (std::size_t i = 0; i < s.size(); ++i) {
    std::size_t const bytes = sizeof(node) + s.count(i) * sizeof(node*);
    if (static_cast<std::size_t>(end - at) < bytes) {
      std::size_t const wanted = bytes > block_bytes ? bytes : block_bytes;
      if (block == blocks.size()) blocks.push_back(std::make_unique_for_overwrite<std::byte[]>(wanted));
      at = blocks[block++].get();
      end = at + wanted;
    }
    node* const n = ::new (at) node{invoke, 0, s.count(i), s.constant[i]};
    for (std::uint32_t k = 0; k < n->count; ++k) n->inputs()[k] = nodes[s.inputs_of(i)[k]];
    nodes.push_back(n);
    at += bytes;
  }
  took.record = watch.lap();
  auto const sweep = [&] {
    for (node* const n : nodes) n->invoke(n);
  };
  sweep();
  took.run = watch.lap();
  sweep();
  took.rerun = watch.lap();
  took.result = nodes.back()->result;
  nodes = {};
  took.destroy = watch.lap();
  return took;
}

/// Threads that claim chunks of 64 nodes of the given order, and publish one mark a chunk. The graph is given: there is
/// nothing to record.
inline phases run_chunks(shape const& s, unsigned threads) {
  constexpr std::size_t chunk = 64;
  phases took;
  std::vector<value> values(s.size());
  std::size_t const chunks = (s.size() + chunk - 1) / chunk;
  std::vector<std::atomic<unsigned char>> done(chunks);
  auto const run = [&](unsigned char epoch) {
    std::atomic<std::size_t> next_chunk{0};
    auto const work = [&] {
      for (std::size_t c = 0; (c = next_chunk.fetch_add(1, std::memory_order_relaxed)) < chunks;) {
        std::size_t const last = (c + 1) * chunk < s.size() ? (c + 1) * chunk : s.size();
        for (std::size_t i = c * chunk; i < last; ++i) {
          value total = s.constant[i];
          for (std::uint32_t k = 0; k < s.count(i); ++k) {
            std::uint32_t const input = s.inputs_of(i)[k];
            // Acquires the values of another thread's chunk.
            while (input / chunk != c && done[input / chunk].load(std::memory_order_acquire) != epoch) {
              std::this_thread::yield();
            }
            total += values[input];
          }
          values[i] = total;
        }
        done[c].store(epoch, std::memory_order_release);  // to the loads above
      }
    };
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    for (auto& t : others) t.join();
  };
  stopwatch watch;
  run(1);
  took.run = watch.lap();
  run(2);
  took.rerun = watch.lap();
  took.result = values.back();
  return took;
}

// ---- oneTBB's flow graph --------------------------------------------------------------------------------------------

#if DALLY_BENCHMARK_TBB
/// One continue_node a node; values in an array beside the graph, which passes none along such edges.
inline phases run_tbb(shape const& s, unsigned threads) {
  using node = tbb::flow::continue_node<tbb::flow::continue_msg>;
  tbb::global_control const limit{tbb::global_control::max_allowed_parallelism, threads};
  tbb::task_arena arena{static_cast<int>(threads)};
  phases took;
  arena.execute([&] {
    stopwatch watch;
    std::vector<value> values(s.size());
    tbb::flow::graph graph;
    std::vector<std::unique_ptr<node>> nodes;
    nodes.reserve(s.size());
    for (std::size_t i = 0; i < s.size(); ++i) {
      nodes.push_back(std::make_unique<node>(graph, [&s, &values, i](tbb::flow::continue_msg const&) {
        value total = s.constant[i];
        for (std::uint32_t k = 0; k < s.count(i); ++k) total += values[s.inputs_of(i)[k]];
        values[i] = total;
      }));
      for (std::uint32_t k = 0; k < s.count(i); ++k) tbb::flow::make_edge(*nodes[s.inputs_of(i)[k]], *nodes[i]);
    }
    took.record = watch.lap();
    auto const run = [&] {
      for (std::size_t i = 0; i < s.size(); ++i) {
        if (s.count(i) == 0) nodes[i]->try_put({});
      }
      graph.wait_for_all();
    };
    run();
    took.run = watch.lap();
    run();
    took.rerun = watch.lap();
    took.result = values.back();
    nodes.clear();
    took.destroy = watch.lap();
  });
  return took;
}
#endif

// ---- OpenMP tasks ---------------------------------------------------------------------------------------------------

#if DALLY_BENCHMARK_OPENMP
/// Tasks with `depend` clauses, of up to three inputs; a sum waits for all before it. Recording and running overlap.
inline phases run_openmp(shape const& s, unsigned threads) {
  phases took;
  stopwatch watch;
  std::vector<value> values(s.size());
  value* const v = values.data();
#pragma omp parallel num_threads(threads)
#pragma omp single
  for (std::size_t i = 0; i < s.size(); ++i) {
    std::uint32_t const* const in = s.inputs_of(i);
    value const c = s.constant[i];
    std::uint32_t const count = s.count(i);
    if (count == 0) {
#pragma omp task depend(out : v[i]) firstprivate(i, c)
      v[i] = c;
    } else if (count == 1) {
#pragma omp task depend(in : v[in[0]]) depend(out : v[i]) firstprivate(i, c, in)
      v[i] = c + v[in[0]];
    } else if (count == 2) {
#pragma omp task depend(in : v[in[0]], v[in[1]]) depend(out : v[i]) firstprivate(i, c, in)
      v[i] = c + v[in[0]] + v[in[1]];
    } else if (count == 3) {
#pragma omp task depend(in : v[in[0]], v[in[1]], v[in[2]]) depend(out : v[i]) firstprivate(i, c, in)
      v[i] = c + v[in[0]] + v[in[1]] + v[in[2]];
    } else {
#pragma omp taskwait
      value total = c;
      for (std::uint32_t k = 0; k < count; ++k) total += v[in[k]];
      v[i] = total;
    }
  }
  took.run = watch.lap();
  took.result = values.back();
  return took;
}
#endif

}  // namespace speed
