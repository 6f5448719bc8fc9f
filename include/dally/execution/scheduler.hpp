#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dally/core/function.hpp"
#include "dally/core/symbol.hpp"
#include "dally/execution/execution.hpp"
#include "dally/execution/task_limits.hpp"

namespace dally {

namespace detail {
template <class S>
concept runs_jobs = requires(std::remove_cvref_t<S>& s, execution& job) { s.run(job); };
}  // namespace detail

/// A policy that decides who steps which ready node, and when: `s.run(job)` returns when nothing of `job` is left.
/// Copied for each run, so `run` may change it; what must not be copied is wrapped, as threads{pool} does.
template <class S>
concept scheduler = std::copy_constructible<std::remove_cvref_t<S>> && detail::runs_jobs<S>;

/// Whether a scheduler ends tasks that take longer than their `timeout`, and tries those again that have ended their
/// process, as their `crash_retries` say. One that does has a member `bool honours_task_limits() const`; on the others
/// a task with such options is refused before anything runs.
template <scheduler S>
[[nodiscard]] bool honours_task_limits(S const& s) noexcept {
  if constexpr (requires {
                  { s.honours_task_limits() } -> std::convertible_to<bool>;
                }) {
    return s.honours_task_limits();
  } else {
    return false;
  }
}

/// Owns any scheduler; empty when default-constructed, which stands for the default one.
///
/// Errors  what the scheduler's copy constructor and run throw; config_error for limits that it does not honour
/// Cost    no allocation for schedulers of at most two pointers
class any_scheduler {
 public:
  any_scheduler() = default;

  template <class S>
    requires(!std::same_as<std::remove_cvref_t<S>, any_scheduler> && detail::runs_jobs<S>)
  any_scheduler(S&& of) {  // NOLINT(google-explicit-constructor): any scheduler is one
    using model = std::remove_cvref_t<S>;
    // Not a requirement: to copy a scheduler that is made of an any_scheduler, one asks whether this can be called.
    static_assert(std::copy_constructible<model>, "dally: a scheduler is copied for each run; wrap what must not be");
    if constexpr (fits<model>) {
      ::new (static_cast<void*>(storage_)) model(std::forward<S>(of));
    } else {
      ::new (static_cast<void*>(storage_)) model*(new model(std::forward<S>(of)));
    }
    type_ = &table<model>;
  }
  DALLY_FUNCTION_APART any_scheduler(any_scheduler const& other) {
    storage_[0] = other.storage_[0];
    storage_[1] = other.storage_[1];
    if (other.type_ != nullptr && other.type_->copy != nullptr) storage_[0] = other.type_->copy(other.storage_[0]);
    type_ = other.type_;
  }
  any_scheduler(any_scheduler&& other) noexcept : any_scheduler{} { swap(other); }
  any_scheduler& operator=(any_scheduler other) noexcept {
    swap(other);
    return *this;
  }
  DALLY_FUNCTION_APART ~any_scheduler() {
    if (type_ != nullptr && type_->destroy != nullptr) type_->destroy(storage_[0]);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return type_ != nullptr; }

  /// Runs `job` on a copy of the scheduler, which must not be empty.
  DALLY_FUNCTION_APART void run_copy(execution& job) const {
    if (job.plan().has_limits() && !honours_task_limits()) [[unlikely]]
      refuse_task_limits(job.plan(), type_->name());
    any_scheduler running{*this};
    running.run(job);
  }
  /// Runs `job` on the scheduler, which must not be empty.
  void run(execution& job) { type_->run(storage_, job); }
  /// Whether the scheduler, which must not be empty, honours `timeout` and `crash_retries`.
  [[nodiscard]] bool honours_task_limits() const noexcept { return type_->honours_task_limits(storage_); }

 private:
  // copy and destroy are null for those that fit: then copying the bytes is all.
  struct operations {
    void (*run)(void* storage, execution& job);
    void* (*copy)(void const* original);
    void (*destroy)(void* model) noexcept;
    bool (*honours_task_limits)(void* const* storage) noexcept;
    std::string_view (*name)() noexcept;
  };

  // Copying or moving a trivial object is copying its bytes, which is what swap does.
  template <class S>
  static constexpr bool fits =
      sizeof(S) <= 2 * sizeof(void*) && alignof(S) <= alignof(void*) && std::is_trivially_copyable_v<S>;

  template <class S>
  static std::string_view name_of() noexcept {
    return type_name<S>();
  }

  template <class S>
  static constexpr operations table_of() {
    if constexpr (fits<S>) {
      return {[](void* storage, execution& job) { static_cast<S*>(storage)->run(job); }, nullptr, nullptr,
              [](void* const* storage) noexcept {
                return dally::honours_task_limits(*static_cast<S const*>(static_cast<void const*>(storage)));
              },
              &name_of<S>};
    } else {
      return {
          [](void* storage, execution& job) { (*static_cast<S**>(storage))->run(job); },
          [](void const* original) -> void* { return new S(*static_cast<S const*>(original)); },
          [](void* model) noexcept { delete static_cast<S*>(model); },
          [](void* const* storage) noexcept { return dally::honours_task_limits(*static_cast<S const*>(*storage)); },
          &name_of<S>};
    }
  }
  template <class S>
  static constexpr operations table = table_of<S>();

  void swap(any_scheduler& other) noexcept {
    std::swap(storage_[0], other.storage_[0]);
    std::swap(storage_[1], other.storage_[1]);
    std::swap(type_, other.type_);
  }

  void* storage_[2]{};
  operations const* type_ = nullptr;
};

static_assert(scheduler<any_scheduler>);

}  // namespace dally
