#pragma once

#include <chrono>
#include <concepts>
#include <string>
#include <utility>

#include "dally/graph/node.hpp"

namespace dally {

/// `true`, said where the compiler sees it.
class said_true {
 public:
  template <std::same_as<bool> Truth>
  consteval said_true(Truth said) {  // NOLINT: implicit, as `.borrows = true`
    if (!said) leave_out_what_is_false();
  }

 private:
  static void leave_out_what_is_false();  // no constant: the compiler quotes its name
};

/// task_options that end with `.borrows = true`: the function's result, such as a std::string_view, may refer to what
/// the task is given, and its author sees to it that this lives as long as the result is read. A type of its own,
/// because whether a result may be a view is decided at compile time.
struct borrowing_task_options {
  std::string name{};
  purity pure{};
  unsigned retries = 0;
  int crash_retries = -1;
  std::chrono::nanoseconds timeout{};
  bool here = false;
  said_true borrows;

  [[nodiscard]] task_options others() && {
    return {.name = std::move(name),
            .pure = pure,
            .retries = retries,
            .crash_retries = crash_retries,
            .timeout = timeout,
            .here = here};
  }
};

}  // namespace dally
