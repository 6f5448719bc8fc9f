#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "dally/core/block_cache.hpp"
#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/execution/execution.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/plan.hpp"
#include "dally/pool/byte_queue.hpp"
#include "dally/schedulers/attempts.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/schedulers/kept_results.hpp"
#include "dally/schedulers/preflight.hpp"
#include "dally/schedulers/process_options.hpp"
#include "dally/schedulers/travelling_call.hpp"
#include "dally/schedulers/worker.hpp"
#include "dally/schedulers/worker_crew.hpp"
#include "dally/serialize/exceptions.hpp"

namespace dally::detail {

/// One run on worker processes: the calling thread sends ready tasks and what they take, and receives what they return.
/// It alone decides and it alone keeps: a worker that dies takes nothing with it but the task that it ran.
///
/// Every wait ends: a worker's death closes its socket and its pidfd, a worker that does not even start is given up,
/// and stop requests are looked at every few milliseconds.
class coordinator {
 public:
  coordinator(execution& job, process_options const& options, worker_crew& crew) noexcept
      : job_{job},
        plan_{job.plan()},
        options_{options},
        crew_{crew},
        results_{crew},
        attempts_{options.crash_retries} {}
  coordinator(coordinator const&) = delete;
  coordinator& operator=(coordinator const&) = delete;
  ~coordinator() {
    if (!results_.prepared()) return;
    for (node_id n = 0; n < plan_.size(); ++n) {
      if ((flags_[n] & has_bytes) != 0) results_.give_back(n);
    }
  }

  void run() {
    survey();
    roots_ = job_.ready();
    while (!job_.finished()) {
      if (job_.stopped()) {
        drain();
        if (job_.finished()) break;
      } else if (!waits_for_crew()) {
        assign();
      }
      crew_.send_all();
      bool const here = !here_.empty() && !job_.stopped() && !(waits_for_crew() && !crew_.idle());
      if (here) run_here();
      wait(here ? 0 : tick_milliseconds);
    }
    if (drained_ || job_.failed() != nullptr) return;
    for (std::uint32_t const edge : plan_.outputs()) {
      if ((edge & constant_edge) == 0) materialize(edge);
    }
  }

 private:
  static constexpr int tick_milliseconds = 20;
  static constexpr unsigned most_in_flight = 32;
  static constexpr std::int64_t one_second = 1'000'000'000;

  // Of a node.
  enum : std::uint8_t {
    runs_here = 1,   // on the calling thread
    has_object = 2,  // its result is in the run's slot
    has_bytes = 4,   // its result is in results_
    announced = 8    // observers know that it has begun
  };

  // ---- before anything runs -----------------------------------------------------------------------------------------

  // Which tasks run here, and whether all others can run elsewhere.
  void survey() {
    std::uint32_t const size = plan_.size();
    flags_ = scratch_array<std::uint8_t>{size};
    preflight const check{crew_.is_pool() ? &crew_.images() : nullptr};
    bool bytes = false;
    for (node_id n = 0; n < size; ++n) {
      node const& task = plan_.task(n);
      flags_[n] = preflight::stays_here(task) ? runs_here : 0;
      if (flags_[n] != 0) continue;
      check(task);
      bytes = bytes || !fits_slot(task.type());
      for (std::uint32_t const edge : plan_.edges(n)) {
        if ((edge & constant_edge) != 0) continue;
        node const& from = plan_.task(edge);
        preflight::check_result(from);
        bytes = bytes || !fits_slot(from.type());
      }
    }
    if (!bytes) return;
    results_.prepare(size);
    crew_.want_arenas();
  }

  // Results that are their bytes and need no early end are kept as values: sent from there, and read from there.
  static bool fits_slot(node_type const& type) noexcept {
    return type.wire->encode == nullptr && !type.result->tracked;
  }

  // ---- what is ready, and who gets it -------------------------------------------------------------------------------

  [[nodiscard]] bool any_ready() {
    // Roots that run here are set aside when their turn comes.
    while (next_root_ < roots_.size() && (flags_[roots_[next_root_]] & runs_here) != 0) {
      here_.push_back(roots_[next_root_++]);
    }
    return !ready_.empty() || next_root_ < roots_.size();
  }
  node_id take_ready() {
    if (ready_.empty()) return roots_[next_root_++];
    node_id const n = ready_.back();
    ready_.pop_back();
    return n;
  }
  void add_ready(node_id n) { ((flags_[n] & runs_here) != 0 ? here_ : ready_).push_back(n); }

