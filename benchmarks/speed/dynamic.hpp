#pragma once

#include <dally/dally.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "speed/fib_fork.hpp"
#include "speed/peers.hpp"
#include "speed/phases.hpp"

#if DALLY_BENCHMARK_TBB
#include <oneapi/tbb/task_group.h>
#endif

namespace speed {

// W7: the Fibonacci number of n by graphs that grow while they run.

/// How often fib is called for fib(n), itself included.
inline std::uint64_t fib_calls(unsigned n) {
  std::uint64_t calls = 1, before = 1;  // of n = 1, 0
  for (unsigned i = 2; i <= n; ++i) {
    std::uint64_t const more = calls + before + 1;
    before = calls;
    calls = more;
  }
  return calls;
}

[[gnu::noinline]] inline value fib_recursion(unsigned n) {
  return n < 2 ? n : fib_recursion(n - 1) + fib_recursion(n - 2);
}

inline value fib_sum(value a, value b) { return a + b; }

/// A task that returns a lazy.
inline dally::lazy<value> fib_lazy(unsigned n) {
  if (n < 2) return dally::lazy<value>{n};
  return dally::delayed(fib_sum)(dally::flatten(dally::delayed(fib_lazy)(n - 1)),
                                 dally::flatten(dally::delayed(fib_lazy)(n - 2)));
}

inline phases run_fib_dally(unsigned n, unsigned threads) {
  phases took;
  stopwatch watch;
  auto x = std::make_unique<dally::lazy<value>>(dally::flatten(dally::delayed(fib_lazy)(n)));
  took.record = watch.lap();
  auto again = std::make_unique<dally::prepared<dally::lazy<value>>>(dally::prepare(*x));
  took.plan = watch.lap();
  took.result = (*again)(dally_scheduler(threads));
  took.run = watch.lap();
  again.reset();
  x.reset();
  took.destroy = watch.lap();
  return took;
}

#if DALLY_BENCHMARK_TBB
inline value fib_tbb(unsigned n) {
  if (n < 2) return n;
  value other = 0;
  tbb::task_group group;
  group.run([&other, n] { other = fib_tbb(n - 1); });
  value const mine = fib_tbb(n - 2);
  group.wait();
  return mine + other;
}

inline phases run_fib_tbb(unsigned n, unsigned threads) {
  phases took;
  in_tbb(threads, [&] {
    stopwatch watch;
    took.result = fib_tbb(n);
    took.run = watch.lap();
  });
  return took;
}
#endif

#if DALLY_BENCHMARK_OPENMP
inline value fib_openmp(unsigned n) {
  if (n < 2) return n;
  value other = 0;
#pragma omp task shared(other)
  other = fib_openmp(n - 1);
  value const mine = fib_openmp(n - 2);
#pragma omp taskwait
  return mine + other;
}

inline phases run_fib_openmp(unsigned n, unsigned threads) {
  phases took;
  stopwatch watch;
  value result = 0;
#pragma omp parallel num_threads(threads)
#pragma omp single
  result = fib_openmp(n);
  took.run = watch.lap();
  took.result = result;
  return took;
}
#endif

inline phases run_fib_recursion(unsigned n, unsigned) {
  phases took;
  stopwatch watch;
  took.result = fib_recursion(n);
  took.run = watch.lap();
  return took;
}

inline std::vector<peer> fib_peers(unsigned n) {
  auto const of = [n](phases (*run)(unsigned, unsigned)) {
    return [n, run](unsigned threads) { return run(n, threads); };
  };
  return {
      {"dally", peer::kind::dally, of(run_fib_dally)},
#if DALLY_BENCHMARK_TBB
      {"tbb-group", peer::kind::library, of(run_fib_tbb)},
#endif
#if DALLY_BENCHMARK_OPENMP
      {"openmp", peer::kind::library, of(run_fib_openmp)},
#endif
      {"limit-recursion", peer::kind::limit, of(run_fib_recursion), true},
      {"limit-fork", peer::kind::limit, of(run_fib_fork)},
  };
}

}  // namespace speed
