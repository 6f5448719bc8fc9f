#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/task_limits.hpp"
#include "dally/pool/program_images.hpp"
#include "dally/schedulers/travelling_call.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/codec.hpp"

namespace dally::detail {

/// Looks, before anything runs, whether each task can run in another process.
///
/// Errors  not_serializable that names the task, the type that stands in the way, and the cures; config_error for
///         limits of a task that stays here
/// Cost    O(1) a task and an edge; a task that holds text as a pointer looks up where that lies
class preflight {
 public:
  /// `images` are those of a pool's workers; null for workers that inherit the graph.
  explicit preflight(program_images const* images) noexcept
      : images_{images}, changed_{images != nullptr && images->changed()} {}

  /// Whether a task must run on the calling thread: told to, or because it returns lazies or takes them. The graph that
  /// a lazy names is in the process that recorded it.
  [[nodiscard]] static bool stays_here(node const& task) noexcept {
    if (holds_lazies(task.type()) || (task.extras() != nullptr && task.extras()->options.here)) return true;
    for (dependency const d : task.dependencies()) {
      if (holds_lazies(d.from()->type())) return true;
    }
    return false;
  }

  /// Refuses a task that cannot run elsewhere; the tasks it depends on are looked at by check_result().
  void operator()(node const& task) const {
    check_result(task);
    if (task.type().writes_through) refuse_reference(task);
    if (images_ != nullptr) check_call(task);
  }

  /// Refuses limits of a task that stays here: it could not be ended, nor outlived.
  static void check_here(node const& task) {
    if (task.extras() != nullptr && has_task_limits(task.extras()->options)) refuse_limit_here(task);
  }

  static void check_result(node const& task) {
    if (task.type().wire->obstacle != nullptr) refuse_result(task);
  }

 private:
  static std::string_view obstacle_of(wire_type const& wire) noexcept { return {wire.obstacle, wire.obstacle_length}; }

  static bool holds_lazies(node_type const& type) noexcept {
    return type.wire->obstacle != nullptr && obstacle_of(*type.wire).starts_with("dally::lazy<");
  }

  // Whether workers that were there before it was recorded can make this call.
  void check_call(node const& task) const {
    node const& call = call_of(task);
    wire_type const& wire = *call.type().call;
    if (wire.obstacle != nullptr) refuse_call(task, wire);
    if (changed_) {
      bool known = images_->hold(&call.type());
      for (dependency const d : call.dependencies()) known = known && images_->hold(&d.from()->type());
      if (!known) refuse_loaded(task);
    }
    if (wire.addresses == address_kind::any || (changed_ && wire.addresses == address_kind::code)) {
      check_addresses(task, call);
    }
    for (dependency const d : call.dependencies()) {
      if (d.is_value() && d.from()->type().wire->obstacle != nullptr) {
        refuse_call(task, *d.from()->type().wire);
      }
    }
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse_result(node const& task) {
    std::string const type{obstacle_of(*task.type().wire)};
    if (task.type().wire->late) refuse_late(task, "its result", type);
    throw not_serializable{
        joined({"the result of task \"", task.label(), "\" (", task.place_text(),
                ") cannot cross process borders because of ", type, ": specialise dally::codec<", type,
                ">, return another type, or keep the task on the calling thread by {.here = true}"}),
        type, task.label(), task.key()};
  }
  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse_reference(node const& task) {
    throw not_serializable{joined({"task \"", task.label(), "\" (", task.place_text(),
                                   ") was given a std::ref: what it writes in another process would be lost. Return "
                                   "the value, pass std::cref, "
                                   "or keep the task on the calling thread by {.here = true}"}),
                           "std::reference_wrapper", task.label(), task.key()};
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse_limit_here(node const& task) {
    bool const told = task.extras()->options.here;
    refuse<config_error>(
        {"task \"", task.label(), "\" (", task.place_text(), ") has ", task_limit_text(task.extras()->options),
         ", which worker processes honour, but it runs on the thread that computes, because it ",
         told ? "is told to by {.here = true}" : "takes or returns a lazy", ": leave one of the two out"});
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse_late(node const& task, char const* what,
                                                                 std::string const& type) {
    throw not_serializable{
        joined({"task \"", task.label(), "\" (", task.place_text(), ") cannot cross process borders because ", what,
                " is, or holds, ", type,
                ", whose function serialize() no file of the program has compiled: include <dally/processes.hpp> in "
                "the file that records the task, above all that records, specialise dally::codec<",
                type, ">, or keep the task on the calling thread by {.here = true}"}),
        type, task.label(), task.key()};
  }
  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse_call(node const& task, wire_type const& wire) {
    if (wire.late) refuse_late(task, "its callable or an argument", std::string{obstacle_of(wire)});
    refuse_call(task, obstacle_of(wire));
  }
  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse_call(node const& task, std::string_view type) {
    throw not_serializable{
        joined(
            {"task \"", task.label(), "\" (", task.place_text(),
             ") cannot be sent to the workers of a process_pool, which were there before it was recorded, because "
             "its callable or an argument is, or holds, ",
             type,
             ": wrap a function or a lambda without captures and pass what it needs as values that have a codec, run "
             "it on processes{}, whose workers inherit everything, or keep it on the calling thread by {.here = "
             "true}"}),
        std::string{type}, task.label(), task.key()};
  }
  [[noreturn, gnu::cold]] DALLY_FUNCTION static void refuse_loaded(node const& task) {
    throw not_serializable{
        joined(
            {"task \"", task.label(), "\" (", task.place_text(),
             ") or what it takes comes from a library that was loaded after the process_pool was made, so its workers "
             "do not have it: make the pool after dlopen, or run the task on processes{}"}),
        "a function of a library loaded later", task.label(), task.key()};
  }

  void check_addresses(node const& task, node const& call) const {
    wire_type const& wire = *call.type().call;
    if (wire.encode == nullptr) {
      void const* code = nullptr;
      std::memcpy(&code, call.payload(), sizeof code);
      if (!images_->hold(code)) refuse_loaded(task);
      return;
    }
    try {
      known_addresses const known{*images_};
      archive_writer trial{known};
      wire.encode(trial, call.payload());
    } catch (unknown_address const&) {
      if (wire.addresses == address_kind::code) refuse_loaded(task);
      refuse_call(task, "a pointer to text that is no string literal, or one of a library loaded later");
    } catch (...) {  // a codec's, which fails the task when its turn comes
    }
  }

  class known_addresses final : public shared_addresses {
   public:
    explicit known_addresses(program_images const& images) noexcept : images_{images} {}
    [[nodiscard]] bool hold(void const* address) const noexcept override { return images_.hold(address); }

   private:
    program_images const& images_;
  };

  program_images const* images_;
  bool changed_;  // since the workers were there
};

}  // namespace dally::detail