  void release(node_id n) {
    job_.release(
        n, [this](node_id ready) { add_ready(ready); },
        [this](node_id unused) {
          if ((flags_[unused] & has_bytes) != 0) results_.drop(unused);
          flags_[unused] &= static_cast<std::uint8_t>(~(has_bytes | has_object));
        });
  }

  // How many tasks a worker may have: one to run, and enough to go on with while their results travel.
  [[nodiscard]] unsigned window() const noexcept {
    if (mean_nanoseconds_ == 0) return 1;
    if (mean_nanoseconds_ < 20'000) return most_in_flight;
    return mean_nanoseconds_ < 1'000'000 ? 4 : 2;
  }

  void assign() {
    unsigned const most = window();
    for (auto& s : crew_.seats()) {
      if (s->alive() && s->in_flight.empty() && crew_.worn_out(*s)) crew_.end(*s);
    }
    while (any_ready() && !job_.stopped()) {
      node_id const n = take_ready();
      seat* best = crew_.least_busy();
      seat* const holder = holder_of_largest_input(n);
      // Rather than let somebody be idle, another one reads it.
      if (holder != nullptr && !crew_.worn_out(*holder) && holder->in_flight.size() < most &&
          (holder->in_flight.empty() || !best->in_flight.empty())) {
        best = holder;
      }
      if (best == nullptr || !best->in_flight.empty()) {
        if (seat* const started = crew_.start()) best = started;
      }
      if (best == nullptr || best->in_flight.size() >= most) {
        ready_.push_back(n);
        break;
      }
      send(*best, n);
    }
    if (!any_ready()) share_out();
  }

  // Where the pages of that input are in the processor's cache, and mapped; null if none is large.
  [[nodiscard]] seat* holder_of_largest_input(node_id n) const noexcept {
    if (!crew_.has_arenas()) return nullptr;
    std::uint64_t largest = 0;
    seat* holder = nullptr;
    std::size_t looked_at = 0;
    for (std::uint32_t const edge : plan_.edges(n)) {
      if (++looked_at > 64) break;  // one of so many is not worth the search
      if ((edge & constant_edge) != 0 || (flags_[edge] & has_bytes) == 0) continue;
      if (results_.size_of(edge) <= largest) continue;
      seat* const writer = results_.holder_of(edge);
      if (writer == nullptr) continue;
      largest = results_.size_of(edge);
      holder = writer;
    }
    return holder;
  }

  // Takes tasks that have not begun back for workers that have nothing to do.
  void share_out() {
    for (auto& idle : crew_.seats()) {
      if (!idle->alive() || !idle->in_flight.empty() || crew_.worn_out(*idle)) continue;
      seat* longest = nullptr;
      for (auto& s : crew_.seats()) {
        if (s->alive() && s->in_flight.size() >= 2 &&
            (longest == nullptr || s->in_flight.size() > longest->in_flight.size())) {
          longest = s.get();
        }
      }
      if (longest == nullptr) return;
      if (node_id n = 0; take_back(*longest, n)) send(*idle, n);
    }
  }

  // The task that would run last on that worker, unless it runs already.
  bool take_back(seat& from, node_id& n) {
    sent const last = from.in_flight.back();
    if (!from.claims->take(last.claim, last.sequence)) return false;
    from.in_flight.pop_back();
    from.claimed &= ~(std::uint64_t{1} << last.claim);
    n = last.node;
    return true;
  }

  void send(seat& to, node_id n) {
    std::size_t const before = to.out.size();
    frame_header header{.kind = frame_kind::task,
                        .claim = static_cast<std::uint16_t>(std::countr_one(to.claimed)),
                        .epoch = to.epoch,
                        .node = n,
                        .sequence = crew_.next_sequence()};
    to.out.add(&header, sizeof header);
    try {
      if (crew_.is_pool()) {
        add_call(to, n);
      } else {
        for (std::uint32_t const edge : plan_.edges(n)) {
          if ((edge & constant_edge) == 0) add_input(to, edge);
        }
      }
    } catch (...) {
      to.out.withdraw(to.out.size() - before);
      return fail_at_once(n);
    }
    std::uint64_t const length = to.out.size() - before - sizeof header;
    std::memcpy(const_cast<std::byte*>(to.out.data()) + before + offsetof(frame_header, length), &length,
                sizeof length);
    to.claimed |= std::uint64_t{1} << header.claim;
    to.claims->offer(header.claim, header.sequence);
    to.in_flight.push_back({n, header.claim, header.sequence});
    if (to.in_flight.size() == 1) begin_next(to);
  }

  // The first of a worker's tasks is its to begin.
  void begin_next(seat& s) {
    s.front_since = steady_nanoseconds();
    announce(s.in_flight.front().node, s.index + 1);
  }

  // All that a worker needs which has no plan. What a task that was recorded again waits for besides is not sent.
  void add_call(seat& reader, node_id n) {
    node const& task = plan_.task(n);
    node const& call = call_of(task);
    append_call(reader.out, task, call);
    std::uint32_t const* const edges = plan_.edges(n).begin();
    for (std::size_t k = 0; k < call.dependencies().size(); ++k) {
      if ((edges[k] & constant_edge) == 0) {
        add_input(reader, edges[k]);
        continue;
      }
      node_type const& type = call.dependencies()[k].from()->type();
      std::uint32_t const index = edges[k] & ~constant_edge;
      if (type.wire->encode == nullptr && type.result->size <= largest_inline) {
        add_bits(reader.out, type, plan_.constants()[index]);
      } else {
        results_.send_constant(reader, index, type, plan_.constants()[index]);
      }
    }
  }

  void add_input(seat& reader, node_id m) {
    node_type const& type = plan_.task(m).type();
    if (fits_slot(type)) return add_bits(reader.out, type, job_.result(m));
    if ((flags_[m] & has_bytes) == 0) {
      results_.keep_value(m, type, job_.result(m));
      flags_[m] |= has_bytes;
    }
    results_.send(reader, m);
  }

  static void add_bits(byte_queue& to, node_type const& type, void const* value) {
    std::uint64_t const size = type.result->size;
    to.add(&size, sizeof size);
    to.add(value, size);
  }

  // Ends node n, which could not even begin, with the exception that is being handled.
  void fail_at_once(node_id n) {
    task_record record{};
    record.node = n;
    record.start = record.end = std::chrono::steady_clock::now();
    record.outcome = outcome::failed;
    announce(n, 0);
    job_.fail(record, std::current_exception());
    release(n);
  }

  void announce(node_id n, unsigned worker) {
    if ((flags_[n] & announced) != 0) return;
    flags_[n] |= announced;
    job_.begin(n, worker);
  }

  // ---- results ------------------------------------------------------------------------------------------------------

  // Puts the result of node m into the run.
  void materialize(node_id m) {
    if ((flags_[m] & has_object) != 0) return;
    node const& task = plan_.task(m);
    try {
      job_.put(m, [&](void* at) { decode_result(task.type(), results_.bytes_of(m), results_.size_of(m), at); });
    } catch (archive_error const& e) {
      throw remote_error{joined({"the result of task \"", task.label(), "\" (", task.place_text(),
                                 ") could not be read from its bytes: ", e.what()}),
                         declared_name(type_name<archive_error>()), e.what(), task.label(), task.key()};
    }
    flags_[m] |= has_object;
  }

  // Whether the next task that runs here may return a graph, which runs on the same pool, as a run of its own: then the
  // workers must have nothing to do.
  [[nodiscard]] bool waits_for_crew() const noexcept { return !here_.empty() && may_grow(here_.back()); }
  [[nodiscard]] bool may_grow(node_id n) const noexcept {
    return crew_.is_pool() && plan_.task(n).type().resume != nullptr;
  }

  void run_here() {
    node_id const n = here_.back();
    here_.pop_back();
    try {
      for (std::uint32_t const edge : plan_.edges(n)) {
        if ((edge & constant_edge) == 0) materialize(edge);
      }
    } catch (...) {
      return fail_at_once(n);
    }
    bool const outer = crew_.runs_here().exchange(true, std::memory_order_relaxed);
    crew_.lent() = may_grow(n);
    if (job_.run_here(n, 0)) flags_[n] |= has_object;
    crew_.lent() = false;
    crew_.runs_here().store(outer, std::memory_order_relaxed);
    release(n);
  }

  // ---- what workers say ---------------------------------------------------------------------------------------------

  void wait(int milliseconds) {
    crew_.wait(
        milliseconds,
        [this](seat& s) {
          if (!receive(s)) bury(s);
        },
        [this](seat& s) { bury(s); });
    if (std::int64_t const now = steady_nanoseconds();
        now - last_look_ > tick_milliseconds * std::int64_t{1'000'000} / 2) {
      last_look_ = now;
      look_for_overdue(now);
    }
  }

  // Reads what is there once; false where the worker has closed its end, or has said what no worker says.
  bool receive(seat& s) {
    std::size_t missing = 1 << 16;
    if (s.in.size() >= sizeof(frame_header)) {
      frame_header header;
      std::memcpy(&header, s.in.data(), sizeof header);
      missing = std::max<std::size_t>(missing, std::min<std::size_t>(header.length, std::size_t{1} << 22));
    }
    bool const open = s.in.receive(s.socket.get(), MSG_DONTWAIT, missing) != byte_queue::moved::closed;
    return read_frames(s) && open;
  }

  bool read_frames(seat& s) {
    while (s.in.size() >= sizeof(frame_header)) {
      frame_header header;
      std::memcpy(&header, s.in.data(), sizeof header);
      std::size_t const position = s.position_of(header);
      if (position > s.in_flight.size()) {
        s.breached = true;
        return false;
      }
      if (s.in.size() - sizeof header < header.length) return true;
      std::byte const* const body = s.in.data() + sizeof header;
      if (header.kind == frame_kind::hello) {
        s.greeted = true;
      } else if (!take_answer(s, position, header, body)) {
        s.breached = true;
        return false;
      }
      s.in.take(sizeof header + header.length);
    }
    return true;
  }

  bool take_answer(seat& s, std::size_t position, frame_header const& header, std::byte const* body) {
    task_times times;
    std::memcpy(&times, body, sizeof times);
    body += sizeof times;
    std::size_t const size = header.length - sizeof times;
    if (position == s.in_flight.size()) {  // the initializer has thrown
      archive_reader in{body, size};
      std::rethrow_exception(decode_exception(in, "initializer", key{}));
    }
    sent const answered = s.in_flight[position];
    node const& task = plan_.task(answered.node);
    task_record record{};
    record.node = answered.node;
    record.worker = s.index + 1;
    record.start = moment(times.start);
    record.end = moment(times.end);
    record.attempt = attempts_.failed(answered.node) + 1;
    if (header.kind == frame_kind::done) {
      if (fits_slot(task.type())) {
        if (size != task.type().result->size || header.arena) return false;
        job_.put(answered.node, [&](void* at) { std::memcpy(at, body, size); });
        flags_[answered.node] |= has_object;
      } else if (!header.arena) {
        results_.keep(answered.node, body, size);
        flags_[answered.node] |= has_bytes;
      } else if (results_.keep_place(answered.node, s, body, size)) {
        flags_[answered.node] |= has_bytes;
      } else {
        return false;
      }
      note_length(times.end - times.start);
      record.result_bytes = task.type().result->size;
    } else {
      record.outcome = outcome::failed;
    }
    s.in_flight.erase(s.in_flight.begin() + static_cast<std::ptrdiff_t>(position));
    s.claimed &= ~(std::uint64_t{1} << answered.claim);
    ++s.tasks;
    idle_deaths_ = 0;
    crew_.pause_before_start(0);
    if (header.kind == frame_kind::done) {
      job_.complete(record);
      release(answered.node);
    } else if (attempts_.may_repeat(answered.node, task)) {
      ready_.push_back(answered.node);
    } else {
      job_.fail(record, attempts::thrown(task, body, size));
      release(answered.node);
    }
    if (!s.in_flight.empty()) begin_next(s);
    return true;
  }

  static std::chrono::steady_clock::time_point moment(std::int64_t nanoseconds) noexcept {
    return std::chrono::steady_clock::time_point{
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::nanoseconds{nanoseconds})};
  }

