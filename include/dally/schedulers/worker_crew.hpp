#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/float_environment.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/plan.hpp"
#include "dally/net/socket.hpp"
#include "dally/pool/byte_queue.hpp"
#include "dally/pool/child_process.hpp"
#include "dally/pool/program_images.hpp"
#include "dally/pool/shared_arena.hpp"
#include "dally/pool/shared_memory.hpp"
#include "dally/pool/zygote.hpp"
#include "dally/schedulers/frames.hpp"
#include "dally/schedulers/process_options.hpp"
#include "dally/schedulers/worker.hpp"

namespace dally::detail {

inline constexpr std::uint32_t no_arena = ~std::uint32_t{0};

/// Whether this process is a worker: what it computes itself runs on the calling thread.
inline bool in_worker = false;

/// What a process does when it has become a worker, before its first task: headers above this one may add to it.
inline void (*on_becoming_worker)() = nullptr;

/// A task that was sent to a worker and has not been answered.
struct sent {
  node_id node;
  std::uint16_t claim;
  std::uint64_t sequence;
};

/// A worker, or its place after its death.
struct seat {
  child_process process;
  descriptor socket;
  worker_status* status = nullptr;
  claim_table* claims = nullptr;
  unsigned index = 0;
  std::uint32_t epoch = 0;
  std::uint32_t arena = no_arena;
  std::uint32_t arenas_known = 0;  // those made before it was forked
  std::uint32_t attempt = 0;       // how many workers have had this place
  byte_queue in;
  byte_queue out;
  std::vector<sent> in_flight;  // the first is running, or about to
  std::uint64_t claimed = 0;    // places of the table in use
  std::int64_t started = 0;
  std::int64_t front_since = 0;  // when the first of in_flight became that
  unsigned tasks = 0;
  bool greeted = false;
  bool wants_to_write = false;
  bool breached = false;      // it has written what no worker writes
  bool condemned = false;     // we end it, because it takes too long:
  std::uint64_t overdue = 0;  // this task, or 0: to begin
  [[nodiscard]] bool alive() const noexcept { return static_cast<bool>(socket); }
};

/// Which place a new worker takes, and as whom.
struct worker_order {
  std::uint32_t seat;
  std::uint32_t epoch;
  std::uint32_t arena;  // or no_arena
  std::uint32_t attempt;
};

/// Worker processes, of one run or of a pool: their start, their sockets, what they share with the coordinator, and
/// their end.
///
/// Errors  resource_error if the system refuses even one; it makes do with fewer
class worker_crew {
 public:
  /// Of one run: workers are forked when they are needed, and inherit its plan.
  worker_crew(plan const& of, process_options const& options, unsigned workers) noexcept
      : plan_{&of}, options_{options}, allowed_{workers}, most_{workers} {}
  /// Of a pool: forks the zygote that forks the workers when they are needed. Errors: resource_error.
  worker_crew(process_options const& options, unsigned workers)
      : plan_{nullptr}, options_{options}, allowed_{workers}, most_{workers}, wants_arenas_{true} {
    provide_shared();
    images_ = std::make_unique<program_images const>();
    std::vector<descriptor const*> files;
    for (auto const& book : arenas_) files.push_back(&book->memory.file());
    auto const kept = [this](worker_order const& order) {
      std::vector<descriptor const*> own;
      if (order.arena != no_arena) own.push_back(&arenas_[order.arena]->memory.file());
      return own;
    };
    zygote_ = std::make_unique<zygote<worker_order>>(
        files, kept, [this](worker_order const& order, descriptor const& socket) -> int {
          work(order, socket, order.arena == no_arena ? nullptr : &arenas_[order.arena]->memory);
        });
    // The last arena is the program's own, for large values that it has, and workers read.
    if (arenas_.size() > 1 && arenas_.back()->memory.write_here()) {
      own_arena_ = static_cast<std::uint32_t>(arenas_.size() - 1);
    }
  }
  worker_crew(worker_crew const&) = delete;
  worker_crew& operator=(worker_crew const&) = delete;
  ~worker_crew() {
    for (auto& s : seats_) s->process.kill();  // all at once, before the first is waited for
    if (owner_ != ::getpid()) return;
    for (auto& s : seats_) static_cast<void>(s->process.end());
    // Another pool that was made later has these mappings too, and would keep their memory.
    for (auto& book : arenas_) book->memory.clear();
  }

