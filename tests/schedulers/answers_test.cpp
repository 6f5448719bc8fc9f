// What the coordinator of a run on processes believes of what workers say, and whom it blames.

#include "dally/schedulers/answers.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "dally/delayed/delayed.hpp"
#include "dally/schedulers/deadlines.hpp"
#include "support/catch2.hpp"

using dally::delayed;
using dally::detail::answer_may_be;
using dally::detail::frame_header;
using dally::detail::frame_kind;
using dally::detail::frame_subject;
using dally::detail::lateness_of;
using dally::detail::seat;
using dally::detail::worker_end;
using namespace std::chrono_literals;

namespace {

auto const number = delayed([] { return 7; })();
auto const text = delayed([] { return std::string{"seven"}; })();
auto const block = delayed([] { return std::array<char, 100'000>{}; })();

dally::node_type const& type_of(dally::node_id n) {
  return n == 0   ? dally::detail::node_of(number)->type()
         : n == 1 ? dally::detail::node_of(text)->type()
                  : dally::detail::node_of(block)->type();
}

constexpr std::uint64_t times = sizeof(dally::detail::task_times);
constexpr std::uint64_t range = sizeof(dally::arena_range);

frame_header done(std::uint64_t length, bool arena = false) {
  return {.kind = frame_kind::done, .arena = arena, .claim = 3, .epoch = 5, .node = 0, .sequence = 9, .length = length};
}

seat worker() {
  seat s;
  s.epoch = 5;
  s.greeted = true;
  s.in_flight = {{.node = 0, .claim = 3, .sequence = 9}, {.node = 1, .claim = 4, .sequence = 12}};
  return s;
}

}  // namespace

TEST_CASE("an answer may be as long as its result, and no longer", "[answers]") {
  CHECK(answer_may_be(done(times + sizeof(int)), type_of(0)));
  for (std::uint64_t const length :
       {std::uint64_t{0}, times - 1, times, times + 3, times + 5, std::uint64_t{1} << 39}) {
    CAPTURE(length);
    CHECK_FALSE(answer_may_be(done(length), type_of(0)));
  }
  CHECK_FALSE(answer_may_be(done(times + range, true), type_of(0)));  // so small a result is in no arena
  CHECK(answer_may_be(done(times + 1000), type_of(1)));
  CHECK(answer_may_be(done(times + range, true), type_of(1)));
  CHECK(answer_may_be(done(times + range, true), type_of(2)));
  CHECK_FALSE(answer_may_be(done(times + range + 1, true), type_of(1)));
  CHECK_FALSE(answer_may_be(done(times + 99'999), type_of(2)));
  CHECK_FALSE(answer_may_be(done(std::uint64_t{1} << 50), type_of(1)));

  frame_header failed = done(times);
  failed.kind = frame_kind::fail;
  CHECK(answer_may_be(failed, type_of(0)));
  failed.arena = true;
  CHECK_FALSE(answer_may_be(failed, type_of(0)));
  failed = done(times + 3);
  failed.kind = frame_kind::unreadable;
  CHECK_FALSE(answer_may_be(failed, type_of(0)));
  for (int const kind : {1, 5, 77}) {
    failed.kind = static_cast<frame_kind>(kind);
    if (failed.kind != frame_kind::unreadable) CHECK_FALSE(answer_may_be(failed, type_of(0)));
  }
}

TEST_CASE("a frame is about a task in flight, a greeting or the initializer, or it is nonsense", "[answers]") {
  using what = frame_subject::what;
  auto const about = [](frame_header const& header, seat const& from) {
    return dally::detail::subject_of(header, from, &type_of);
  };
  frame_header const good = done(times + sizeof(int));
  CHECK(about(good, worker()).of == what::answer);
  CHECK(about(good, worker()).position == 0);
  frame_header second = done(times + 40);
  second.node = 1, second.claim = 4, second.sequence = 12;
  CHECK(about(second, worker()).position == 1);

  auto const nonsense = [&](auto const& change) {
    frame_header header = good;
    seat from = worker();
    change(header, from);
    return about(header, from).of == what::nonsense;
  };
  CHECK(nonsense([](frame_header& h, seat&) { h.magic ^= 1U; }));
  CHECK(nonsense([](frame_header& h, seat&) { h.epoch = 4; }));
  CHECK(nonsense([](frame_header& h, seat&) { h.node = 1; }));
  CHECK(nonsense([](frame_header& h, seat&) { h.claim = 4; }));
  CHECK(nonsense([](frame_header& h, seat&) { h.sequence = 10; }));
  CHECK(nonsense([](frame_header& h, seat&) { h.sequence = 0; }));
  CHECK(nonsense([](frame_header& h, seat&) { h.kind = static_cast<frame_kind>(77); }));
  CHECK(nonsense([](frame_header& h, seat&) { h.length = std::uint64_t{1} << 39; }));
  CHECK(nonsense([](frame_header&, seat& s) { s.in_flight.clear(); }));
  CHECK(nonsense([](frame_header&, seat& s) { s.greeted = false; }));  // it has answered before it was there

  frame_header hello{.kind = frame_kind::hello, .epoch = 5};
  seat fresh = worker();
  fresh.greeted = false;
  CHECK(about(hello, fresh).of == what::hello);
  CHECK(about(hello, worker()).of == what::nonsense);
  hello.length = 1;
  CHECK(about(hello, fresh).of == what::nonsense);

  frame_header refused{.kind = frame_kind::fail, .epoch = 5, .length = times + 10};
  CHECK(about(refused, fresh).of == what::initializer);
  CHECK(about(refused, worker()).of == what::nonsense);
  refused.length = times - 1;
  CHECK(about(refused, fresh).of == what::nonsense);
}

TEST_CASE("what is no frame is seen by its first bytes", "[answers]") {
  frame_header const header = done(0);
  auto const* const bytes = reinterpret_cast<std::byte const*>(&header);
  for (std::size_t size = 0; size <= sizeof header; ++size) CHECK(dally::detail::may_begin_frame(bytes, size));
  std::byte const noise[] = {std::byte{'h'}, std::byte{'i'}};
  CHECK_FALSE(dally::detail::may_begin_frame(noise, 1));
  CHECK_FALSE(dally::detail::may_begin_frame(noise, 2));
}

TEST_CASE("a worker's end is charged to the task that is guilty of it", "[answers]") {
  // It has died by itself: the task that it ran.
  CHECK(worker_end{.running = 12, .front = 9}.guilty() == 12);
  CHECK(worker_end{.running = 0, .front = 9}.guilty() == 0);
  // It was ended for a task that took too long: that one, though it has begun another since.
  CHECK(worker_end{.running = 12, .front = 9, .overdue = 9, .condemned = true}.guilty() == 9);
  // It was ended because it did not go on: nobody, though it has begun one since.
  CHECK(worker_end{.running = 9, .front = 9, .condemned = true}.guilty() == 0);
  // It has written nonsense where the answer of the first was expected.
  CHECK(worker_end{.running = 12, .front = 9, .breached = true}.guilty() == 9);
  CHECK(worker_end{.running = 12, .front = 9, .overdue = 12, .condemned = true, .breached = true}.guilty() == 9);
}

TEST_CASE("a worker is late with the task that it runs, by that task's limit", "[answers]") {
  seat s = worker();
  dally::worker_status status;
  s.status = &status;
  auto const now = [] { return dally::detail::steady_nanoseconds(); };
  auto const limits = [](std::chrono::nanoseconds first, std::chrono::nanoseconds second) {
    return [=](dally::node_id n) { return n == 0 ? first : second; };
  };
  auto const hour = std::chrono::nanoseconds{1h}.count();
  status.begin(9);
  CHECK_FALSE(lateness_of(s, now(), limits(1h, 0s)).late);
  CHECK_FALSE(lateness_of(s, now() + 2 * hour, limits(0s, 1h)).late);  // the other's limit is not its own
  auto const found = lateness_of(s, now() + 2 * hour, limits(1h, 0s));
  CHECK(found.late);
  CHECK(found.overdue == 9);
  // It has gone on, and what it has answered has not been read yet.
  status.end();
  status.begin(12);
  CHECK_FALSE(lateness_of(s, now() + 2 * hour, limits(1h, 0s)).late);
  CHECK(lateness_of(s, now() + 2 * hour, limits(0s, 1h)).overdue == 12);
  // It does not begin what it was sent: nobody's task is too long.
  status.end();
  s.front_since = now();
  CHECK_FALSE(lateness_of(s, s.front_since + 10, limits(5ns, 0s)).late);
  auto const stopped = lateness_of(s, s.front_since + 2 * hour, limits(1h, 0s));
  CHECK(stopped.late);
  CHECK(stopped.overdue == 0);
  s.in_flight.clear();
  CHECK_FALSE(lateness_of(s, now() + 2 * hour, limits(1h, 1h)).late);
}