  void note_length(std::int64_t nanoseconds) noexcept {
    std::int64_t const length = std::max<std::int64_t>(nanoseconds, 1);
    mean_nanoseconds_ = mean_nanoseconds_ == 0 ? length : mean_nanoseconds_ + (length - mean_nanoseconds_) / 8;
    mean_nanoseconds_ = std::max<std::int64_t>(mean_nanoseconds_, 1);
  }

  // ---- workers that die, or must ------------------------------------------------------------------------------------

  // Of a worker that has died or must: uses what it has sent, charges the task that it ran, gives the others back.
  void bury(seat& s) {
    worker_death how = crew_.kill(s);
    if (!s.breached) {  // what it has sent is there to its last byte
      while (s.in.receive(s.socket.get(), MSG_DONTWAIT) == byte_queue::moved::some) {
        if (!read_frames(s)) break;
      }
    }
    if (s.breached) how = {worker_death::reason::breach, 0};
    std::uint64_t const current = s.status->task();
    auto const since = s.status->started();
    std::vector<sent> const left = s.in_flight;
    bool const timed_out = s.timed_out;
    crew_.end(s);
    bool charged = false;
    for (std::size_t i = left.size(); i-- > 0;) {
      if (left[i].sequence != current) {
        ready_.push_back(left[i].node);
        continue;
      }
      charged = true;
      charge(left[i].node, s.index + 1, since, timed_out, how);
    }
    if (charged) return;
    if (++idle_deaths_ > 4 * std::max(crew_.most(), 1U)) {
      throw resource_error{
          joined({decimal(idle_deaths_), " workers in a row died before they had done any task: the last ",
                  attempts::text_of(how)}),
          0};
    }
    crew_.pause_before_start(idle_deaths_ < 3 ? 0 : idle_deaths_ < 6 ? 10 : 100);
  }