  /// Whether the workers know no plan: what they are to call must come with each task.
  [[nodiscard]] bool is_pool() const noexcept { return plan_ == nullptr; }
  /// Of a pool: what its workers have of the program, which may have loaded more since.
  [[nodiscard]] program_images const& images() const noexcept { return *images_; }
  /// Whether nobody has anything to do.
  [[nodiscard]] bool idle() const noexcept {
    for (auto const& s : seats_) {
      if (!s->in_flight.empty()) return false;
    }
    return true;
  }
  /// How many workers there are.
  [[nodiscard]] unsigned living() const noexcept {
    unsigned count = 0;
    for (auto const& s : seats_) count += s->alive() ? 1U : 0U;
    return count;
  }
  /// Of a pool, before a run: forgets what the system has refused.
  void begin_run() noexcept {
    most_ = allowed_;
    refusals_ = 0;
    pause_milliseconds_ = 0;
    paused_ = false;
  }
  /// Before a run: the floating-point environment that its tasks are to have.
  void use_floats(float_environment floats) noexcept {
    floats_ = floats;
    for (auto& s : seats_) s->claims->float_bits.store(floats.bits(), std::memory_order_relaxed);
  }
  /// Of a pool, after a run: ends the workers that still run something, and sends the others what waits for them.
  void end_run() noexcept {
    for (auto& s : seats_) {
      if (s->alive() && !s->in_flight.empty()) end(*s);
    }
    try {
      send_all();
    } catch (...) {  // no memory: it goes out with the next run
    }
  }
  /// Whether the thread that computes runs a task itself. Told from any thread.
  [[nodiscard]] std::atomic<bool>& runs_here() noexcept { return runs_here_; }
  /// Of a pool: whether a run inside the one that has the workers may use them meanwhile. Of that run's thread alone.
  [[nodiscard]] bool& lent() noexcept { return lent_; }
  /// A number that no other task of these workers has had.
  [[nodiscard]] std::uint64_t next_sequence() noexcept { return ++last_sequence_; }

  /// Call it before the first start, where results may be large.
  void want_arenas() noexcept { wants_arenas_ = true; }

  [[nodiscard]] std::vector<std::unique_ptr<seat>> const& seats() const noexcept { return seats_; }
  [[nodiscard]] arena_book& arena(std::uint32_t a) const noexcept { return *arenas_[a]; }
  [[nodiscard]] bool has_arenas() const noexcept { return !arenas_.empty(); }
  /// The arena that the coordinator writes to; no_arena if there is none.
  [[nodiscard]] std::uint32_t own_arena() const noexcept { return own_arena_; }
  /// The worker that writes to an arena, or null if that has ended.
  [[nodiscard]] seat* writer_of(std::uint32_t a) const noexcept {
    arena_book const& book = *arenas_[a];
    if (book.epoch == 0 || book.seat >= seats_.size()) return nullptr;
    seat* const s = seats_[book.seat].get();
    return s->alive() && s->epoch == book.epoch ? s : nullptr;
  }
  /// How many workers there may be.
  [[nodiscard]] unsigned most() const noexcept { return most_; }

  /// How long to wait before the next start, after deaths for no known reason. Units: milliseconds.
  void pause_before_start(int milliseconds) noexcept { pause_milliseconds_ = milliseconds; }

