#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "speed/bounded_deque.hpp"
#include "speed/phases.hpp"
#include "speed/shapes.hpp"
#include "speed/team.hpp"
#include "speed/work.hpp"

namespace speed {

/// A graph that runs by join counters: what each thread has made ready goes to its deque, but for the last one, which
/// it runs next. Its memory is kept from graph to graph.
template <class Work>
class counted_graph {
 public:
  void record(shape const& original) {
    rows_.clear();
    for (std::size_t i = 0; i < original.size(); ++i) rows_.add(original.constant[i], original.row(i));
  }

  /// Turns the rows of inputs into rows of dependents.
  void plan(unsigned threads) {
    std::size_t const size = rows_.size();
    first_.assign(size + 1, 0);
    for (std::uint32_t const input : rows_.inputs) ++first_[input + 1];
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
    dependents_.resize(rows_.inputs.size());
    std::vector<std::uint32_t> end(first_.begin(), first_.end() - 1);
    sources_.clear();
    for (std::size_t i = 0; i < size; ++i) {
      if (rows_.count(i) == 0) sources_.push_back(static_cast<std::uint32_t>(i));
      for (std::uint32_t const input : rows_.row(i)) dependents_[end[input]++] = static_cast<std::uint32_t>(i);
    }
    values_.resize(size);
    if (waiting_.size() < size) waiting_ = std::vector<std::atomic<std::uint32_t>>(size);
    if (deques_.size() != threads) deques_ = std::vector<bounded_deque<std::uint32_t>>(threads);
  }

  value run(team& workers) {
    for (std::size_t i = 0; i < rows_.size(); ++i) waiting_[i].store(rows_.count(i), std::memory_order_relaxed);
    // Each thread gets a stretch of the sources, and takes the first of it first.
    std::size_t const threads = deques_.size();
    for (std::size_t t = 0; t < threads; ++t) {
      deques_[t].reset(rows_.size());
      std::size_t const begin = sources_.size() * t / threads, end = sources_.size() * (t + 1) / threads;
      for (std::size_t i = end; i > begin; --i) deques_[t].push(sources_[i - 1]);
    }
    done_.store(false, std::memory_order_relaxed);
    workers.run([this](unsigned me) { work(me); });
    return values_.back();
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  void work(unsigned me) {
    std::size_t victim = me;
    for (unsigned failures = 0; !done_.load(std::memory_order_relaxed);) {
      std::uint32_t n = none;
      if (!deques_[me].pop(n)) {
        victim = (victim + 1) % deques_.size();
        if (victim == me || !deques_[victim].steal(n)) {
          if (++failures % 64 == 0) std::this_thread::yield();
          continue;
        }
      }
      failures = 0;
      while (n != none) n = step(me, n);
    }
  }

  /// Runs a node; the dependent to run next, or none.
  std::uint32_t step(unsigned me, std::uint32_t n) {
    value total = rows_.constant[n];
    for (std::uint32_t const input : rows_.row(n)) total += values_[input];
    values_[n] = Work::after(total, rows_.count(n));
    // The last node needs all others. Its value reaches the caller through the end of the team's run.
    if (n + 1 == rows_.size()) done_.store(true, std::memory_order_relaxed);
    std::uint32_t next = none;
    for (std::uint32_t i = first_[n]; i < first_[n + 1]; ++i) {
      std::uint32_t const dependent = dependents_[i];
      // Releases our value to, and acquires the siblings' values for, whoever runs the dependent.
      if (waiting_[dependent].fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
      if (next != none) deques_[me].push(next);
      next = dependent;
    }
    return next;
  }

  shape rows_;
  std::vector<std::uint32_t> first_, dependents_, sources_;
  std::vector<value> values_;
  std::vector<std::atomic<std::uint32_t>> waiting_;
  std::vector<bounded_deque<std::uint32_t>> deques_;
  alignas(64) std::atomic<bool> done_{false};
};

/// The hand-written limit of what most libraries do: counters and deques, with thieves that spin.
template <class Work = no_work>
phases run_counters(shape const& s, unsigned threads) {
  static counted_graph<Work> graph;
  team& workers = team::of(threads);
  phases took;
  stopwatch watch;
  graph.record(s);
  took.record = watch.lap();
  graph.plan(threads);
  took.plan = watch.lap();
  run_twice(took, watch, [&] { return graph.run(workers); });
  return took;
}

}  // namespace speed
