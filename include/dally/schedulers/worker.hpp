#pragma once

#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/export.hpp"
#include "dally/core/float_environment.hpp"
#include "dally/core/function.hpp"
#include "dally/core/slot.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"
#include "dally/pool/byte_queue.hpp"
#include "dally/pool/child_process.hpp"
#include "dally/pool/printed.hpp"
#include "dally/pool/shared_arena.hpp"
#include "dally/pool/shared_memory.hpp"
#include "dally/schedulers/codec_failures.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/schedulers/local_values.hpp"
#include "dally/schedulers/process_options.hpp"
#include "dally/schedulers/travelling_call.hpp"
#include "dally/serialize/codec_failure.hpp"
#include "dally/serialize/exceptions.hpp"
#include "dally/serialize/shared_array.hpp"

namespace dally::detail {

inline std::int64_t steady_nanoseconds() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds{1};
}

/// A number of a file of /proc/self, the first after `name`, 0 if there is none.
[[gnu::cold]] DALLY_FUNCTION std::uint64_t own_number(char const* file, char const* name) noexcept {
  int const from = ::open(file, O_RDONLY | O_CLOEXEC);
  if (from < 0) return 0;
  char text[4096];
  ssize_t const size = ::read(from, text, sizeof text - 1);
  ::close(from);
  if (size <= 0) return 0;
  text[size] = '\0';
  char const* const at = std::strstr(text, name);
  return at == nullptr ? 0 : std::strtoull(at + std::strlen(name), nullptr, 10);
}

/// Memory of this process that lies in RAM now. Units: bytes.
inline std::uint64_t resident_bytes() noexcept { return own_number("/proc/self/status", "VmRSS:") * 1024; }

/// A random number that no other process gets, whatever it has inherited.
[[gnu::cold]] DALLY_FUNCTION std::uint64_t random_seed() noexcept {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) == static_cast<ssize_t>(sizeof seed)) return seed;
  // While the system starts. What follows is a bijection that spreads the bits, SplitMix64's.
  seed = static_cast<std::uint64_t>(steady_nanoseconds()) ^ static_cast<std::uint64_t>(::getpid()) << 40;
  seed = (seed ^ seed >> 30) * 0xbf58'476d'1ce4'e5b9;
  seed = (seed ^ seed >> 27) * 0x94d0'49bb'1331'11eb;
  return seed ^ seed >> 31;
}

/// Lets this process have `bytes` more memory than it has inherited: then allocations fail. Not under a sanitizer,
/// whose own memory would count.
[[gnu::cold]] DALLY_FUNCTION void limit_memory([[maybe_unused]] std::uint64_t bytes) noexcept {
#if !defined(DALLY_ADDRESS_SANITIZER) && !defined(__SANITIZE_THREAD__)
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) return;
  std::uint64_t const wanted = own_number("/proc/self/status", "VmData:") * 1024 + bytes;
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted) return;
  limit.rlim_cur = wanted;
  ::setrlimit(RLIMIT_DATA, &limit);
#endif
}

/// A worker's arena, and what its tasks make in it to be sent as it lies there.
///
/// Threads  any: a task may have some
class arena_results final : public result_memory {
 public:
  arena_results(shared_arena* arena, pid_t process) noexcept : arena_{arena}, process_{process} {}
  arena_results(arena_results const&) = delete;
  arena_results& operator=(arena_results const&) = delete;

  std::byte* allocate(std::size_t bytes) noexcept override {
    if (::getpid() != process_) return nullptr;  // a child that the task has forked: the arena is its parent's
    std::lock_guard const lock{mutex_};
    try {
      made_.reserve(made_.size() + 1);
      auto const range = arena_->allocate(bytes);
      if (!range) return nullptr;
      made_.push_back(*range);
      return arena_->data(*range);
    } catch (std::bad_alloc const&) {
      return nullptr;
    }
  }
  void release(std::byte* memory) noexcept override {
    if (::getpid() != process_) return;
    std::lock_guard const lock{mutex_};
    if (auto const range = take(memory)) arena_->free(*range);
  }
  /// Writes what a task has returned; none if the arena is full. Errors: what its codec throws.
  std::optional<arena_range> write(node_type const& type, void const* value, std::size_t size) {
    std::lock_guard const lock{mutex_};
    return write_into(*arena_, type, value, size);
  }
  /// Takes back what the coordinator does not need any more.
  void free(arena_range const& range) {
    std::lock_guard const lock{mutex_};
    arena_->free(range);
  }
  /// Gives it to the coordinator, if it was made here and is all that is to be sent.
  std::optional<arena_range> send(std::byte const* memory, std::size_t size) noexcept {
    std::lock_guard const lock{mutex_};
    for (arena_range const& range : made_) {
      if (arena_->data(range) == memory && range.size == size) return take(memory);
    }
    return std::nullopt;
  }