  /// A new worker, or null where there are as many as there may be.
  seat* start() {
    unsigned living = 0;
    seat* place = nullptr;
    for (auto& s : seats_) {
      living += s->alive() ? 1U : 0U;
      if (!s->alive() && place == nullptr) place = s.get();
    }
    if (living >= most_ || (pause_milliseconds_ != 0 && living == 0 && !paused_)) return nullptr;
    paused_ = false;
    if (!epoll_) {
      epoll_ = descriptor{::epoll_create1(EPOLL_CLOEXEC)};
      if (!epoll_) {
        int const why = errno;
        return lacks_worker(
            resource_error{joined({"the system refused a descriptor (epoll_create1): ", std::strerror(why)}), why},
            living);
      }
    }
    bool const fresh = place == nullptr;
    try {
      if (statuses_ == nullptr) provide_shared();
      if (fresh) {
        seats_.push_back(std::make_unique<seat>());
        place = seats_.back().get();
        place->index = static_cast<unsigned>(seats_.size() - 1);
        place->status = &(*statuses_)[place->index];
        place->claims = claims_of(place->index);
      }
      launch(*place);
    } catch (resource_error const& e) {
      if (fresh && place != nullptr) seats_.pop_back();
      return lacks_worker(e, living);
    }
    place->started = steady_nanoseconds();
    return place;
  }

  /// Ends a worker's process, and says how it ended; what it has sent can still be read.
  worker_death kill(seat& s) noexcept {
    // Before it is closed: a copy in a child that is being forked would keep its events coming.
    if (s.process.death()) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, s.process.death().get(), nullptr);
    return s.process.end();
  }

