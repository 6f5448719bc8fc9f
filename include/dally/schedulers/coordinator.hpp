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
#include "dally/pool/shared_memory.hpp"
#include "dally/schedulers/answers.hpp"
#include "dally/schedulers/attempts.hpp"
#include "dally/schedulers/beside.hpp"
#include "dally/schedulers/codec_failures.hpp"
#include "dally/schedulers/deadlines.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/schedulers/preflight.hpp"
#include "dally/schedulers/process_options.hpp"
#include "dally/schedulers/run_values.hpp"
#include "dally/schedulers/worker.hpp"
#include "dally/schedulers/worker_crew.hpp"
#include "dally/serialize/archive.hpp"
#include "dally/serialize/exceptions.hpp"

namespace dally::detail {

/// One run on worker processes: the calling thread sends ready tasks and what they take, and receives what they return.
/// It alone decides and it alone keeps: a worker that dies takes nothing with it but the task that it ran. While the
/// calling thread runs a task itself, a thread beside it does all that.
///
/// Every wait ends: a worker's death closes its socket and its pidfd, one that does not even start is given up, so is
/// one that has nothing to do and has sent half a frame, and stop requests are looked at every few milliseconds.
class coordinator {
 public:
  coordinator(execution& job, process_options const& options, worker_crew& crew) noexcept
      : job_{job},
        plan_{job.plan()},
        options_{options},
        crew_{crew},
        values_{job, crew},
        attempts_{options.crash_retries} {}
  coordinator(coordinator const&) = delete;
  coordinator& operator=(coordinator const&) = delete;
  ~coordinator() = default;

  void run() {
    survey();
    crew_.use_floats(job_.environment());
    roots_ = job_.ready();
    try {
      run_tasks();
    } catch (...) {
      give_up();
      throw;
    }
    if (drained_ || job_.failed() != nullptr) return;
    for (std::uint32_t const edge : plan_.outputs()) {
      if ((edge & constant_edge) != 0) continue;
      try {
        values_.materialize(edge);
      } catch (unusable_value const& u) {
        return job_.fail(*u.culprit, std::make_exception_ptr(u.why));
      }
    }
  }

 private:
  static constexpr int tick_milliseconds = 20;
  static constexpr unsigned most_in_flight = 32;

  // Of a node.
  enum : std::uint8_t {
    runs_here = 1,  // on the calling thread
    announced = 2   // observers know that it has begun
  };

  void run_tasks() {
    while (!job_.finished()) {
      if (job_.stopped()) {
        drain(job_.cancel_requested());
        if (job_.finished()) break;
      } else if (!waits_for_crew()) {
        assign();
      }
      crew_.send_all();
      bool const here = !here_.empty() && !job_.stopped() && !(waits_for_crew() && !crew_.idle());
      if (here) run_here();
      wait(here ? 0 : tick_milliseconds);
    }
  }

  // ---- before anything runs -----------------------------------------------------------------------------------------

  // Which tasks run here, and whether all others can run elsewhere.
  void survey() {
    std::uint32_t const size = plan_.size();
    flags_ = scratch_array<std::uint8_t>{size};
    preflight const check{crew_.is_pool() ? &crew_.images() : nullptr};
    for (node_id n = 0; n < size; ++n) {
      node const& task = plan_.task(n);
      flags_[n] = preflight::stays_here(task) ? runs_here : 0;
      if (flags_[n] != 0) {
        preflight::check_here(task);
        continue;
      }
      check(task);
      for (dependency const d : task.dependencies()) {
        if (!d.is_value()) preflight::check_result(*d.from());
      }
      values_.expect(task);
      ++unfinished_;
    }
    values_.prepare();
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
    if ((flags_[n] & runs_here) == 0) {
      --unfinished_;
      values_.ended(plan_.task(n));
    }
    job_.release(n, [this](node_id ready) { add_ready(ready); }, [this](node_id unused) { values_.drop(unused); });
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
      seat* const holder = values_.holder_of_largest_input(n);
      // Rather than let somebody be idle, another one reads it.
      if (holder != nullptr && !crew_.worn_out(*holder) && holder->in_flight.size() < most &&
          (holder->in_flight.empty() || !best->in_flight.empty())) {
        best = holder;
      }
      if (best == nullptr || !best->in_flight.empty()) {
        if (seat* const started = may_start() ? crew_.start() : nullptr) best = started;
      }
      if (best == nullptr || best->in_flight.size() >= most) {
        ready_.push_back(n);
        break;
      }
      send(*best, n);
    }
    if (!any_ready()) share_out();
  }

