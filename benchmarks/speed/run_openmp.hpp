#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "speed/phases.hpp"
#include "speed/shapes.hpp"
#include "speed/work.hpp"

namespace speed {

/// Tasks with `depend` clauses, of up to three inputs; a sum waits for all before it. Recording and running overlap.
template <class Work = no_work>
phases run_openmp(shape const& s, unsigned threads) {
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
      v[i] = Work::after(c, 0);
    } else if (count == 1) {
#pragma omp task depend(in : v[in[0]]) depend(out : v[i]) firstprivate(i, c, in)
      v[i] = Work::after(c + v[in[0]], 1);
    } else if (count == 2) {
#pragma omp task depend(in : v[in[0]], v[in[1]]) depend(out : v[i]) firstprivate(i, c, in)
      v[i] = Work::after(c + v[in[0]] + v[in[1]], 2);
    } else if (count == 3) {
#pragma omp task depend(in : v[in[0]], v[in[1]], v[in[2]]) depend(out : v[i]) firstprivate(i, c, in)
      v[i] = Work::after(c + v[in[0]] + v[in[1]] + v[in[2]], 3);
    } else {
#pragma omp taskwait
      value total = c;
      for (std::uint32_t k = 0; k < count; ++k) total += v[in[k]];
      v[i] = Work::after(total, count);
    }
  }
  took.run = watch.lap();
  took.result = values.back();
  return took;
}

}  // namespace speed
