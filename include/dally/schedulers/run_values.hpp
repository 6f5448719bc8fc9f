#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dally/core/block_cache.hpp"
#include "dally/core/function.hpp"
#include "dally/execution/execution.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"
#include "dally/pool/byte_queue.hpp"
#include "dally/schedulers/codec_failures.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/schedulers/kept_results.hpp"
#include "dally/schedulers/travelling_call.hpp"
#include "dally/schedulers/worker_crew.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/codec_failure.hpp"

namespace dally::detail {

/// The values of one run on worker processes: where each result is, as an object of this process or as bytes, and how
/// tasks and what they take get into frames.
///
/// Errors  unusable_value, where a codec has failed; std::bad_alloc
class run_values {
 public:
  run_values(execution& job, worker_crew& crew) noexcept : job_{job}, plan_{job.plan()}, crew_{crew}, results_{crew} {}
  run_values(run_values const&) = delete;
  run_values& operator=(run_values const&) = delete;
  ~run_values() {
    if (!results_.prepared()) return;
    for (node_id n = 0; n < plan_.size(); ++n) {
      if ((where_[n] & as_bytes) != 0) results_.give_back(n);
    }
  }

  // ---- before anything runs -----------------------------------------------------------------------------------------

  /// Notes that a worker will be sent this task, and what it takes.
  void expect(node const& task) {
    some_as_bytes_ = some_as_bytes_ || !fits_slot(task.type());
    for (dependency const d : task.dependencies()) {
      some_as_bytes_ = some_as_bytes_ || (!d.is_value() && !fits_slot(d.from()->type()));
    }
    if (crew_.is_pool()) each_kept_constant(task, [this](void const* value) { results_.count_constant(value); });
  }
  /// After all of these.
  void prepare() {
    where_ = scratch_array<std::uint8_t>{plan_.size()};
    for (node_id n = 0; n < plan_.size(); ++n) where_[n] = 0;
    if (!some_as_bytes_) return;
    results_.prepare(plan_.size());
    crew_.want_arenas();
  }

  // ---- results ------------------------------------------------------------------------------------------------------

  /// Keeps what a worker has answered. False if no worker answers so.
  [[nodiscard]] bool take(seat const& from, node_id n, bool in_its_arena, std::byte const* body, std::size_t size) {
    if (in_its_arena) {
      if (!results_.keep_place(n, from, body, size)) return false;
      where_[n] |= as_bytes;
    } else if (fits_slot(plan_.task(n).type())) {
      job_.put(n, [&](void* at) { std::memcpy(at, body, size); });
      where_[n] |= as_object;
    } else {
      results_.keep(n, body, size);
      where_[n] |= as_bytes;
    }
    return true;
  }
  /// Notes that a task has run here.
  void made_here(node_id n) noexcept { where_[n] |= as_object; }

  /// Puts a result into the run.
  void materialize(node_id m) {
    if ((where_[m] & as_object) != 0) return;
    try {
      job_.put(m,
               [&](void* at) { decode_result(plan_.task(m).type(), results_.bytes_of(m), results_.size_of(m), at); });
    } catch (codec_failure const& e) {
      throw of_result(m, e);
    }
    where_[m] |= as_object;
  }

  /// Nobody needs this result any more.
  void drop(node_id m) {
    if ((where_[m] & as_bytes) != 0) results_.drop(m);
    where_[m] = 0;
  }
  /// A task for workers has ended, or will not run.
  void ended(node const& task) {
    if (crew_.is_pool()) each_kept_constant(task, [this](void const* value) { results_.drop_constant(value); });
  }

  /// The worker that has the largest of a task's inputs: where its pages are in the processor's cache, and mapped; null
  /// if none is large.
  [[nodiscard]] seat* holder_of_largest_input(node_id n) const noexcept {
    if (!crew_.has_arenas()) return nullptr;
    std::uint64_t largest = 0;
    seat* holder = nullptr;
    std::size_t looked_at = 0;
    for (std::uint32_t const edge : plan_.edges(n)) {
      if (++looked_at > 64) break;  // one of so many is not worth the search
      if ((edge & constant_edge) != 0 || (where_[edge] & as_bytes) == 0) continue;
      if (results_.size_of(edge) <= largest) continue;
      seat* const writer = results_.holder_of(edge);
      if (writer == nullptr) continue;
      largest = results_.size_of(edge);
      holder = writer;
    }
    return holder;
  }

