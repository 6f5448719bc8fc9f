// The same graphs by dally, by other libraries, and by hand-written limits, interleaved, each in a fresh process: what
// a node costs to record, plan, run, run again and destroy, and how small tasks may be.

#include <malloc.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "speed/dynamic.hpp"
#include "speed/graphs.hpp"
#include "speed/large.hpp"
#include "speed/one_node.hpp"
#include "speed/peers.hpp"
#include "speed/settings.hpp"
#include "speed/sleepers.hpp"
#include "speed/stencil.hpp"
#include "support/in_child.hpp"
#include "support/options.hpp"

namespace {

constexpr char const* purpose =
    "Runs the same graphs by dally, by other libraries and by hand-written limits.\n\n"
    "W1 chain of 1,000,000; W2 100,000 into one sum; W3 left fold of 100,000; W4 binary reduction of 2^20;\n"
    "W5 wavefront 1024 x 1024; W6 1,000 layers of 1,000, 3 inputs each; W7 Fibonacci by tasks that return lazies;\n"
    "one a graph of one node; W8 stencil, its grain swept; W9 10,000 sleepers of 1 ms on 4 threads;\n"
    "large 10,000,000 nodes on 2 threads, for which oneTBB takes some 4 GB.\n"
    "W8, W9 and large have tables of their own; with --json each is an object, one after the other.";

std::vector<std::string> all_peers() {
  std::vector<std::string> names;
  speed::shape const none;
  for (auto const& peers : {speed::graph_peers(none), speed::fib_peers(0), speed::one_node_peers()}) {
    for (speed::peer const& p : peers) {
      if (std::find(names.begin(), names.end(), p.name) == names.end()) names.push_back(p.name);
    }
  }
  return names;
}

/// The heap keeps what is freed, for every peer: else arrays of a megabyte, the handles' among them, are new pages in
/// each graph or not, as chance has it.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

int benchmark(speed::settings const& given) {
  keep_freed_memory();
  bool right = true;
  auto const& graphs = speed::graph_workloads;
  if (std::any_of(graphs.begin(), graphs.end(), [&](auto const& w) { return given.wants(w); })) {
    right = speed::run_graphs(given);
  }
  if (given.wants("W8")) right = speed::run_stencil(given) && right;
  if (given.wants("W9")) right = speed::run_sleepers(given) && right;
  if (given.wants("large")) right = speed::run_large(given) && right;
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  speed::settings given;
  given.workloads = speed::graph_workloads;
  for (char const* const other : {"W8", "W9", "large"}) given.workloads.emplace_back(other);
  given.chosen = all_peers();
  support::options options{"speed", purpose};
  options.words("workload", "graphs", given.workloads, given.workloads)
      .numbers("threads", "threads, the caller among them", 1, 4096, given.threads)
      .words("peer", "who runs them", given.chosen, given.chosen)
      .number("repeat", "processes for a row", 1, 1000, given.repeat)
      .number("graphs", "graphs in a process, the first of them cold", 2, 1000, given.graphs)
      .number("scale", "divides the sizes of the graphs but W7's", 1, 1000, given.scale)
      .number("fib", "of which number W7 is the Fibonacci number", 2, 40, given.fib)
      .number("others", "cores that others may take beside a process; else it is measured again, up to 10 times", 0,
              1000, given.others)
      .flag("csv", "rows as comma-separated values", given.csv)
      .flag("json", "rows, machine and notes as JSON", given.json);
  return support::run<dally::config_error>(options, argc, argv, [&] {
    try {
      return benchmark(given);
    } catch (support::measurement_failed const& failure) {
      fmt::print(stderr, "speed: {}\n", failure.what());
      return 1;
    }
  });
}
