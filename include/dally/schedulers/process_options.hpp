#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "dally/core/count.hpp"
#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/core/time_limit.hpp"
#include "dally/graph/task_limits.hpp"
#include "dally/pool/thread_pool.hpp"

namespace dally {

/// An amount of memory, as a number of bytes or as text: "512 MiB", "2GB", "1.5 GiB". Zero where none is meant.
///
/// Errors  config_error that says what is allowed
struct memory_size {
  std::uint64_t bytes = 0;

  constexpr memory_size() = default;
  template <std::integral Count>
  constexpr memory_size(Count count) noexcept  // NOLINT: .worker_memory = 1 << 30
      : bytes{static_cast<std::uint64_t>(count)} {}
  template <std::floating_point Count>
  constexpr memory_size(Count count) noexcept  // NOLINT: .worker_memory = 2e9
      : bytes{count == 0 || (count >= 1 && count < 0x1p63) ? static_cast<std::uint64_t>(count) : no_amount} {}
  memory_size(char const* text) : bytes{parse(text)} {}       // NOLINT: .worker_memory = "1GB"
  memory_size(std::string_view text) : bytes{parse(text)} {}  // NOLINT

  /// Whether it is one. A number below 0 is none, nor one without end, nor half a byte.
  [[nodiscard]] constexpr bool makes_sense() const noexcept { return bytes < no_amount; }

 private:
  static constexpr std::uint64_t no_amount = std::uint64_t{1} << 63;

  [[gnu::cold]] DALLY_FUNCTION static std::uint64_t parse(std::string_view text) {
    std::string_view rest = text;
    double number = 0;
    bool digits = false;
    double place = 0;
    while (!rest.empty() && ((rest[0] >= '0' && rest[0] <= '9') || (rest[0] == '.' && place == 0))) {
      if (rest[0] == '.') {
        place = 1;
      } else {
        digits = true;
        number = number * 10 + (rest[0] - '0');
        place *= 10;
      }
      rest.remove_prefix(1);
    }
    if (place != 0) number /= place;
    while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
    struct unit {
      std::string_view name;
      double bytes;
    };
    static constexpr unit units[] = {{"", 1},         {"B", 1},        {"kB", 1e3},    {"KB", 1e3},
                                     {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},   {"KiB", 1024.0},
                                     {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
    for (unit const& u : units) {
      if (digits && rest == u.name && number * u.bytes < 0x1p63) return static_cast<std::uint64_t>(number * u.bytes);
    }
    refuse<config_error>({"\"", text,
                          "\" is no amount of memory: a number, then B, kB, MB, GB, TB, KiB, MiB, GiB or TiB is, as in "
                          "\"512 MiB\""});
  }
};

/// What an initializer is told of the worker that it prepares.
struct worker_start {
  unsigned worker = 1;     ///< its number, 1 .. workers, as observers hear it
  unsigned attempt = 1;    ///< 2 for the process that takes the place of a worker that has ended, and so on
  std::uint64_t seed = 0;  ///< random, and another one for each process
};

/// A function that each worker calls before its first task: it takes a worker_start or nothing.
class worker_initializer {
 public:
  worker_initializer() = default;
  worker_initializer(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor)
  template <class F, class Call = std::decay_t<F>>
    requires(!std::same_as<Call, worker_initializer> && std::copy_constructible<Call> &&
             (std::invocable<Call&, worker_start const&> || std::invocable<Call&>))
  worker_initializer(F&& f) {  // NOLINT(google-explicit-constructor): .initializer = [] { ... }
    Call call(std::forward<F>(f));
    if constexpr (!std::is_empty_v<Call> && requires { call == nullptr; }) {  // a pointer, a std::function
      if (call == nullptr) return;
    }
    if constexpr (std::invocable<Call&, worker_start const&>) {
      call_ = std::move(call);
    } else {
      call_ = [call = std::move(call)](worker_start const&) mutable { static_cast<void>(call()); };
    }
  }

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(call_); }
  void operator()(worker_start const& start) const { call_(start); }

 private:
  std::function<void(worker_start const&)> call_;
};

/// How the scheduler `processes` runs. An aggregate: name the fields.
struct process_options {
  count workers = 0;            ///< at most so many at once, 4,096 at most; 0: as many as this process may use cores
  memory_size worker_memory{};  ///< what each may have beyond what it inherits: then `new` throws std::bad_alloc in it
  time_limit task_timeout{};    ///< a task that takes longer is ended with its worker; 0: none is
  count crash_retries = 3;      ///< how often a task runs again after its worker has died
  count max_tasks_per_worker = 0;    ///< after so many a worker is replaced; 0: never
  memory_size max_worker_growth{};   ///< a worker that has grown by more is replaced after its task
  worker_initializer initializer{};  ///< called in each worker before its first task; what it throws ends the run
  /// Told, on the thread that computes or the one beside it, what a run has had to do without: fewer workers than asked
  /// for, and why. By default it is a line on stderr.
  std::function<void(std::string_view note)> note{&print_note};

  static void print_note(std::string_view note) {
    std::fprintf(stderr, "dally: %.*s\n", static_cast<int>(note.size()), note.data());
  }
};

/// Refuses options that make no sense. Errors: config_error that names the option, its value, and what is allowed.
[[gnu::cold]] DALLY_FUNCTION void check_process_options(process_options const& options) {
  auto const refuse_option = [](char const* option, std::string const& value, std::string_view allowed) {
    refuse<config_error>({"processes{{.", option, " = ", value, "}}: ", allowed});
  };
  auto const check_memory = [&](char const* option, memory_size size) {
    if (size.makes_sense()) return;
    // A negative number of bytes, as it is kept; the lowest stands for what is no number of bytes.
    std::string const value = size.bytes == std::uint64_t{1} << 63 ? std::string{"no number of bytes"}
                                                                   : joined({"-", decimal(~size.bytes + 1)});
    refuse_option(option, value, "a number of bytes below 2^63 is allowed, or text as \"512 MiB\"; 0 for no limit");
  };
  auto const check_count = [&](char const* option, count how_many, unsigned most, char const* meaning_of_zero) {
    if (how_many.between(0, most)) return;
    refuse_option(option, std::to_string(how_many.number()),
                  joined({"0 (", meaning_of_zero, ") to ", decimal(most), " is allowed"}));
  };
  check_count("workers", options.workers, thread_pool::most_workers, "as many as there are cores");
  if (options.task_timeout.count() < 0) {
    refuse_option("task_timeout", text_of(options.task_timeout),
                  "a length of time above 0 is allowed, and 0 for no limit");
  }
  check_memory("worker_memory", options.worker_memory);
  check_memory("max_worker_growth", options.max_worker_growth);
  check_count("crash_retries", options.crash_retries, most_retries, "never again");
  check_count("max_tasks_per_worker", options.max_tasks_per_worker, most_retries, "without end");
}

}  // namespace dally
