#pragma once

#include <cstddef>
#include <cstring>
#include <exception>
#include <string>
#include <unordered_map>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/exceptions.hpp"

namespace dally::detail {

/// How often tasks of one run on worker processes have failed, and whether they may try again.
///
/// Cost  of those that never fail, none
class attempts {
 public:
  /// `crash_retries` are those of tasks that do not say it themselves.
  explicit attempts(unsigned crash_retries) noexcept : crash_retries_{crash_retries} {}

  /// How often the task has been tried in vain.
  [[nodiscard]] unsigned failed(node_id n) const { return count_of(exceptions_, n) + count_of(crashes_, n); }

  /// Notes that the task has thrown; true if it may run again.
  [[nodiscard]] bool may_repeat(node_id n, node const& task) {
    unsigned const allowed = task.extras() != nullptr ? task.extras()->options.retries : 0;
    if (count_of(exceptions_, n) >= allowed) return false;
    ++exceptions_[n];
    return true;
  }

  /// Notes that the task's worker has died; true if it may run again.
  [[nodiscard]] bool may_run_after_crash(node_id n, node const& task) {
    int const own = task.extras() != nullptr ? task.extras()->options.crash_retries : -1;
    return ++crashes_[n] <= (own >= 0 ? static_cast<unsigned>(own) : crash_retries_);
  }

  /// What to throw of a task whose worker died each time, the last time `how`; or was killed for taking too long, when
  /// it waited for a lock if `was_locked`.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION std::exception_ptr verdict(node_id n, node const& task, bool timed_out,
                                                                     bool was_locked, worker_death const& how) const {
    unsigned const crashes = count_of(crashes_, n);
    std::string const who = joined({"task \"", task.label(), "\" (", task.place_text(), ")"});
    std::string const times = crashes == 1 ? std::string{"once"} : joined({"each of ", decimal(crashes), " times"});
    if (timed_out) {
      return std::make_exception_ptr(
          task_timeout{joined({who, " took longer than it is allowed to, ", times, ", and was killed",
                               was_locked ? " while it waited for a lock or for another thread: threads of the program "
                                            "do not exist in its workers, and a mutex that one of them held when they "
                                            "were forked stays locked there; compute on a process_pool that is made "
                                            "before them, or "
                                          : ": ",
                               "raise task_options::timeout or processes{{.task_timeout = ...}}"}),
                       crashes, task.label(), task.key()});
    }
    return std::make_exception_ptr(killed_worker{joined({who, " ended its worker, ", times, ": the last ", text_of(how),
                                                         "; run it on synchronous{} under a debugger"}),
                                                 how, crashes, task.label(), task.key()});
  }

  /// What a task has thrown in a worker, from its bytes; std::bad_alloc where there is no memory for it here.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION static std::exception_ptr thrown(node const& task, std::byte const* body,
                                                                           std::size_t size) {
    try {
      archive_reader in{body, size};
      return decode_exception(in, task.label(), task.key());
    } catch (archive_error const& e) {
      return std::make_exception_ptr(remote_error{
          joined({"task \"", task.label(), "\" (", task.place_text(),
                  ") threw an exception in another process that could not be read from its bytes: ", e.what()}),
          "unknown", "", task.label(), task.key()});
    } catch (...) {  // no memory to read it
      return std::current_exception();
    }
  }

  /// How a worker ended, in words.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION static std::string text_of(worker_death const& how) {
    switch (how.why) {
      case worker_death::reason::signalled: {
        char const* const name = ::strsignal(how.number);
        return joined({"was ended by signal ", decimal(static_cast<unsigned>(how.number)), " (",
                       name != nullptr ? name : "unknown", ")"});
      }
      case worker_death::reason::exited:
        return joined({"exited with status ", decimal(static_cast<unsigned>(how.number))});
      case worker_death::reason::breach:
        return "closed or spoiled its socket, and was killed";
      case worker_death::reason::unknown:
        break;
    }
    return "ended in a way that this program did not let us see";
  }

 private:
  using counts = std::unordered_map<node_id, unsigned>;

  static unsigned count_of(counts const& of, node_id n) {
    if (of.empty()) return 0;
    auto const found = of.find(n);
    return found == of.end() ? 0 : found->second;
  }

  unsigned crash_retries_;
  counts crashes_;     // by node, of those that have ended a worker
  counts exceptions_;  // by node, of those that have thrown and were tried again
};

}  // namespace dally::detail
