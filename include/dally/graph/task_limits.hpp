#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/core/time_limit.hpp"
#include "dally/graph/node.hpp"

/// What a task's options allow it: how long it may take, and how often it may be tried.
namespace dally {

/// The highest number of tries that anybody means: what is above was a negative number.
inline constexpr unsigned most_retries = static_cast<unsigned>(std::numeric_limits<int>::max());

/// Whether the task has limits that only a scheduler keeps which can end a task: a timeout, or crash_retries.
[[nodiscard]] inline bool has_task_limits(task_options const& options) noexcept {
  return options.timeout.count() != 0 || options.crash_retries != -1;
}

/// The first of these, as a user has written it; "" if there is none.
[[nodiscard, gnu::cold]] DALLY_FUNCTION std::string task_limit_text(task_options const& options) {
  if (options.timeout.count() != 0) return joined({".timeout = ", text_of(options.timeout)});
  if (options.crash_retries == -1) return {};
  std::int64_t const retries = options.crash_retries;
  return joined({".crash_retries = ", retries < 0 ? "-" : "",
                 decimal(static_cast<std::uint64_t>(retries < 0 ? -retries : retries))});
}

/// Refuses options of a task that make no sense. Errors: config_error that names option, task, and what is allowed.
[[gnu::cold]] DALLY_FUNCTION void check_task_options(node const& task) {
  task_options const& options = task.extras()->options;
  auto const refuse_option = [&](std::string const& option, std::string_view allowed) {
    refuse<config_error>({"task \"", task.label(), "\" (", task.place_text(), ") has ", option, ": ", allowed});
  };
  if (options.timeout.count() < 0) {
    refuse_option(joined({".timeout = ", text_of(options.timeout)}),
                  "a length of time above 0 is allowed, and 0 for what the scheduler is told");
  }
  if (options.crash_retries < -1) {
    task_options only;
    only.crash_retries = options.crash_retries;
    refuse_option(task_limit_text(only), "0 or more is allowed, and -1 for what the scheduler is told");
  }
  if (options.retries > most_retries) {
    refuse_option(joined({".retries = ", decimal(options.retries)}),
                  joined({"0 to ", decimal(most_retries), " is allowed; is it a negative number?"}));
  }
}

}  // namespace dally