  // Beside a task that runs here nothing is forked of this process: what that task holds or is changing would stay so
  // in the worker, which would be a copy of another thread, too.
  [[nodiscard]] bool may_start() const noexcept { return !beside_ || crew_.is_pool(); }

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
      values_.add_task(to, n);
    } catch (...) {
      to.out.withdraw(to.out.size() - before);
      return fail_unsent(n);
    }
    std::uint64_t const length = to.out.size() - before - sizeof header;
    std::memcpy(const_cast<std::byte*>(to.out.data()) + before + offsetof(frame_header, length), &length,
                sizeof length);
    to.claimed |= std::uint64_t{1} << header.claim;
    to.claims->offer(header.claim, header.sequence);
    to.in_flight.push_back({n, header.claim, header.sequence});
    if (to.in_flight.size() == 1) to.front_since = steady_nanoseconds();
  }

  // Ends node n, which could not be sent, or called here, because of the exception that is being handled.
  [[gnu::cold]] DALLY_FUNCTION void fail_unsent(node_id n) {
    try {
      throw;
    } catch (unusable_value const& u) {
      fail_at_once(n, std::make_exception_ptr(u.why), u.culprit);
    } catch (...) {
      fail_at_once(n, std::current_exception(), nullptr);
    }
  }
  void fail_at_once(node_id n, std::exception_ptr const& why, node const* culprit) {
    task_record record{};
    record.node = n;
    record.start = record.end = std::chrono::steady_clock::now();
    record.outcome = outcome::failed;
    announce(n, 0);
    job_.fail(record, why, culprit);
    release(n);
  }

  // Observers are told that a task has started once that is certain: a worker may have been sent it and not begun it.
  void announce(node_id n, unsigned worker) {
    if ((flags_[n] & announced) != 0) return;
    flags_[n] |= announced;
    job_.begin(n, worker);
  }
  void announce_begun() {
    if (!job_.is_watched()) return;
    for (auto& s : crew_.seats()) {
      if (!s->alive() || s->in_flight.empty()) continue;
      sent const& front = s->in_flight.front();
      if ((flags_[front.node] & announced) == 0 && s->claims->begun(front.claim, front.sequence)) {
        announce(front.node, s->index + 1);
      }
    }
  }

  // ---- results ------------------------------------------------------------------------------------------------------

  // Whether the next task that runs here may return a graph, which runs on the same pool, as a run of its own: then the
  // workers must have nothing to do.
  [[nodiscard]] bool waits_for_crew() const noexcept { return !here_.empty() && may_grow(here_.back()); }
  [[nodiscard]] bool may_grow(node_id n) const noexcept {
    return crew_.is_pool() && plan_.task(n).type().resume != nullptr;
  }

  void run_here() {
    node_id const n = here_.back();
    here_.pop_back();
    for (std::uint32_t const edge : plan_.edges(n)) {
      if ((edge & constant_edge) != 0) continue;
      try {
        values_.materialize(edge);
      } catch (...) {
        return fail_unsent(n);
      }
    }
    struct restored {
      worker_crew& crew;
      bool outer = crew.runs_here().exchange(true, std::memory_order_relaxed);
      ~restored() {
        crew.lent() = false;
        crew.runs_here().store(outer, std::memory_order_relaxed);
      }
    };
    bool there = false;
    auto const task = [&] { there = job_.run_here(n, 0); };
    {
      restored const after{crew_};
      crew_.lent() = may_grow(n);
      if (crew_.lent() || (crew_.idle() && !any_ready())) {
        task();
      } else {
        run_attended(task);
      }
    }
    if (there) values_.made_here(n);
    release(n);
  }

  // Runs a task here while a thread beside this one looks after the workers.
  template <class Task>
  void run_attended(Task const& task) {
    // What has to be forked is forked before.
    for (std::size_t i = crew_.living(); !crew_.is_pool() && i < unfinished_ && crew_.start() != nullptr;) ++i;
    worker_crew::waker const waker{crew_};
    if (!waker) return task();
    beside_ = true;
    auto const turn = [this] {
      if (job_.stopped()) {
        drain(job_.cancel_requested());
      } else {
        assign();
      }
      crew_.send_all();
      wait(tick_milliseconds);
    };
    struct restored {
      bool& beside;
      ~restored() { beside = false; }
    } const after{beside_};
    run_beside(task, turn, [&] { waker.wake(); });
  }

  // ---- what workers say ---------------------------------------------------------------------------------------------

  void wait(int milliseconds) {
    crew_.wait(
        milliseconds,
        [this](seat& s) {
          if (!receive(s)) bury(s);
        },
        [this](seat& s) { bury(s); });
    announce_begun();
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
      frame_subject const about =
          subject_of(header, s, [this](node_id n) -> node_type const& { return plan_.task(n).type(); });
      if (about.of == frame_subject::what::nonsense) {
        s.breached = true;
        return false;
      }
      if (s.in.size() - sizeof header < header.length) return true;
      std::byte const* const body = s.in.data() + sizeof header;
      if (about.of == frame_subject::what::hello) {
        s.greeted = true;
      } else if (about.of == frame_subject::what::initializer) {
        throw_of_initializer(body + sizeof(task_times), header.length - sizeof(task_times));
      } else if (!take_answer(s, about.position, header, body)) {
        s.breached = true;
        return false;
      }
      s.in.take(sizeof header + header.length);
    }
    if (may_begin_frame(s.in.data(), s.in.size())) return true;
    s.breached = true;
    return false;
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION static void throw_of_initializer(std::byte const* body, std::size_t size) {
    try {
      archive_reader in{body, size};
      std::rethrow_exception(decode_exception(in, "initializer", key{}));
    } catch (archive_error const& e) {
      throw remote_error{joined({"a worker's initializer threw an exception that could not be read: ", e.what()}),
                         "unknown", "", "initializer", key{}};
    }
  }

  // False if no worker answers so.
  bool take_answer(seat& s, std::size_t position, frame_header const& header, std::byte const* body) {
    task_times times;
    std::memcpy(&times, body, sizeof times);
    body += sizeof times;
    std::size_t const size = header.length - sizeof times;
    sent const answered = s.in_flight[position];
    node_id const n = answered.node;
    node const& task = plan_.task(n);
    task_record record{};
    record.node = n;
    record.worker = s.index + 1;
    record.start = moment(times.start);
    record.end = moment(times.end);
    record.attempt = attempts_.failed(n) + 1;
    record.outcome = outcome::failed;
    if (header.kind == frame_kind::done) {
      if (!values_.take(s, n, header.arena, body, size)) return false;
      note_length(times.end - times.start);
      record.outcome = outcome::done;
      record.result_bytes = task.type().result->size;
    }
    s.in_flight.erase(s.in_flight.begin() + static_cast<std::ptrdiff_t>(position));
    s.claimed &= ~(std::uint64_t{1} << answered.claim);
    if (!s.in_flight.empty()) s.front_since = steady_nanoseconds();
    ++s.tasks;
    idle_deaths_ = 0;
    crew_.pause_before_start(0);
    announce(n, record.worker);
    if (header.kind == frame_kind::done) {
      job_.complete(record);
      release(n);
    } else if (header.kind == frame_kind::unreadable) {
      fail_unread(record, body, size);
    } else if (attempts_.may_repeat(n, task)) {
      ready_.push_back(n);
    } else {
      job_.fail(record, attempts::thrown(task, body, size));
      release(n);
    }
    return true;
  }

  // Ends a task whose worker could not read what it takes.
  [[gnu::cold]] DALLY_FUNCTION void fail_unread(task_record const& record, std::byte const* body, std::size_t size) {
    try {
      unusable_value const u = values_.unread(record.node, body, size);
      job_.fail(record, std::make_exception_ptr(u.why), u.culprit);
    } catch (...) {  // no memory
      job_.fail(record, std::current_exception());
    }
    release(record.node);
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

  // Of a worker that has died or must: uses what it has sent, charges the task that is guilty, gives the others back.
  void bury(seat& s) {
    bool const was_locked = s.overdue != 0 && s.process.waits_for_lock();
    worker_death how = crew_.kill(s);
    if (!s.breached) {  // what it has sent is there to its last byte
      while (s.in.receive(s.socket.get(), MSG_DONTWAIT) == byte_queue::moved::some) {
        if (!read_frames(s)) break;
      }
    }
    if (s.breached) how = {worker_death::reason::breach, 0};
    std::vector<sent> const left = s.in_flight;
    worker_end const end{.running = s.status->task(),
                         .front = left.empty() ? 0 : left.front().sequence,
                         .overdue = s.overdue,
                         .condemned = s.condemned,
                         .breached = s.breached};
    auto const since = s.status->started();
    crew_.end(s);
    bool charged = false;
    for (std::size_t i = left.size(); i-- > 0;) {
      node_id const n = left[i].node;
      bool const begun = !s.claims->take(left[i].claim, left[i].sequence);
      if (begun) announce(n, s.index + 1);
      if (!begun || left[i].sequence != end.guilty()) {
        ready_.push_back(n);
        continue;
      }
      charged = true;
      charge(n, s.index + 1, since, !end.breached && end.overdue != 0, was_locked, how);
    }
    if (charged || end.overdue != 0) return;
    if (++idle_deaths_ > 4 * std::max<unsigned>(crew_.most(), 1)) {
      throw resource_error{
          joined({decimal(idle_deaths_), " workers in a row died before they had done any task: the last ",
                  attempts::text_of(how)}),
          0};
    }
    crew_.pause_before_start(idle_deaths_ < 3 ? 0 : idle_deaths_ < 6 ? 10 : 100);
  }

  [[gnu::cold]] DALLY_FUNCTION void charge(node_id n, unsigned worker, std::chrono::steady_clock::time_point since,
                                           bool timed_out, bool was_locked, worker_death const& how) {
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
    job_.fail(record, attempts_.verdict(n, task, timed_out, was_locked, how));
    release(n);
  }

  // Ends workers that do not start, those whose task takes too long, and those that have stopped in the middle of a
  // frame.
  void look_for_overdue(std::int64_t now) {
    for (auto& place : crew_.seats()) {
      seat& s = *place;
      if (!s.alive()) continue;
      lateness const found = lateness_of(s, now, [this](node_id n) { return limit_of(n); });
      s.overdue = found.overdue;
      s.condemned = found.late || does_not_start(s, now, &resident_bytes);
      if (s.condemned || has_left_half_a_frame(s)) bury(s);
    }
  }

  [[nodiscard]] std::chrono::nanoseconds limit_of(node_id n) const noexcept {
    node_extras const* const extras = plan_.task(n).extras();
    return extras != nullptr && extras->options.timeout.count() != 0 ? extras->options.timeout : options_.task_timeout;
  }

  // Whether a worker has sent a part of a frame and goes on with nothing: the rest will not come. It sends a frame to
  // its end before it says that its task has ended.
  bool has_left_half_a_frame(seat& s) {
    if (s.in.empty() || !s.greeted || s.status->task() != worker_status::idle) return false;
    std::uint64_t const done = s.status->done();
    while (s.in.receive(s.socket.get(), MSG_DONTWAIT) == byte_queue::moved::some) {
      if (!read_frames(s)) return true;
    }
    s.breached = !s.in.empty() && s.status->task() == worker_status::idle && s.status->done() == done;
    return s.breached;
  }

  // ---- after a stop -------------------------------------------------------------------------------------------------

  // Runs nothing more. After a failure what runs may end; when cancelled, it is killed.
  void drain(bool cancel) {
    drained_ = true;
    for (auto& place : crew_.seats()) {
      seat& s = *place;
      if (!s.alive()) continue;
      node_id n = 0;
      while (!s.in_flight.empty() && take_back(s, n)) ready_.push_back(n);
      if (!cancel) continue;
      for (sent const& r : s.in_flight) {
        announce(r.node, s.index + 1);
        ready_.push_back(r.node);
      }
      crew_.end(s);
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
      leave_out(n);
      release(n);
    }
  }

  // Tells of a task that will not be called, or not again.
  void leave_out(node_id n) {
    if ((flags_[n] & announced) == 0) return job_.skip(n, 0);
    task_record record{};
    record.node = n;
    record.start = record.end = std::chrono::steady_clock::now();
    record.outcome = outcome::failed;
    record.attempt = std::max(attempts_.failed(n), 1U);
    job_.abandon(record);
  }

  // Of a run that ends with an exception of its own: what has started has ended.
  void give_up() noexcept {
    try {
      drain(true);
    } catch (...) {  // no memory
    }
  }

  execution& job_;
  plan const& plan_;
  process_options const& options_;
  worker_crew& crew_;
  scratch_array<std::uint8_t> flags_;
  run_values values_;
  node_ids roots_{nullptr, 0};
  std::size_t next_root_ = 0;
  std::vector<node_id> ready_;  // the last deserves to run first
  std::vector<node_id> here_;
  attempts attempts_;
  std::int64_t mean_nanoseconds_ = 0;
  std::int64_t last_look_ = 0;
  unsigned idle_deaths_ = 0;
  std::size_t unfinished_ = 0;  // tasks for workers that have not ended
  bool beside_ = false;         // the calling thread runs a task, and this is another
  bool drained_ = false;
};

}  // namespace dally::detail
