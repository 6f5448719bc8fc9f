#pragma once

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "support/catch2.hpp"
#include "support/sanitizers.hpp"

namespace dally::tests {

struct synchronous_default {
  static std::string name() { return "synchronous"; }
  synchronous operator()() const { return {}; }
};

template <unsigned Workers>
struct threads_of {
  static std::string name() { return "threads " + std::to_string(Workers); }
  threads operator()() const { return threads{Workers}; }
};

/// Threads of a pool that is the test's own.
struct threads_of_own_pool {
  static std::string name() { return "threads of an own pool"; }
  threads operator()() const {
    static thread_pool pool{3};
    return threads{pool};
  }
};

template <unsigned Seed>
struct shuffled_by {
  static std::string name() { return "shuffled " + std::to_string(Seed); }
  shuffled operator()() const { return shuffled{Seed}; }
};

/// A scheduler as a user would write it: always the node that became ready last, on the calling thread.
class newest_first {
 public:
  void run(execution& job) {
    std::vector<node_id> ready{job.ready().begin(), job.ready().end()};
    while (!ready.empty()) {
      auto const n = ready.back();
      ready.pop_back();
      job.step(n, [&](node_id next) { ready.push_back(next); });
    }
  }
};
static_assert(scheduler<newest_first>);

struct users_own {
  static std::string name() { return "a user's own"; }
  newest_first operator()() const { return {}; }
};

template <unsigned Workers>
struct processes_of {
  static std::string name() { return "processes " + std::to_string(Workers); }
  processes operator()() const { return processes{Workers}; }
};

// The suite throws numbers: let them leave the process that threw them.
inline travelling_exception<int> const numbers_travel;

/// The schedulers that run every task in this process.
using local_schedulers = std::tuple<synchronous_default, threads_of<1>, threads_of<2>, threads_of<4>, threads_of<16>,
                                    threads_of_own_pool, shuffled_by<1>, shuffled_by<77>, users_own>;

template <class Local, class... Others>
struct joined_lists;
template <class... Local, class... Others>
struct joined_lists<std::tuple<Local...>, Others...> {
  using type = std::tuple<Local..., Others...>;
};

/// Every scheduler that the suite runs on. A new one is a type with `name()`, and a call operator that makes it, in
/// this list. This suite has threads, whose locks in a sanitizer are not held over a fork: see tests/CMakeLists.txt.
using schedulers = std::conditional_t<sanitized, local_schedulers,
                                      joined_lists<local_schedulers, processes_of<1>, processes_of<3>>::type>;

}  // namespace dally::tests

#define DALLY_TEST_JOIN_(a, b) a##b
#define DALLY_TEST_JOIN(a, b) DALLY_TEST_JOIN_(a, b)

/// A test case that runs on every scheduler of the list. Its body sees `dally::any_scheduler const& scheduler`, and is
/// compiled once: it is no template, so that its tasks are not instantiated anew for each scheduler.
#define DALLY_TEST_ON_EVERY_SCHEDULER(sentence) DALLY_TEST_ON_SCHEDULERS(sentence, dally::tests::schedulers)

/// The same, for what a task can see only in the process that computes.
#define DALLY_TEST_ON_EVERY_LOCAL_SCHEDULER(sentence) DALLY_TEST_ON_SCHEDULERS(sentence, dally::tests::local_schedulers)

#define DALLY_TEST_ON_SCHEDULERS(sentence, list)                                               \
  static void DALLY_TEST_JOIN(on_scheduler_, __LINE__)(dally::any_scheduler const& scheduler); \
  TEMPLATE_LIST_TEST_CASE(sentence, "[schedulers]", list) {                                    \
    INFO("scheduler: " << TestType::name());                                                   \
    DALLY_TEST_JOIN(on_scheduler_, __LINE__)(TestType{}());                                    \
  }                                                                                            \
  static void DALLY_TEST_JOIN(on_scheduler_, __LINE__)([[maybe_unused]] dally::any_scheduler const& scheduler)
