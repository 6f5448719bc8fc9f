// Real graphs, recorded by other people's projects, on every scheduler against a plain loop over their tasks.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../benchmarks/support/dag_file.hpp"
#include "support/catch2.hpp"
#include "support/schedulers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::tests::shared_array;
using support::dag;

namespace {

/// What a task hands on: whose it is, a checksum of the rest, and a few words of content.
struct output {
  std::uint32_t task = 0;
  std::uint64_t checksum = 0;
  std::vector<std::uint64_t> content;

  friend bool operator==(output const&, output const&) = default;
};

std::uint64_t checksum_of(output const& of) {
  std::uint64_t sum = of.task;
  for (auto word : of.content) sum = (sum ^ (word >> 7)) * 0x9e3779b97f4a7c15U + word;
  return sum;
}

/// A recorded graph, and how often each of its tasks has run.
struct replayed {
  explicit replayed(dag read) : graph{std::move(read)}, runs{graph.tasks.size()} {}
  dag graph;
  mutable shared_array<std::atomic<int>> runs;
};

output perform(replayed const& of, std::uint32_t id, std::vector<output> const& inputs) {
  of.runs[id].fetch_add(1);
  auto const& task = of.graph.tasks[id];
  if (inputs.size() != task.deps.size()) throw std::logic_error{"a task got another number of inputs"};
  output made{id, 0, {id}};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].task != task.deps[i]) throw std::logic_error{"a task got another's output"};
    if (inputs[i].checksum != checksum_of(inputs[i])) throw std::logic_error{"a task got a broken output"};
    made.content.push_back(inputs[i].checksum);
  }
  made.content.resize(1 + task.bytes % 7, made.checksum);
  made.content.back() += made.content.size() + inputs.size();
  for (auto const& input : inputs) made.content.front() = made.content.front() * 31 + input.checksum;
  made.checksum = checksum_of(made);
  return made;
}

std::vector<output> replay_in_a_loop(replayed const& of) {
  std::vector<output> outputs;
  for (std::uint32_t id = 0; id < of.graph.tasks.size(); ++id) {
    std::vector<output> inputs;
    for (auto dep : of.graph.tasks[id].deps) inputs.push_back(outputs[dep]);
    outputs.push_back(perform(of, id, inputs));
  }
  return outputs;
}

std::vector<lazy<output>> record(replayed const& of) {
  std::vector<lazy<output>> outputs;
  for (std::uint32_t id = 0; id < of.graph.tasks.size(); ++id) {
    std::vector<lazy<output>> inputs;
    for (auto dep : of.graph.tasks[id].deps) inputs.push_back(outputs[dep]);
    outputs.push_back(delayed(perform)(std::cref(of), id, inputs));
  }
  return outputs;
}

/// Replays one file; says so where it is absent.
void check_replay(dally::any_scheduler const& scheduler, std::string const& path) {
  if (!std::filesystem::exists(path)) {
    WARN("skipped: there is no " << path);
    return;
  }
  CAPTURE(path);
  replayed const of{support::read_dag(path)};
  auto const expected = replay_in_a_loop(of);
  auto const outputs = record(of);

  // The results are computed as they are, each once; then some of the values in between.
  auto const consumers = of.graph.consumers();
  std::vector<lazy<output>> asked;
  std::vector<output> answers;
  for (std::uint32_t id = 0; id < outputs.size(); ++id) {
    if (consumers[id] > 0) continue;
    asked.push_back(outputs[id]);
    answers.push_back(expected[id]);
  }
  for (std::size_t id = 0; id < of.runs.size(); ++id) of.runs[id].store(0);
  CHECK(dally::compute(scheduler, asked) == answers);
  bool each_once = true;
  for (std::size_t id = 0; id < of.runs.size(); ++id) each_once = each_once && of.runs[id].load() == 1;
  CHECK(each_once);

  asked.clear();
  answers.clear();
  for (std::size_t id = 0; id < outputs.size(); id += 97) {
    asked.push_back(outputs[id]);
    answers.push_back(expected[id]);
  }
  CHECK(dally::compute(scheduler, asked) == answers);
}

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("a recorded grid of concatenations gives what a plain loop gives") {
  check_replay(scheduler, DALLY_BENCHMARK_DATA "/estee-gridcat.dag");
}

DALLY_TEST_ON_EVERY_SCHEDULER("seven recorded graphs give what a plain loop gives, each task run once") {
  for (auto const* name : {"dask-matmul", "dask-svd", "epigenomics-hep-7seq", "estee-gridcat", "etree-bcsstk16",
                           "montage-2mass-05d", "ninja-esp32"})
    check_replay(scheduler, std::string{DALLY_SHARED_DAGS "/"} + name + ".dag");
}
