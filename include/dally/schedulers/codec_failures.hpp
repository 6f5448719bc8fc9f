#pragma once

#include <string>
#include <utility>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/key.hpp"
#include "dally/core/symbol.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/node.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/codec_failure.hpp"

/// What the caller is told of a value that its codec could not write, or could not read: whose it is, above all.
namespace dally::detail {

/// A task, as messages name it.
struct task_name {
  std::string label;
  std::string place;
  dally::key key;

  [[nodiscard]] static task_name of(node const& task) { return {task.label(), task.place_text(), task.key()}; }
};

/// A value that a task takes and that cannot be sent, or read: what to tell, and whose it is if not that task's.
/// Thrown.
struct unusable_value {
  remote_error why;
  node const* culprit;
};

[[gnu::cold]] DALLY_FUNCTION remote_error failed_codec(std::string const& whose, task_name of, codec_failure const& e) {
  bool const none_thrown = e.thrown_type().empty();
  return {e.told_of(whose), none_thrown ? declared_name(type_name<archive_error>()) : e.thrown_type(), e.text(),
          std::move(of.label), std::move(of.key)};
}

/// Of the result of the task `of`.
[[gnu::cold]] DALLY_FUNCTION remote_error failed_codec_of(task_name of, codec_failure const& e) {
  std::string const whose = joined({"the result of task \"", of.label, "\" (", of.place, ")"});
  return failed_codec(whose, std::move(of), e);
}

/// Of an argument that the call of the task `of` was given.
[[gnu::cold]] DALLY_FUNCTION remote_error failed_codec_of_argument(task_name of, codec_failure const& e) {
  std::string const whose = joined({"an argument of task \"", of.label, "\" (", of.place, ")"});
  return failed_codec(whose, std::move(of), e);
}

/// Of a literal that the task `of` takes.
[[gnu::cold]] DALLY_FUNCTION remote_error failed_codec_of_literal(node const& literal, task_name of,
                                                                  codec_failure const& e) {
  std::string const whose =
      joined({"the value (", literal.place_text(), ") that task \"", of.label, "\" (", of.place, ") takes"});
  return failed_codec(whose, std::move(of), e);
}

}  // namespace dally::detail