 private:
  std::optional<arena_range> take(std::byte const* memory) noexcept {
    for (std::size_t i = 0; i < made_.size(); ++i) {
      if (arena_->data(made_[i]) != memory) continue;
      arena_range const taken = made_[i];
      made_[i] = made_.back();
      made_.pop_back();
      return taken;
    }
    return std::nullopt;
  }

  shared_arena* arena_;
  pid_t process_;
  std::recursive_mutex mutex_;     // a codec may make arrays
  std::vector<arena_range> made_;  // and not sent
};

/// The loop of a worker's process: receives tasks, of the plan that it inherited or with all they need, calls them,
/// sends what they return. Leaves only by _exit: destructors and exit handlers are the parent's to run.
class worker {
 public:
  /// `of` is the plan that this process has inherited, or null: then tasks come as calls. `arenas` are all that it has
  /// inherited; `own`, which may be null, is the one to write to. `start` is for the initializer.
  worker(plan const* of, worker_status& status, claim_table& claims, int socket, std::uint32_t epoch,
         worker_start const& start, std::vector<std::unique_ptr<arena_book>> const& arenas, shared_arena* own,
         process_options const& options) noexcept
      : plan_{of},
        status_{status},
        claims_{claims},
        socket_{socket},
        epoch_{epoch},
        start_{start},
        process_{::getpid()},
        options_{options},
        arenas_{arenas},
        own_{own != nullptr && own->write_here() ? own : nullptr},
        made_{own_, process_} {
    if (own_ != nullptr) result_memory::here = &made_;
  }

  [[noreturn]] void run() noexcept {
#ifdef __GLIBC__
    // Large vectors come and go with each task: memory that was touched before is five times as fast as new pages.
    ::mallopt(M_MMAP_MAX, 0);
    ::mallopt(M_TRIM_THRESHOLD, kept_heap);
#endif
    keep_room();
    if (options_.worker_memory.bytes != 0) limit_memory(options_.worker_memory.bytes);
    initialize();
    if (options_.max_worker_growth.bytes != 0) resident_ = resident_bytes();
    send(frame_header{.kind = frame_kind::hello, .epoch = epoch_});
    for (;;) {
      while (in_.size() >= sizeof(frame_header)) {
        frame_header header;
        std::memcpy(&header, in_.data(), sizeof header);
        if (in_.size() - sizeof header < header.length) break;
        if (header.kind == frame_kind::unused) {
          free_unused(in_.data() + sizeof header, header.length);
        } else {
          perform(header, in_.data() + sizeof header);
        }
        in_.take(sizeof header + header.length);
      }
      if (in_.receive(socket_, 0) == byte_queue::moved::closed) ::_exit(0);  // nobody is left to work for
    }
  }

 private:
  static constexpr int kept_heap = 1 << 28;
  static constexpr std::size_t kept_room = std::size_t{1} << 16;
  static constexpr int socket_lost = 122;
  static constexpr int initializer_failed = 123;

  void initialize() noexcept {
    if (!options_.initializer) return;
    try {
      start_.seed = random_seed();
      options_.initializer(start_);
      flush_printed();
    } catch (...) {
      begin_answer(frame_header{.kind = frame_kind::fail, .epoch = epoch_}, {});
      append_exception(std::current_exception());
      finish_answer(0);
      static_cast<void>(out_.send(socket_, 0));
      ::_exit(initializer_failed);
    }
  }

  void perform(frame_header const& task, std::byte const* bytes) noexcept {
    status_.begin(task.sequence);  // before it is ours: where we die, it may be no other's
    if (claims_.take(task.claim, task.sequence)) call(task, bytes);
    status_.end();
  }

  void call(frame_header const& task, std::byte const* bytes) noexcept {
    frame_header answer{
        .kind = frame_kind::done, .claim = task.claim, .epoch = epoch_, .node = task.node, .sequence = task.sequence};
    float_environment::of(claims_.float_bits.load(std::memory_order_relaxed)).apply();
    task_times times{.start = steady_nanoseconds()};
    std::size_t const before = out_.size();
    try {
      archive_reader in{bytes, task.length};
      local_inputs taken;
      if (plan_ == nullptr) {
        received_call const received{in, taken};
        taken.read(in, arenas_);
        call_one(received.call(), taken.all(nullptr), received, answer, times, before);
      } else {
        node const& called = plan_->task(task.node);
        dependency const* wanted = called.dependencies().begin();
        for (std::uint32_t const edge : plan_->edges(task.node)) {
          if ((edge & constant_edge) != 0) {
            taken.add_constant(edge);
          } else {
            taken.add(plan_->task(edge).type(), wanted->by_view());
          }
          ++wanted;
        }
        taken.read(in, arenas_);
        call_one(called, taken.all(plan_->constants()), called, answer, times, before);
      }
    } catch (unreadable_input const& e) {
      out_.withdraw(out_.size() - before);
      answer_unreadable(answer, times, e);
    } catch (...) {
      leave_if_forked();
      times.end = steady_nanoseconds();
      out_.withdraw(out_.size() - before);
      answer_failed(answer, times);
    }
    finish_answer(before);
    flush_printed();  // what it printed must not be lost with a later task's crash
    if (options_.max_worker_growth.bytes != 0) {
      std::uint64_t const now = resident_bytes();
      claims_.growth.store(now > resident_ ? now - resident_ : 0, std::memory_order_relaxed);
    }
    if (out_.send(socket_, 0) != byte_queue::moved::all) ::_exit(socket_lost);
    keep_room();
  }

