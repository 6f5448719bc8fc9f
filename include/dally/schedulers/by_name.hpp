#pragma once

#include <cstdlib>
#include <string_view>

#include "dally/core/error.hpp"
#include "dally/core/text.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/pool/thread_pool.hpp"
#include "dally/schedulers/synchronous.hpp"
#include "dally/schedulers/threads.hpp"

namespace dally {

/// A scheduler that the environment can choose by its name. Headers that bring a further one hold an object of this
/// type in an inline variable: it enters the list before main.
///
/// Units  `make(0)` stands for the scheduler's own number of workers
class named_scheduler {
 public:
  named_scheduler(char const* name, any_scheduler (*maker)(unsigned workers)) noexcept
      : name_{name}, make_{maker}, next_{first_} {
    first_ = this;
  }
  named_scheduler(named_scheduler const&) = delete;
  named_scheduler& operator=(named_scheduler const&) = delete;

  /// The one of that name, or null.
  [[nodiscard]] static named_scheduler const* find(std::string_view name) noexcept {
    for (named_scheduler const* s = first_; s != nullptr; s = s->next_) {
      if (name == s->name_) return s;
    }
    return nullptr;
  }
  [[nodiscard]] any_scheduler make(unsigned workers) const { return make_(workers); }

 private:
  static constinit inline named_scheduler const* first_ = nullptr;

  char const* name_;
  any_scheduler (*make_)(unsigned workers);
  named_scheduler const* next_;
};

/// The scheduler of that name with that many workers (0: its own choice).
///
/// Errors  config_error that lists the names, or says which header brings a scheduler that is not included
[[gnu::cold]] inline any_scheduler scheduler_by_name(std::string_view name, unsigned workers = 0) {
  if (name == "threads") return workers == 0 ? threads{} : threads{workers};
  if (name == "synchronous") return synchronous{};
  if (named_scheduler const* const known = named_scheduler::find(name)) return known->make(workers);
  if (name == "processes") {
    refuse<config_error>({"the scheduler \"processes\" is not in this program: include <dally/processes.hpp>"});
  }
  refuse<config_error>({"unknown scheduler \"", name,
                        "\": allowed are \"threads\", \"synchronous\" and, with <dally/processes.hpp>, "
                        "\"processes\""});
}

/// The scheduler that these values of DALLY_SCHEDULER and DALLY_WORKERS ask for; null for what is not set.
///
/// Errors  config_error that lists what is allowed
[[gnu::cold]] inline any_scheduler scheduler_of_environment(char const* name, char const* workers) {
  unsigned count = 0;
  if (workers != nullptr) {
    std::string_view const text{workers};
    bool good = !text.empty() && text.size() <= 4;
    for (char const c : text) {
      good = good && c >= '0' && c <= '9';
      if (good) count = count * 10 + static_cast<unsigned>(c - '0');
    }
    if (!good || count == 0 || count > thread_pool::most_workers) {
      refuse<config_error>({"DALLY_WORKERS=\"", text, "\": a whole number from 1 to ",
                            decimal(thread_pool::most_workers), " is allowed"});
    }
  }
  try {
    return scheduler_by_name(name != nullptr ? name : "threads", count);
  } catch (config_error const& e) {
    refuse<config_error>({"DALLY_SCHEDULER: ", e.what()});
  }
}

/// What the environment asks for; empty if neither variable is set.
inline any_scheduler scheduler_of_environment() {
  char const* const name = std::getenv("DALLY_SCHEDULER");
  char const* const workers = std::getenv("DALLY_WORKERS");
  if (name == nullptr && workers == nullptr) [[likely]]
    return {};
  return scheduler_of_environment(name, workers);
}

}  // namespace dally
