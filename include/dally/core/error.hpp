#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/core/key.hpp"

namespace dally {

/// The root of every exception that dally itself throws; a task's own exception arrives as itself.
class DALLY_EXPORT_TYPE error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A graph that cannot run as asked: an empty reduction, an empty handle, two takers of one move-only result.
class DALLY_EXPORT_TYPE graph_error : public error {
 public:
  using error::error;
};

/// An option, environment variable, file suffix or limit that makes no sense; the message lists what does.
class DALLY_EXPORT_TYPE config_error : public error {
 public:
  using error::error;
};

/// The run was stopped by a stop request or by SIGINT before its outputs were there.
class DALLY_EXPORT_TYPE cancelled : public error {
 public:
  using error::error;
};

namespace detail {

[[noreturn, gnu::cold]] DALLY_FUNCTION void throw_cancelled() {
  throw cancelled{"the run was cancelled before all of its tasks had run: a stop was requested"};
}

}  // namespace detail

/// The system refused threads, processes, descriptors, memory or disk.
///
/// Units  code() is the errno of the refusal, 0 where there is none
class DALLY_EXPORT_TYPE resource_error : public error {
 public:
  resource_error(std::string const& what, int code) : error{what}, code_{code} {}
  resource_error(char const* what, int code) : error{what}, code_{code} {}

  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

/// Throws a resource_error with this text and errno: for refuse, which keeps errno.
[[noreturn, gnu::cold]] DALLY_FUNCTION void throw_refused(char const* what) { throw resource_error{what, errno}; }

/// An error that speaks of one task.
class DALLY_EXPORT_TYPE task_failure : public error {
 public:
  /// The task's label.
  [[nodiscard]] std::string const& task() const noexcept { return task_; }
  [[nodiscard]] dally::key const& key() const noexcept { return key_; }

 protected:
  task_failure(std::string const& what, std::string task, dally::key key)
      : error{what}, task_{std::move(task)}, key_{std::move(key)} {}

 private:
  std::string task_;
  dally::key key_;
};

/// A result or an argument that cannot cross a process border; thrown before anything runs.
class DALLY_EXPORT_TYPE not_serializable : public task_failure {
 public:
  not_serializable(std::string const& what, std::string type, std::string task, dally::key key)
      : task_failure{what, std::move(task), std::move(key)}, type_{std::move(type)} {}

  /// What stands in the way: the type itself, or one of its parts.
  [[nodiscard]] std::string const& type_name() const noexcept { return type_; }

 private:
  std::string type_;
};

/// An exception that crossed a process border and whose type cannot be rebuilt on this side, or a result whose encoding
/// threw. Standard exceptions cross as themselves, and those that have a `travelling_exception`.
class DALLY_EXPORT_TYPE remote_error : public task_failure {
 public:
  remote_error(std::string const& what, std::string type, std::string text, std::string task, dally::key key)
      : task_failure{what, std::move(task), std::move(key)}, type_{std::move(type)}, text_{std::move(text)} {}

  /// The exception's type, as a reader would write it.
  [[nodiscard]] std::string const& type_name() const noexcept { return type_; }
  /// What it said of itself; "" if it was no std::exception.
  [[nodiscard]] std::string const& text() const noexcept { return text_; }

 private:
  std::string type_;
  std::string text_;
};

/// How a worker's process ended.
struct DALLY_EXPORT_TYPE worker_death {
  enum class reason : unsigned char {
    unknown,    ///< somebody else in this program waited for the process
    signalled,  ///< `number` is the signal
    exited,     ///< `number` is the status
    breach      ///< it sent what no worker sends, and was killed
  };
  reason why = reason::unknown;
  int number = 0;
};

/// A task's worker died each time it ran the task.
class DALLY_EXPORT_TYPE killed_worker : public task_failure {
 public:
  killed_worker(std::string const& what, worker_death death, unsigned attempts, std::string task, dally::key key)
      : task_failure{what, std::move(task), std::move(key)}, death_{death}, attempts_{attempts} {}

  /// How the last one died.
  [[nodiscard]] worker_death death() const noexcept { return death_; }
  [[nodiscard]] unsigned attempts() const noexcept { return attempts_; }

 private:
  worker_death death_;
  unsigned attempts_;
};

/// A task took longer than it was allowed to, each time it ran.
class DALLY_EXPORT_TYPE task_timeout : public task_failure {
 public:
  task_timeout(std::string const& what, unsigned attempts, std::string task, dally::key key)
      : task_failure{what, std::move(task), std::move(key)}, attempts_{attempts} {}

  [[nodiscard]] unsigned attempts() const noexcept { return attempts_; }

 private:
  unsigned attempts_;
};

}  // namespace dally