  /// Ends a worker; what it was sent, and has sent, is gone with it.
  void end(seat& s) noexcept {
    static_cast<void>(kill(s));
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, s.socket.get(), nullptr);
    s.socket.close();
    s.in.clear();
    s.out.clear();
    s.in_flight.clear();
    s.claimed = 0;
    s.tasks = 0;
    s.greeted = s.wants_to_write = s.breached = s.condemned = false;
    s.overdue = 0;
  }

  /// The one with the fewest tasks in flight, or null.
  [[nodiscard]] seat* least_busy() const noexcept {
    seat* best = nullptr;
    for (auto const& s : seats_) {
      if (s->alive() && !worn_out(*s) && (best == nullptr || s->in_flight.size() < best->in_flight.size()))
        best = s.get();
    }
    return best;
  }

  /// Whether it is to be replaced when it has done what it was sent.
  [[nodiscard]] bool worn_out(seat const& s) const noexcept {
    if (options_.max_tasks_per_worker != 0 && s.tasks + s.in_flight.size() >= options_.max_tasks_per_worker)
      return true;
    return options_.max_worker_growth.bytes != 0 &&
           s.claims->growth.load(std::memory_order_relaxed) > options_.max_worker_growth.bytes;
  }

  /// Sends what waits in the queues to those who have room for it.
  void send_all() {
    for (auto& s : seats_) {
      if (!s->alive() || s->out.empty() || s->wants_to_write) continue;
      send_now(*s);
    }
  }

  /// While one lives, wake() ends a wait, and a wait lasts also where there is no worker to wait for.
  ///
  /// Threads  made and ended by one that does not wait meanwhile; wake() from another than the one that waits
  class waker {
   public:
    explicit waker(worker_crew& of) noexcept : of_{of}, event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = wake_tag;
      if (event_ && of.epoll_ && ::epoll_ctl(of.epoll_.get(), EPOLL_CTL_ADD, event_.get(), &event) == 0) {
        of.woken_ = &event_;
      }
    }
    waker(waker const&) = delete;
    waker& operator=(waker const&) = delete;
    ~waker() {
      if (of_.woken_ == nullptr) return;
      // Before it is closed: a copy in a child that is being forked would keep its events coming.
      ::epoll_ctl(of_.epoll_.get(), EPOLL_CTL_DEL, event_.get(), nullptr);
      of_.woken_ = nullptr;
    }
    /// Whether the system has granted what it takes.
    [[nodiscard]] explicit operator bool() const noexcept { return of_.woken_ != nullptr; }
    void wake() const noexcept {
      std::uint64_t const one = 1;
      static_cast<void>(::write(event_.get(), &one, sizeof one) == sizeof one);
    }

   private:
    worker_crew& of_;
    descriptor event_;
  };

  /// Waits until a worker has sent something or has died, at most so long: then on_readable(s), on_death(s).
  template <class OnReadable, class OnDeath>
  void wait(int milliseconds, OnReadable&& on_readable, OnDeath&& on_death) {
    bool any = false;
    for (auto const& s : seats_) any = any || s->alive();
    if (!any) {
      if (milliseconds != 0 && pause_milliseconds_ != 0) pause();
      if (woken_ == nullptr) return;
    }
    epoll_event events[64];
    int const count = ::epoll_wait(epoll_.get(), events, 64, milliseconds);
    for (int i = 0; i < count; ++i) {
      std::uint64_t const tag = events[i].data.u64;
      if (tag == wake_tag) {
        std::uint64_t times = 0;
        static_cast<void>(::read(woken_->get(), &times, sizeof times) == sizeof times);
        continue;
      }
      seat& s = *seats_[(tag & 0xffff'ffffU) >> 1];
      if (!s.alive() || s.epoch != tag >> 32) continue;  // of a worker whose place another has taken
      if ((tag & 1) != 0) {
        on_death(s);
        continue;
      }
      if ((events[i].events & EPOLLOUT) != 0) send_now(s);
      if ((events[i].events & ~std::uint32_t{EPOLLOUT}) != 0) on_readable(s);
    }
  }

 private:
  static constexpr unsigned most_arenas = 32;
  static constexpr std::uint64_t wake_tag = ~std::uint64_t{0};  // of no worker: places are fewer

  // Errors: resource_error.
  void launch(seat& s) {
    auto [ours, theirs] = socket_pair();
    s.epoch = ++last_epoch_;
    shared_arena* const own = give_arena(s);
    descriptor const none;
    s.status->reset();
    new (s.claims) claim_table{};
    s.claims->float_bits.store(floats_.bits(), std::memory_order_relaxed);
    worker_order const order{s.index, s.epoch, s.arena, ++s.attempt};
    if (zygote_ != nullptr) {
      s.process = zygote_->start(order, theirs);
    } else {
      s.process = child_process::start({&theirs, own != nullptr ? &own->file() : &none},
                                       [&, &socket = theirs]() -> int { work(order, socket, own); });
    }
    s.socket = std::move(ours);
    if (watch(s, EPOLL_CTL_ADD, s.socket, false) &&
        (!s.process.death() || watch(s, EPOLL_CTL_ADD, s.process.death(), true))) {
      return;
    }
    int const why = errno;
    end(s);
    throw resource_error{joined({"the system refused to watch a process: ", std::strerror(why)}), why};
  }

  // The life of a worker.
  [[noreturn]] void work(worker_order const& order, descriptor const& socket, shared_arena* own) noexcept {
    in_worker = true;
    if (on_becoming_worker != nullptr) on_becoming_worker();
    worker_start const start{.worker = order.seat + 1, .attempt = order.attempt};
    worker{plan_,   (*statuses_)[order.seat], *claims_of(order.seat), socket.get(), order.epoch, start, arenas_, own,
           options_}
        .run();
  }

  [[nodiscard]] claim_table* claims_of(unsigned seat) const noexcept {
    return reinterpret_cast<claim_table*>(claim_tables_.data()) + seat;
  }

  // For all workers at once: what is mapped later, those forked before do not see. So a pool has arenas to spare, for
  // workers that follow dead ones whose results are still in use.
  void provide_shared() {
    claim_tables_ = shared_mapping{allowed_ * sizeof(claim_table), PROT_READ | PROT_WRITE};
    statuses_ = std::make_unique<status_page>(allowed_);
    if (!wants_arenas_) return;
    unsigned wanted = std::min<unsigned>(allowed_, most_arenas);
    if (is_pool()) wanted = std::min<unsigned>(2 * wanted + 1, descriptor_limit() / 4);  // workers take some, too
    for (unsigned k = 0; k < wanted && add_arena(); ++k) {
    }
  }

  // How many descriptors this process may have.
  static unsigned descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    return static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, 1U << 20));
  }

  // Without one, results travel through the sockets.
  bool add_arena() {
    long const pages = ::sysconf(_SC_PHYS_PAGES);
    std::size_t const memory = pages > 0 ? static_cast<std::size_t>(pages) * 4096 : std::size_t{4} << 30;
    try {
      arenas_.push_back(std::make_unique<arena_book>(arena_book{shared_arena{memory}}));
    } catch (resource_error const&) {
      return false;
    }
    return true;
  }

  // One that nobody writes to and nothing lies in, if there is or can be one.
  shared_arena* give_arena(seat& s) {
    s.arena = no_arena;
    if (arenas_.empty()) return nullptr;
    for (std::uint32_t a = 0; a <= arenas_.size(); ++a) {
      if (a == arenas_.size() && (is_pool() || a >= 4 * most_arenas || !add_arena())) break;
      arena_book& book = *arenas_[a];
      if (a == own_arena_ || writer_of(a) != nullptr || book.results != 0) continue;
      book.memory.clear();
      book.seat = s.index;
      book.epoch = s.epoch;
      s.arena = a;
      break;
    }
    s.arenas_known = static_cast<std::uint32_t>(arenas_.size());
    return s.arena == no_arena ? nullptr : &arenas_[s.arena]->memory;
  }

  // Goes on with fewer workers; without any, tries thrice more.
  [[gnu::cold]] DALLY_FUNCTION seat* lacks_worker(resource_error const& why, unsigned living) {
    if (living != 0) {
      most_ = living;
      if (options_.note) {
        options_.note(joined({"the scheduler processes goes on with ", decimal(living), " of ", decimal(allowed_),
                              " workers: ", why.what()}));
      }
      return nullptr;
    }
    if (++refusals_ > 3) {
      throw resource_error{joined({"the scheduler processes cannot start even one worker: ", why.what()}), why.code()};
    }
    pause_milliseconds_ = refusals_ == 1 ? 1 : refusals_ == 2 ? 10 : 100;
    return nullptr;
  }

  void pause() {
    ::poll(nullptr, 0, pause_milliseconds_);
    paused_ = true;
  }

  bool watch(seat const& s, int operation, descriptor const& what, bool is_process) const noexcept {
    epoll_event event{};
    event.events = EPOLLIN | (s.wants_to_write && !is_process ? std::uint32_t{EPOLLOUT} : 0U);
    event.data.u64 = (std::uint64_t{s.epoch} << 32) | (std::uint64_t{s.index} << 1) | (is_process ? 1U : 0U);
    return ::epoll_ctl(epoll_.get(), operation, what.get(), &event) == 0;
  }

  // A closed socket shows when it is read.
  void send_now(seat& s) {
    bool const full = s.out.send(s.socket.get(), MSG_DONTWAIT) == byte_queue::moved::some;
    if (full == s.wants_to_write) return;
    s.wants_to_write = full;
    watch(s, EPOLL_CTL_MOD, s.socket, false);
  }

  pid_t const owner_ = ::getpid();
  plan const* const plan_;
  process_options const& options_;
  unsigned const allowed_;
  unsigned most_;  // of those, as many as the system lets us have
  bool wants_arenas_ = false;
  std::uint32_t own_arena_ = no_arena;
  descriptor epoll_;
  descriptor const* woken_ = nullptr;  // a waker's
  shared_mapping claim_tables_;
  std::unique_ptr<status_page> statuses_;
  std::vector<std::unique_ptr<arena_book>> arenas_;
  std::unique_ptr<program_images const> images_;
  std::unique_ptr<zygote<worker_order>> zygote_;  // before the seats: it waits for their processes
  std::vector<std::unique_ptr<seat>> seats_;
  std::uint32_t last_epoch_ = 0;
  float_environment floats_{float_environment::current()};
  std::uint64_t last_sequence_ = 0;
  std::atomic<bool> runs_here_{false};
  bool lent_ = false;
  unsigned refusals_ = 0;
  int pause_milliseconds_ = 0;
  bool paused_ = false;
};

}  // namespace dally::detail
