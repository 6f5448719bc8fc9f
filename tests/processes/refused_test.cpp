// A system that refuses processes, sockets, memory: the linker puts these functions between the library and libc.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <string>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::processes;
using dally::tests::contains;
using dally::tests::ledger;
using dally::tests::same;
using dally::tests::shared_array;

namespace {

/// Refuses the calls first .. last - 1, counted from when it was made.
struct refusal {
  int first = 0;
  int last = 0;
  int calls = 0;
  bool operator()() {
    int const call = calls++;
    return call >= first && call < last;
  }
};
refusal forks, sockets, polls, files, room, pidfds;

constexpr int for_ever = 1'000'000;

int run() {
  std::vector<lazy<std::string>> parts;
  for (int i = 0; i < 100; ++i) parts.push_back(delayed([](int x) { return std::to_string(x); })(i));
  auto length = [](std::vector<std::string> const& all) {
    std::size_t sum = 0;
    for (auto const& s : all) sum += s.size();
    return static_cast<int>(sum);
  };
  return delayed(length)(parts).compute(processes{3});
}

}  // namespace

extern "C" {
pid_t __real_fork();
pid_t __wrap_fork() {
  if (!forks()) return __real_fork();
  errno = EAGAIN;
  return -1;
}
int __real_socketpair(int domain, int type, int protocol, int* ends);
int __wrap_socketpair(int domain, int type, int protocol, int* ends) {
  if (!sockets()) return __real_socketpair(domain, type, protocol, ends);
  errno = EMFILE;
  return -1;
}
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags) {
  if (!polls()) return __real_epoll_create1(flags);
  errno = EMFILE;
  return -1;
}
int __real_memfd_create(char const* name, unsigned flags);
int __wrap_memfd_create(char const* name, unsigned flags) {
  if (!files()) return __real_memfd_create(name, flags);
  errno = ENFILE;
  return -1;
}
int __real_fallocate(int file, int mode, off_t offset, off_t size);
int __wrap_fallocate(int file, int mode, off_t offset, off_t size) {
  // Workers count their own calls.
  if (mode != 0 || !room()) return __real_fallocate(file, mode, offset, size);
  errno = ENOSPC;
  return -1;
}
int __real_epoll_ctl(int epoll, int operation, int descriptor, void* event);
int __wrap_epoll_ctl(int epoll, int operation, int descriptor, void* event) {
  if (!pidfds()) return __real_epoll_ctl(epoll, operation, descriptor, event);
  errno = ENOSPC;
  return -1;
}
}

TEST_CASE("a run makes do with the workers that the system grants", "[processes]") {
  ledger books;
  for (refusal* const what : {&forks, &sockets, &pidfds}) {
    // Each call alone, then all but the first.
    for (int k = 0; k < 8; ++k) {
      CAPTURE(k);
      *what = {k, k + 1};
      CHECK(run() == 190);
    }
    *what = what == &pidfds ? refusal{2, 4} : refusal{1, for_ever};
    CHECK(run() == 190);
    *what = {};
  }
  polls = {0, 2};
  CHECK(run() == 190);
  polls = {};
}

TEST_CASE("who goes on with fewer workers is told, and why", "[processes]") {
  ledger books;
  std::vector<std::string> notes;
  auto const told = [&notes](std::string_view note) { notes.emplace_back(note); };
  forks = {1, for_ever};
  std::vector<lazy<int>> tasks;
  for (int i = 0; i < 20; ++i) tasks.push_back(delayed(same)(i));
  CHECK(dally::compute(processes{{.workers = 3, .note = told}}, tasks).size() == 20);
  forks = {1, for_ever};
  CHECK(dally::compute(processes{{.workers = 3, .note = nullptr}}, tasks).size() == 20);
  forks = {};
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], contains("1 of 3 workers") && contains("refused"));
}

TEST_CASE("a run without any worker says what the system refused", "[processes]") {
  ledger books;
  forks = {0, for_ever};
  try {
    run();
    FAIL("nothing was thrown");
  } catch (dally::resource_error const& e) {
    CHECK(e.code() == EAGAIN);
    CHECK_THAT(e.what(), contains("process") && contains("even one worker"));
  }
  CHECK(forks.calls == 4);
  forks = {};
  sockets = {0, for_ever};
  CHECK_THROWS_AS(run(), dally::resource_error);
  sockets = {};
  polls = {0, for_ever};
  CHECK_THROWS_WITH(run(), contains("epoll"));
  polls = {};
  CHECK(run() == 190);
}

TEST_CASE("a worker that cannot be replaced is done without", "[processes]") {
  ledger books;
  // Five tasks crash, each of them once.
  shared_array<std::atomic<int>> crashed{5};
  auto fragile = delayed([&crashed](int x) {
    auto const tens = static_cast<std::size_t>(x / 10);
    if (x % 10 == 3 && tens < crashed.size() && crashed[tens].exchange(1) == 0) raise(SIGKILL);
    return x;
  });
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 100; ++i) parts.push_back(fragile(i));
  forks = {3, 6};
  auto const all = dally::compute(processes{3}, parts);
  for (int i = 0; i < 100; ++i) CHECK(all[static_cast<std::size_t>(i)] == i);
  // With none left, and none to be had:
  auto always = delayed([](int x) -> int {
    raise(SIGKILL);
    return x;
  });
  forks = {1, for_ever};
  CHECK_THROWS_AS(always(1).compute(processes{1}), dally::resource_error);
  forks = {};
  CHECK(delayed(same)(5).compute(processes{1}) == 5);
}

TEST_CASE("without memory to share large results travel through the sockets", "[processes]") {
  ledger books;
  auto make = delayed([](int i) { return std::vector<int>(1'000'000, i); });
  auto last = delayed([](std::vector<int> const& a, std::vector<int> const& b) { return a.back() + b.back(); });
  for (int k = 0; k < 3; ++k) {
    files = {k, for_ever};
    CHECK(last(make(3), make(4)).compute(processes{2}) == 7);
    CHECK(make(5).compute(processes{2}).size() == 1'000'000);
  }
  files = {};
  for (int k = 0; k < 2; ++k) {
    room = {k, for_ever};  // a full machine
    CHECK(last(make(3), make(4)).compute(processes{1}) == 7);
  }
  room = {};
}