  // With the exception that is being handled.
  void answer_failed(frame_header answer, task_times const& times) noexcept {
    answer.kind = frame_kind::fail;
    begin_answer(answer, times);
    append_exception(std::current_exception());
  }

  // Whose value it is, the coordinator knows.
  void answer_unreadable(frame_header answer, task_times& times, unreadable_input const& e) noexcept {
    std::size_t const before = out_.size();
    times.end = steady_nanoseconds();
    try {
      answer.kind = frame_kind::unreadable;
      begin_answer(answer, times);
      out_.add(&e.input, sizeof e.input);
      append_archive(out_, 256, [&](archive_writer& to) { encode_failure(to, e.why); });
    } catch (...) {
      out_.withdraw(out_.size() - before);
      answer_failed(answer, times);
    }
  }

  // Calls a task and writes the answer. `who` knows its label and key.
  template <class Who>
  void call_one(node const& called, inputs const& in, Who const& who, frame_header const& answer, task_times& times,
                std::size_t before) {
    node_type const& type = called.type();
    local_result result{*type.result};
    times.start = steady_nanoseconds();
    type.invoke(called, in, result.address());
    leave_if_forked();
    times.end = steady_nanoseconds();
    result.constructed();
    begin_answer(answer, times);
    try {
      append_result(type, result.address(), before);
    } catch (codec_failure const& e) {
      throw failed_codec_of({who.label(), called.place_text(), who.key()}, e);
    }
  }

  // The task may have forked, and this be its child: what it would say, and put into the arena, is the worker's to.
  void leave_if_forked() const noexcept {
    if (::getpid() == process_) return;
    flush_printed();
    ::_exit(0);
  }

  // Into the answer that began at `before`, or into the arena if it is large; if that is full, into the answer all the
  // same.
  void append_result(node_type const& type, void const* value, std::size_t before) {
    if (own_ != nullptr && result_may_be_large(type)) {
      archive_writer trial;
      encode_result(type, trial, value);
      if (trial.size() > largest_inline) {
        auto range = made_.send(trial.whole(), trial.size());
        if (!range) range = made_.write(type, value, trial.size());
        if (range) {
          out_.add(&*range, sizeof *range);
          frame_header header;
          std::byte* const at = const_cast<std::byte*>(out_.data()) + before;
          std::memcpy(&header, at, sizeof header);
          header.arena = true;
          std::memcpy(at, &header, sizeof header);
          return;
        }
      }
    }
    detail::append_result(out_, type, value);
  }

  void free_unused(std::byte const* bytes, std::size_t size) noexcept {
    for (arena_range range; size >= sizeof range; bytes += sizeof range, size -= sizeof range) {
      std::memcpy(&range, bytes, sizeof range);
      made_.free(range);
    }
  }

  void begin_answer(frame_header const& answer, task_times const& times) {
    out_.add(&answer, sizeof answer);
    out_.add(&times, sizeof times);
  }

  // Writes down how much follows the header.
  void finish_answer(std::size_t before) noexcept {
    std::uint64_t const length = out_.size() - before - sizeof(frame_header);
    std::byte* const header = const_cast<std::byte*>(out_.data()) + before;
    std::memcpy(header + offsetof(frame_header, length), &length, sizeof length);
  }

  // Its type at least, for which keep_room() has kept room.
  void append_exception(std::exception_ptr const& thrown) noexcept {
    std::size_t const before = out_.size();
    try {
      append_archive(out_, 256, [&](archive_writer& to) { encode_exception(to, thrown); });
    } catch (...) {
      out_.withdraw(out_.size() - before);
      archive_writer brief{out_.room(brief_exception_bytes), brief_exception_bytes};
      encode_exception_briefly(brief, thrown);
      out_.added(brief.size());
    }
  }

  // So that what is sent of a lack of memory needs none. A queue that was large has given its memory back.
  void keep_room() noexcept {
    try {
      static_cast<void>(out_.room(kept_room));
    } catch (std::bad_alloc const&) {  // then the task that asks for some will say so
    }
  }

  void send(frame_header const& header) noexcept {
    out_.add(&header, sizeof header);
    if (out_.send(socket_, 0) != byte_queue::moved::all) ::_exit(0);
  }

  plan const* const plan_;
  worker_status& status_;
  claim_table& claims_;
  int const socket_;
  std::uint32_t const epoch_;
  worker_start start_;
  pid_t const process_;
  process_options const& options_;
  std::vector<std::unique_ptr<arena_book>> const& arenas_;
  shared_arena* const own_;
  arena_results made_;
  std::uint64_t resident_ = 0;
  byte_queue in_;
  byte_queue out_;
};

}  // namespace dally::detail
