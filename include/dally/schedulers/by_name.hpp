#pragma once

#include <cstdlib>
#include <cstring>
#include <string>

#include "dally/core/error.hpp"
#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/core/process_list.hpp"
#include "dally/core/text.hpp"
#include "dally/execution/scheduler.hpp"
#include "dally/pool/thread_pool.hpp"
#include "dally/schedulers/synchronous.hpp"
#include "dally/schedulers/threads.hpp"

namespace dally {

/// A scheduler that the environment can choose by its name.
///
/// Units  `make(0)` stands for the scheduler's own number of workers
struct scheduler_name {
  char const* name;
  any_scheduler (*make)(unsigned workers);
};

/// The further schedulers of this process, in every library that has one: a name may be there several times.
DALLY_EXPORT inline constinit process_list<scheduler_name> scheduler_names{};

/// Headers that bring a further scheduler hold an object of this type in an inline variable: it enters the list before
/// main.
class named_scheduler {
 public:
  named_scheduler(char const* name, any_scheduler (*make)(unsigned workers)) noexcept
      : entry_{scheduler_names, {name, make}} {}

  /// The one of that name, or null.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION static scheduler_name const* find(char const* name) noexcept {
    for (scheduler_name const& known : scheduler_names) {
      if (std::strcmp(name, known.name) == 0) return &known;
    }
    return nullptr;
  }

 private:
  process_list<scheduler_name>::entry entry_;
};

namespace detail {

/// What scheduler_by_name does.
[[gnu::cold]] DALLY_FUNCTION_WITHIN any_scheduler named(char const* name, unsigned workers, char const* asked_by) {
  if (std::strcmp(name, "threads") == 0) return workers == 0 ? threads{} : threads{workers};
  if (std::strcmp(name, "synchronous") == 0) return synchronous{};
  if (scheduler_name const* const known = named_scheduler::find(name)) return known->make(workers);
  std::string allowed = "\"threads\", \"synchronous\"";
  for (scheduler_name const& known : scheduler_names) {
    if (named_scheduler::find(known.name) == &known) {
      allowed = formatted("%s, \"%s\"", allowed.c_str(), known.name);
    }
  }
  refuse(
      &throw_saying<config_error>, "%sno scheduler \"%s\" in this program: allowed are %s%s", asked_by, name,
      allowed.c_str(),
      named_scheduler::find("processes") == nullptr ? " and, if <dally/processes.hpp> is included, \"processes\"" : "");
}

}  // namespace detail

/// The scheduler of that name with that many workers (0: its own choice).
///
/// Errors  config_error that lists the names, or says which header brings a scheduler that is not included; `asked_by`
///         stands in front of it
[[gnu::cold]] DALLY_FUNCTION any_scheduler scheduler_by_name(char const* name, unsigned workers = 0,
                                                             char const* asked_by = "") {
  return detail::named(name, workers, asked_by);
}

/// The scheduler that these values of DALLY_SCHEDULER and DALLY_WORKERS ask for; null for what is not set.
///
/// Errors  config_error that lists what is allowed
[[gnu::cold]] DALLY_FUNCTION any_scheduler scheduler_of_environment(char const* name, char const* workers) {
  unsigned count = 0;
  if (workers != nullptr) {
    char const* at = workers;
    while (*at >= '0' && *at <= '9' && at != workers + 4) count = count * 10 + static_cast<unsigned>(*at++ - '0');
    if (*at != '\0' || count == 0 || count > thread_pool::most_workers) {
      refuse(&throw_saying<config_error>, "DALLY_WORKERS=\"%s\": a whole number from 1 to %u is allowed", workers,
             thread_pool::most_workers);
    }
  }
  return detail::named(name != nullptr ? name : "threads", count, "DALLY_SCHEDULER: ");
}

/// What the environment asks for: `threads{}` if neither variable is set.
inline any_scheduler scheduler_of_environment() {
  char const* const name = std::getenv("DALLY_SCHEDULER");
  char const* const workers = std::getenv("DALLY_WORKERS");
  if (name == nullptr && workers == nullptr) [[likely]]
    return threads{};
  return scheduler_of_environment(name, workers);
}

}  // namespace dally
