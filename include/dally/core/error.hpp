#pragma once

#include <stdexcept>
#include <string>

namespace dally {

/// The root of every exception that dally itself throws; a task's own exception arrives as itself.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A graph that cannot run as asked: an empty reduction, an empty handle, two takers of one move-only result.
class graph_error : public error {
 public:
  using error::error;
};

/// An option, environment variable, file suffix or limit that makes no sense; the message lists what does.
class config_error : public error {
 public:
  using error::error;
};

/// The run was stopped by a stop request or by SIGINT before its outputs were there.
class cancelled : public error {
 public:
  using error::error;
};

/// The system refused threads, processes, descriptors, memory or disk.
///
/// Units  code() is the errno of the refusal, 0 where there is none
class resource_error : public error {
 public:
  resource_error(std::string const& what, int code) : error{what}, code_{code} {}

  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

}  // namespace dally
