// Workers that send what no worker sends: the linker puts a function between their answers and the socket.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "dally/schedulers/frames.hpp"
#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"

using dally::delayed;
using dally::process_pool;
using dally::processes;
using dally::detail::frame_header;
using dally::detail::frame_kind;
using dally::tests::contains;
using dally::tests::ledger;
using dally::tests::same;

namespace {

using bytes = std::vector<char>;
/// Changes an answer in the worker that sends it; null where workers are honest.
void (*forge)(frame_header& header, bytes& body) = nullptr;
std::string prefix;  // written before the answer
pid_t const program = getpid();

std::string text_of(int size) { return std::string(static_cast<std::size_t>(size), 'x'); }

}  // namespace

extern "C" {
ssize_t __real_send(int socket, void const* data, std::size_t size, int flags);
ssize_t __wrap_send(int socket, void const* data, std::size_t size, int flags) {
  frame_header header;
  if (forge == nullptr || getpid() == program || size < sizeof header) return __real_send(socket, data, size, flags);
  std::memcpy(&header, data, sizeof header);
  if (header.sequence == 0) return __real_send(socket, data, size, flags);
  auto const* const text = static_cast<char const*>(data);
  bytes body(text + sizeof header, text + size);
  forge(header, body);
  bytes lie(prefix.begin(), prefix.end());
  lie.resize(prefix.size() + sizeof header);
  std::memcpy(lie.data() + prefix.size(), &header, sizeof header);
  lie.insert(lie.end(), body.begin(), body.end());
  for (std::size_t sent = 0; sent < lie.size();) {
    ssize_t const part = __real_send(socket, lie.data() + sent, lie.size() - sent, flags);
    if (part <= 0) return part;
    sent += static_cast<std::size_t>(part);
  }
  return static_cast<ssize_t>(size);
}
}

namespace {

/// Runs on workers that lie, and expects that their task is to blame for it.
template <class T>
void check_breach(dally::lazy<T> const& x) {
  try {
    static_cast<void>(x.compute(processes{1}));
    FAIL("nothing was thrown");
  } catch (dally::killed_worker const& e) {
    CHECK(e.task() == "liar");
    CHECK(e.attempts() == 2);
    CHECK(e.death().why == dally::worker_death::reason::breach);
  }
}

struct honest_again {
  ~honest_again() {
    forge = nullptr;
    prefix.clear();
  }
};

}  // namespace

TEST_CASE("an answer that cannot be ends its worker, and the run does not wait", "[processes]") {
  ledger books;
  honest_again const after;
  dally::task_options const options{.name = "liar", .crash_retries = 1};
  auto const number = delayed(same, options)(1);
  auto const text = delayed(text_of, options)(100);
  void (*const lies[])(frame_header&, bytes&) = {
      [](frame_header& h, bytes&) { h.length = std::uint64_t{1} << 39; },
      [](frame_header& h, bytes&) { h.length += 100; },
      [](frame_header& h, bytes&) { h.length = 0; },
      [](frame_header& h, bytes&) { h.length -= 1; },
      [](frame_header& h, bytes&) { h.kind = static_cast<frame_kind>(77); },
      [](frame_header& h, bytes&) { h.kind = frame_kind::hello; },
      [](frame_header& h, bytes&) { h.kind = frame_kind::task; },
      [](frame_header& h, bytes&) { h.sequence += 1000; },
      [](frame_header& h, bytes&) { h.node = 12'345; },
      [](frame_header& h, bytes&) { h.claim = 63; },
      [](frame_header& h, bytes&) { h.epoch += 1; },
      [](frame_header& h, bytes&) { h.magic = 0; },
      [](frame_header& h, bytes&) { h.arena = true; },
      [](frame_header&, bytes& body) { body.resize(body.size() / 2); },
      [](frame_header&, bytes& body) { body.clear(); },
  };
  int which = 0;
  for (auto const lie : lies) {
    CAPTURE(which++);
    forge = lie;
    check_breach(number);
  }
  // Of a text any length may be true, but what does not come is missed.
  for (auto const lie : {lies[1], lies[13], lies[14]}) {
    forge = lie;
    check_breach(text);
  }
  forge = [](frame_header&, bytes&) {};
  prefix = "hi";
  check_breach(number);
}

TEST_CASE("a place in an arena that none has given is a breach", "[processes]") {
  ledger books;
  honest_again const after;
  auto const large = delayed(text_of, {.name = "liar", .crash_retries = 1})(1 << 20);
  static std::uint64_t offset = 0;
  static std::uint64_t size = 0;
  static auto const range_at = sizeof(dally::detail::task_times);
  forge = [](frame_header& h, bytes& body) {
    if (!h.arena) return;
    std::memcpy(body.data() + range_at, &offset, sizeof offset);
    std::memcpy(body.data() + range_at + sizeof offset, &size, sizeof size);
  };
  struct place {
    std::uint64_t offset, size;
  };
  for (place const p : {place{~std::uint64_t{0}, 1 << 20}, place{56, ~std::uint64_t{0}}, place{56, 0},
                        place{3, 1 << 20}, place{std::uint64_t{1} << 62, 1 << 20}}) {
    CAPTURE(p.offset, p.size);
    offset = p.offset;
    size = p.size;
    check_breach(large);
  }
}

TEST_CASE("an exception that arrives cut off is told as one", "[processes]") {
  ledger books;
  honest_again const after;
  auto const throws = delayed([](int) -> int { throw std::runtime_error{"a text to be cut"}; }, {.name = "thrower"})(1);
  forge = [](frame_header& h, bytes& body) {
    h.length -= 5;
    body.resize(body.size() - 5);
  };
  try {
    throws.compute(processes{1});
    FAIL("nothing was thrown");
  } catch (dally::remote_error const& e) {
    CHECK(e.task() == "thrower");
    CHECK_THAT(e.what(), contains("\"thrower\" (protocol_test.cpp:") && contains("could not be read"));
  }
}