  [[gnu::cold]] DALLY_FUNCTION void charge(node_id n, unsigned worker, std::chrono::steady_clock::time_point since,
                                           bool timed_out, worker_death const& how) {
    node const& task = plan_.task(n);
    if (attempts_.may_run_after_crash(n, task)) {
      ready_.push_back(n);
      return;
    }
    task_record record{};
    record.node = n;
    record.worker = worker;
    record.start = since;
    record.end = std::chrono::steady_clock::now();
    record.outcome = outcome::failed;
    record.attempt = attempts_.failed(n);
    job_.fail(record, attempts_.verdict(n, task, timed_out, how));
    release(n);
  }

  // Ends workers that do not start, and those whose task takes too long.
  void look_for_overdue(std::int64_t now) {
    for (auto& place : crew_.seats()) {
      seat& s = *place;
      if (!s.alive()) continue;
      // The more memory it inherits, the longer a fork may take.
      if (!s.greeted && now - s.started > 10 * one_second &&
          now - s.started > 10 * one_second + static_cast<std::int64_t>(resident_bytes() >> 30) * one_second) {
        bury(s);
        continue;
      }
      if (s.in_flight.empty()) continue;
      node const& task = plan_.task(s.in_flight.front().node);
      std::chrono::nanoseconds limit = options_.task_timeout;
      if (task.extras() != nullptr && task.extras()->options.timeout.count() != 0)
        limit = task.extras()->options.timeout;
      if (limit.count() == 0) continue;
      s.timed_out = s.status->task() == s.in_flight.front().sequence;
      // One that has not even begun by then has been stopped: it goes back, uncharged.
      bool const overdue = s.timed_out
                               ? std::chrono::steady_clock::now() - s.status->started() >= limit
                               : s.greeted && now - s.front_since >= std::max<std::int64_t>(limit.count(), one_second);
      if (overdue) bury(s);
    }
  }

