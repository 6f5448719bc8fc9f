// A scheduler of your own is any type with run(execution&): it steps the nodes that are ready, then those that each
// step makes ready, until none is left. This one does it with OpenMP tasks.

#include <dally/dally.hpp>

#include <omp.h>

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include <fmt/format.h>

class openmp {
 public:
  explicit openmp(int threads) : threads_{threads} {}

  void run(dally::execution& job) const {
    auto const first = job.ready();
#pragma omp parallel num_threads(threads_)
#pragma omp single
    for (auto n : first) spawn(job, n);
  }  // the team parts when all tasks have ended

 private:
  static void spawn(dally::execution& job, dally::node_id n) {
#pragma omp task firstprivate(n) shared(job)
    work(job, n);
  }

  /// Steps `n` and what that makes ready: one node at a time stays here, the others become tasks.
  static void work(dally::execution& job, dally::node_id n) {
    static thread_local int depth = 0;  // a runtime with many tasks waiting runs a new one at once, on our stack
    ++depth;
    std::vector<dally::node_id> mine{n};
    while (!mine.empty()) {
      n = mine.back();
      mine.pop_back();
      job.step(n, [&](dally::node_id ready) { mine.push_back(ready); }, static_cast<unsigned>(omp_get_thread_num()));
      for (; mine.size() > 1 && depth < 32; mine.pop_back()) spawn(job, mine.back());
    }
    --depth;
  }

  int threads_;
};
static_assert(dally::scheduler<openmp>);

using number = std::uint64_t;

/// A graph of `size` calls, each of up to three of its predecessors; the last one takes them all.
dally::lazy<number> random_graph(std::size_t size, unsigned seed) {
  std::mt19937 random{seed};
  auto mix = dally::delayed([](number a, number b, number c) { return (a ^ (b << 7) ^ (b >> 57)) * 31 + c; });
  std::vector<dally::lazy<number>> calls{number{seed}};
  auto any = [&] { return calls[random() % calls.size()]; };
  while (calls.size() < size) calls.push_back(mix(any(), any(), calls.size() % 5 == 0 ? calls.back() : any()));
  return dally::delayed([](std::vector<number> const& all) {
    number hash = 0;
    for (auto one : all) hash = hash * 31 + one;
    return hash;
  })(calls);
}

int main() {
  int right = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    auto x = random_graph(1000, seed);
    right += x.compute(openmp{4}) == x.compute(dally::synchronous{});
  }
  fmt::print("{} of 100 random graphs give the same on OpenMP as on one thread\n", right);

  dally::scoped_scheduler scope{openmp{2}};  // the default from here on
  dally::lazy<number> chain = 0;
  for (int i = 0; i < 100'000; ++i) chain += 1;
  fmt::print("and a chain ends with {}\n", chain.compute());
}

// Output:
//   100 of 100 random graphs give the same on OpenMP as on one thread
//   and a chain ends with 100000
