#pragma once

#include <string>
#include <string_view>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/symbol.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"
#include "dally/graph/task_limits.hpp"

namespace dally {

/// Refuses the first task of a plan that has limits which the scheduler of this type does not honour. Errors:
/// config_error that names option, task, scheduler and the cure.
[[gnu::cold]] DALLY_FUNCTION void refuse_task_limits(plan const& graph, std::string_view scheduler_type) {
  for (node_id n = 0; n < graph.size(); ++n) {
    node const& task = graph.task(n);
    if (task.extras() == nullptr || !has_task_limits(task.extras()->options)) continue;
    refuse<config_error>({"task \"", task.label(), "\" (", task.place_text(), ") has ",
                          task_limit_text(task.extras()->options), ", which the scheduler ",
                          declared_name(scheduler_type),
                          " does not honour: it cannot end a task, nor outlive one that ends its process. Run it on "
                          "dally::processes or a dally::process_pool, but not inside a task of theirs, or leave the "
                          "option out"});
  }
}

}  // namespace dally