  // ---- frames -------------------------------------------------------------------------------------------------------

  /// Appends what `reader` needs to run a task.
  void add_task(seat& reader, node_id n) {
    if (crew_.is_pool()) return add_call(reader, n);
    for (std::uint32_t const edge : plan_.edges(n)) {
      if ((edge & constant_edge) == 0) add_input(reader, edge);
    }
  }

  /// What a worker says that it could not read of what task n takes. Errors: archive_error.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION unusable_value unread(node_id n, std::byte const* body,
                                                                std::size_t size) const {
    archive_reader in{body, size};
    auto const input = in.read<std::uint32_t>();
    codec_failure const e = decode_failure(in);
    node const& task = plan_.task(n);
    node_ids const edges = plan_.edges(n);
    if (input >= edges.size()) return {failed_codec_of_argument(task_name::of(task), e), nullptr};
    if ((edges[input] & constant_edge) == 0) return of_result(edges[input], e);
    return of_constant(*call_of(task).dependencies()[input].from(), task, e);
  }

 private:
  enum : std::uint8_t {
    as_object = 1,  // in the run's slot
    as_bytes = 2    // in results_
  };

  // Results that are their bytes and need no early end are kept as values: sent from there, and read from there.
  static bool fits_slot(node_type const& type) noexcept {
    return type.wire->encode == nullptr && !type.result->tracked;
  }

  // The literals and persisted values that a task takes and that are written but once, for all tasks that take them.
  template <class Visit>
  static void each_kept_constant(node const& task, Visit const& visit) {
    for (dependency const d : call_of(task).dependencies()) {
      if (d.is_value() && result_may_be_large(d.from()->type())) visit(d.from()->payload());
    }
  }

  // All that a worker needs which has no plan. What a task that was recorded again waits for besides is not sent.
  void add_call(seat& reader, node_id n) {
    node const& task = plan_.task(n);
    node const& call = call_of(task);
    try {
      append_call(reader.out, task, call);
    } catch (codec_failure const& e) {
      throw unusable_value{failed_codec_of_argument(task_name::of(task), e), nullptr};
    }
    std::uint32_t const* const edges = plan_.edges(n).begin();
    for (std::size_t k = 0; k < call.dependencies().size(); ++k) {
      if ((edges[k] & constant_edge) == 0) {
        add_input(reader, edges[k]);
      } else {
        add_constant(reader, task, *call.dependencies()[k].from());
      }
    }
  }

  void add_constant(seat& reader, node const& reading, node const& value) {
    if (!result_may_be_large(value.type())) return add_bits(reader.out, value.type(), value.payload());
    try {
      results_.send_constant(reader, value.type(), value.payload());
    } catch (codec_failure const& e) {
      throw of_constant(value, reading, e);
    }
  }

  void add_input(seat& reader, node_id m) {
    node_type const& type = plan_.task(m).type();
    if (fits_slot(type)) return add_bits(reader.out, type, job_.result(m));
    if ((where_[m] & as_bytes) == 0) {
      try {
        results_.keep_value(m, type, job_.result(m));
      } catch (codec_failure const& e) {
        throw of_result(m, e);
      }
      where_[m] |= as_bytes;
    }
    results_.send(reader, m);
  }

  static void add_bits(byte_queue& to, node_type const& type, void const* value) {
    std::uint64_t const size = type.result->size;
    to.add(&size, sizeof size);
    to.add(value, size);
  }

  [[nodiscard, gnu::cold]] DALLY_FUNCTION unusable_value of_result(node_id m, codec_failure const& e) const {
    return {failed_codec_of(task_name::of(plan_.task(m)), e), &plan_.task(m)};
  }
  // A persisted value is its task's result; a literal is an argument of the task that takes it.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION static unusable_value of_constant(node const& value, node const& reading,
                                                                            codec_failure const& e) {
    if (value.extras() != nullptr) return {failed_codec_of(task_name::of(value), e), &value};
    return {failed_codec_of_literal(value, task_name::of(reading), e), nullptr};
  }

  execution& job_;
  plan const& plan_;
  worker_crew& crew_;
  scratch_array<std::uint8_t> where_;
  kept_results results_;
  bool some_as_bytes_ = false;
};

}  // namespace dally::detail