  // ---- after a stop -------------------------------------------------------------------------------------------------

  // Runs nothing more. After a failure what runs may end; when cancelled, it is killed.
  void drain() {
    drained_ = true;
    bool const cancel = job_.cancel_requested();
    for (auto& place : crew_.seats()) {
      seat& s = *place;
      if (!s.alive()) continue;
      node_id n = 0;
      while (!s.in_flight.empty() && take_back(s, n)) ready_.push_back(n);
      if (!cancel) continue;
      std::vector<sent> const running = s.in_flight;
      crew_.end(s);
      for (sent const& r : running) ready_.push_back(r.node);
    }
    while (any_ready() || !here_.empty()) {
      bool const here = ready_.empty() && next_root_ == roots_.size();
      node_id n = 0;
      if (here) {
        n = here_.back();
        here_.pop_back();
      } else {
        n = take_ready();
      }
      job_.skip(n, 0);
      release(n);
    }
  }

  execution& job_;
  plan const& plan_;
  process_options const& options_;
  worker_crew& crew_;
  scratch_array<std::uint8_t> flags_;
  kept_results results_;
  node_ids roots_{nullptr, 0};
  std::size_t next_root_ = 0;
  std::vector<node_id> ready_;  // the last deserves to run first
  std::vector<node_id> here_;
  attempts attempts_;
  std::int64_t mean_nanoseconds_ = 0;
  std::int64_t last_look_ = 0;
  unsigned idle_deaths_ = 0;
  bool drained_ = false;
};

}  // namespace dally::detail
