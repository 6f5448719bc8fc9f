#include "dally/pool/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <latch>
#include <optional>
#include <streambuf>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dally/net/channel.hpp"
#include "dally/net/socket.hpp"
#include "dally/pool/shared_memory.hpp"
#include "support/catch2.hpp"
#include "support/running.hpp"
#include "support/sanitizers.hpp"
#include "support/shared.hpp"

using dally::child_process;
using dally::descriptor;
using dally::worker_death;
using reason = dally::worker_death::reason;

// The linker sends this program's calls of fork here: --wrap, see tests/CMakeLists.txt.
extern "C" {
pid_t __real_fork();
pid_t __wrap_fork();
}

namespace {

bool refuse_fork = false;
/// What another thread does between what a process does before it forks, and the fork.
void (*at_fork)() = nullptr;

std::vector<int> open_descriptors() {
  std::vector<int> open;
  for (int fd = 0; fd < 256; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) open.push_back(fd);
  }
  return open;
}

/// Whether a descriptor becomes readable; there is an end to waiting.
bool becomes_readable(descriptor const& d) {
  pollfd waiting{d.get(), POLLIN, 0};
  int found = 0;
  while ((found = ::poll(&waiting, 1, 60'000)) < 0 && errno == EINTR) {
  }
  return found == 1;
}

worker_death wait_for(child_process& child) {
  REQUIRE(becomes_readable(child.death()));
  auto const how = child.ended();
  REQUIRE(how);
  CHECK_FALSE(child);
  return *how;
}

/// Whether no process of this number is left, not even a zombie.
bool is_gone(pid_t pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

template <class Body>
worker_death death_of(Body&& body) {
  auto child = child_process::start({}, [&] {
    rlimit const none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    // Catch's handlers, or a sanitizer's, which a child keeps as it would keep any program's.
    for (int const signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::signal(signal, SIG_DFL);
    body();
    return 0;
  });
  return wait_for(child);
}

[[gnu::noinline]] int eat_stack(int depth) {
  char volatile page[4096];
  page[0] = static_cast<char>(depth);
  return depth > 1'000'000'000 ? page[0] : eat_stack(depth + 1) + page[0];
}

}  // namespace

pid_t __wrap_fork() {
  if (refuse_fork) {
    errno = EAGAIN;
    return -1;
  }
  if (at_fork != nullptr) at_fork();
  return __real_fork();
}

TEST_CASE("it is told how a child ended", "[child_process]") {
  auto exited = [](worker_death d, int code) { return d.why == reason::exited && d.number == code; };
  auto signalled = [](worker_death d, int signal) { return d.why == reason::signalled && d.number == signal; };
  CHECK(exited(death_of([] {}), 0));
  CHECK(exited(death_of([] { ::_exit(7); }), 7));
  CHECK(exited(death_of([] { std::exit(3); }), 3));
  for (int const signal : {SIGKILL, SIGTERM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    CAPTURE(signal);
    CHECK(signalled(death_of([=] { ::raise(signal); }), signal));
  }
  if (!dally::tests::sanitized) {  // sanitizers turn these into exits of their own
    CHECK(signalled(death_of([] { throw 1; }), SIGABRT));
    CHECK(signalled(death_of([] { std::exit(eat_stack(0)); }), SIGSEGV));
  }
  CHECK(exited(death_of([] { ::execl("/bin/sh", "sh", "-c", "exit 9", nullptr); }), 9));
}

TEST_CASE("the destructor kills and leaves nothing behind", "[child_process]") {
  auto const before = open_descriptors();
  pid_t pid = 0;
  {
    auto child = child_process::start({}, [] {
      for (;;) ::pause();
      return 0;
    });
    pid = child.pid();
    CHECK_FALSE(child.ended());
    CHECK(::kill(pid, 0) == 0);
    child_process moved = std::move(child);
    CHECK_FALSE(child);
    CHECK(moved.pid() == pid);
    moved.kill(SIGSTOP);
    // A stopped child is killed as well.
  }
  CHECK(is_gone(pid));
  CHECK(open_descriptors() == before);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("a child has no descriptor of its siblings, so a closed end is seen", "[child_process]") {
  struct worker {
    descriptor end;
    child_process process;
  };
  std::vector<worker> workers;
  for (int k = 0; k < 4; ++k) {
    auto [mine, its] = dally::socket_pair();
    auto child = child_process::start({&its}, [&end = its] {
      char byte = 0;
      return ::read(end.get(), &byte, 1) == 0 ? 42 : 1;  // waits for the end
    });
    workers.push_back({std::move(mine), std::move(child)});
  }
  // From the first on: the later ones were forked while its end was open.
  for (worker& w : workers) {
    w.end.close();
    auto const how = wait_for(w.process);
    CHECK(how.number == 42);
  }
}

TEST_CASE("the end of a child is seen on its socket and on its process, whichever it leaves open", "[child_process]") {
  SECTION("it dies while a grandchild holds the socket") {
    auto [mine, its] = dally::socket_pair();
    auto child = child_process::start({&its}, [] {
      if (::fork() == 0) {
        for (int i = 0; i < 600 && ::getppid() != 1; ++i) ::usleep(100'000);
        ::usleep(200'000);
        ::_exit(0);
      }
      ::raise(SIGKILL);
      return 0;
    });
    its.close();
    CHECK(wait_for(child).number == SIGKILL);
  }
  SECTION("it closes the socket and goes on") {
    auto [mine, its] = dally::socket_pair();
    auto child = child_process::start({&its}, [&end = its] {
      end.close();
      for (;;) ::pause();
      return 0;
    });
    its.close();
    CHECK(becomes_readable(mine));
    CHECK_FALSE(child.ended());  // an end of the stream is no death: it is killed, then waited for
    auto const how = child.end();
    CHECK(how.why == reason::signalled);
    CHECK(how.number == SIGKILL);
  }
}

TEST_CASE("a child that the program waits for itself, or does not want to hear of, is gone all the same",
          "[child_process]") {
  SECTION("SIGCHLD is ignored") {
    struct sigaction former{};
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGCHLD, &ignore, &former);
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    descriptor const go{ends[0]};
    descriptor const let_go{ends[1]};
    // Waits: a child that had gone before could not be watched.
    auto child = child_process::start({&go}, [&go] {
      char byte = 0;
      return ::read(go.get(), &byte, 1) == 1 ? 5 : 6;
    });
    REQUIRE(::write(let_go.get(), "x", 1) == 1);
    REQUIRE(becomes_readable(child.death()));
    auto const how = child.end();
    ::sigaction(SIGCHLD, &former, nullptr);
    CHECK(how.why == reason::unknown);
  }
  SECTION("somebody waits for any child") {
    auto child = child_process::start({}, [] { return 5; });
    pid_t const pid = child.pid();
    CHECK(::waitpid(-1, nullptr, 0) == pid);
    auto const how = child.ended();
    REQUIRE(how);
    CHECK(how->why == reason::unknown);
  }
}

TEST_CASE("a child starts with default signals, but for those of crashes, and dies with its parent",
          "[child_process]") {
  struct sigaction const former_term = [] {
    struct sigaction mine{};
    struct sigaction former{};
    mine.sa_handler = [](int) {};
    ::sigaction(SIGTERM, &mine, &former);
    ::sigaction(SIGUSR1, &mine, nullptr);
    ::sigaction(SIGFPE, &mine, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    return former;
  }();
  sigset_t term;
  sigset_t former_mask;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, &former_mask);
  auto child = child_process::start({}, [] {
    auto handler = [](int signal) {
      struct sigaction now{};
      ::sigaction(signal, nullptr, &now);
      return now.sa_handler;
    };
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    int dies_with = 0;
    ::prctl(PR_GET_PDEATHSIG, &dies_with);
    return (handler(SIGTERM) == SIG_DFL ? 0 : 1) + (handler(SIGUSR1) == SIG_DFL ? 0 : 2) +
           (handler(SIGFPE) != SIG_DFL ? 0 : 4) + (handler(SIGPIPE) == SIG_IGN ? 0 : 8) +
           (handler(SIGINT) != SIG_IGN && handler(SIGINT) != SIG_DFL ? 0 : 16) +
           (::sigismember(&mask, SIGTERM) == 0 ? 0 : 32) + (dies_with == SIGKILL ? 0 : 64) +
           (::getpgrp() == ::getpid() ? 0 : 128);
  });
  CHECK(wait_for(child).number == 0);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &term);
  CHECK(::sigismember(&term, SIGTERM) == 1);  // the parent's mask is as it was
  ::pthread_sigmask(SIG_SETMASK, &former_mask, nullptr);
  ::sigaction(SIGTERM, &former_term, nullptr);
  for (int const signal : {SIGUSR1, SIGFPE, SIGPIPE}) ::signal(signal, SIG_DFL);

  // A worker whose coordinator is killed.
  auto [mine, its] = dally::socket_pair();
  auto coordinator = child_process::start({&its}, [&end = its] {
    auto const worker = child_process::start({&end}, [&end] {
      static_cast<void>(::write(end.get(), "x", 1) == 1);
      for (;;) ::pause();
      return 0;
    });
    for (;;) ::pause();
    return 0;
  });
  its.close();
  REQUIRE(becomes_readable(mine));
  char byte = 0;
  REQUIRE(::read(mine.get(), &byte, 1) == 1);
  coordinator.kill();
  REQUIRE(becomes_readable(mine));  // the end: nobody has the other side any more
  CHECK(::read(mine.get(), &byte, 1) == 0);
}

TEST_CASE("what was printed before a fork appears once, and what a child prints is not lost", "[child_process]") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  auto outer = child_process::start({}, [&] {
    ::dup2(ends[1], STDOUT_FILENO);
    std::printf("before ");
    for (int k = 0; k < 3; ++k) {
      auto child = child_process::start({}, [] {
        std::printf("child ");
        std::exit(0);
        return 0;
      });
      pollfd waiting{child.death().get(), POLLIN, 0};
      ::poll(&waiting, 1, 60'000);
    }
    return 0;
  });
  ::close(ends[1]);
  std::string printed;
  char buffer[256];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    printed.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  CHECK(printed == "before child child child ");
}

namespace {

/// What `body` prints, in a process of its own, on its standard output.
template <class Body>
std::string printed_by(Body&& body) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  auto process = child_process::start({}, [&] {
    ::dup2(ends[1], STDOUT_FILENO);
    body();
    return 0;
  });
  ::close(ends[1]);
  std::string printed;
  char buffer[256];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    printed.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  CHECK(wait_for(process).why == reason::exited);
  return printed;
}

std::size_t times(std::string const& word, std::string const& text) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; at += word.size()) ++count;
  return count;
}

void wait_until_gone(child_process& child) {
  pollfd waiting{child.death().get(), POLLIN, 0};
  ::poll(&waiting, 1, 60'000);
}

std::FILE* own_log = nullptr;

}  // namespace

TEST_CASE("what other threads print while a process is forked appears once, on whichever stream", "[printed]") {
  bool const synchronised = GENERATE(true, false);
  CAPTURE(synchronised);
  std::string const printed = printed_by([=] {
    std::ios::sync_with_stdio(synchronised);
    own_log = ::fdopen(::dup(STDOUT_FILENO), "w");
    std::printf("first;");
    std::cout << "second;";
    at_fork = [] {
      std::printf("stdio;");
      std::cout << "narrow;";
      std::fprintf(own_log, "file;");
    };
    for (int k = 0; k < 2; ++k) {
      auto child = child_process::start({}, [] {
        at_fork = nullptr;
        std::printf("its stdio;");
        std::cout << "its narrow;";
        std::fprintf(own_log, "its file;");
        return 0;
      });
      wait_until_gone(child);
    }
    at_fork = nullptr;
    std::cout.flush();
    std::fclose(own_log);
  });
  CAPTURE(printed);
  for (char const* const once : {"first;", "second;"}) CHECK(times(once, printed) == 1);
  for (char const* const each : {"stdio;", "narrow;", "file;"}) {
    CHECK(times(each, printed) == 4);  // of two forks, and two children
    CHECK(times("its " + std::string{each}, printed) == 2);
  }
}

TEST_CASE("what a process of one thread has printed comes before what its child prints", "[printed]") {
  if (dally::tests::thread_sanitizer) return;  // which has a thread of its own
  bool const synchronised = GENERATE(true, false);
  CAPTURE(synchronised);
  std::string const printed = printed_by([=] {
    std::ios::sync_with_stdio(synchronised);
    std::FILE* const log = ::fdopen(::dup(STDOUT_FILENO), "w");
    std::printf("stdio;");
    std::cout << "narrow;";
    std::fprintf(log, "file;");
    auto child = child_process::start({}, [] {
      std::printf("child");
      return 0;
    });
    wait_until_gone(child);
  });
  CAPTURE(printed);
  CHECK(printed.size() == 5 + 6 + 7 + 5);
  CHECK(printed.find("child") == 5 + 6 + 7);
}

TEST_CASE("wide text that waits when a process is forked appears once", "[printed]") {
  CHECK(printed_by([] {
          std::ios::sync_with_stdio(false);
          at_fork = [] { std::wcout << L"wide;"; };
          auto child = child_process::start({}, [] {
            std::wcout << L"its;";
            return 0;
          });
          at_fork = nullptr;
          wait_until_gone(child);
          std::wcout.flush();
        }) == "its;wide;");
}

namespace {

/// Counts how often it was asked to write out what it has, and throws then.
class refusing_buffer : public std::streambuf {
 public:
  int asked = 0;

 private:
  int sync() override {
    ++asked;
    throw 1;
  }
};

}  // namespace

TEST_CASE("a stream is not touched while other threads may use it, and what its buffer throws is nobody's business",
          "[printed]") {
  refusing_buffer own;
  std::streambuf* const former = std::cout.rdbuf(&own);
  std::cout.exceptions(std::ios::badbit | std::ios::failbit);
  std::latch end{1};
  std::thread other{[&] { end.wait(); }};
  auto const start = [] { return child_process::start({}, [] { return 7; }); };
  auto first = start();
  int const beside_thread = own.asked;
  end.count_down();
  other.join();
  auto second = start();
  int const alone = own.asked;
  std::cout.exceptions(std::ios::goodbit);
  std::cout.rdbuf(former);
  CHECK(beside_thread == 0);
  if (!dally::tests::thread_sanitizer) CHECK(alone == 1);
  CHECK(wait_for(first).number == 7);  // which has asked its own, too
  CHECK(wait_for(second).number == 7);
}

TEST_CASE("who holds the lock of stdout while a process is forked keeps nobody waiting, and may go on printing",
          "[printed]") {
  if (dally::tests::thread_sanitizer) return;
  CHECK(printed_by([] {
          std::latch locked{1}, forked{1};
          std::thread other{[&] {
            ::flockfile(stdout);
            std::printf("one,");
            locked.count_down();
            forked.wait();
            std::printf("two;");
            ::funlockfile(stdout);
          }};
          locked.wait();
          auto child = child_process::start({}, [] {
            std::printf("child;");
            return 0;
          });
          wait_until_gone(child);
          forked.count_down();
          other.join();
        }) == "child;one,two;");
}

TEST_CASE("a child goes on when nobody reads what it prints", "[printed]") {
  auto child = child_process::start({}, [] {
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    std::printf("for nobody");
    std::fflush(stdout);
    return 5;
  });
  auto const how = wait_for(child);
  CHECK(how.why == reason::exited);
  CHECK(how.number == 5);
}

namespace {

using process_list = dally::tests::shared_array<std::atomic<int>>;

/// Starts a process that does nothing for ever, in a group or session of its own if `apart()` makes one, and notes it.
template <class Apart>
void start_sleeper(std::atomic<int>& note, Apart&& apart) {
  if (pid_t const pid = __real_fork(); pid == 0) {
    apart();
    note = ::getpid();
    for (;;) ::pause();
  }
  while (note == 0) std::this_thread::yield();
}

/// Starts one whose parent has ended.
template <class Apart>
void start_orphan(std::atomic<int>& note, Apart&& apart) {
  pid_t const between = __real_fork();
  if (between == 0) {
    start_sleeper(note, apart);
    ::_exit(0);
  }
  ::waitpid(between, nullptr, 0);
}

/// What a command that stays may be: in its starter's group, in one of its own, a descendant of such, in the
/// background.
void start_all_kinds(process_list& notes) {
  start_sleeper(notes[0], [] {});
  start_sleeper(notes[1], [] { ::setpgid(0, 0); });
  start_sleeper(notes[2], [&notes] {
    ::setsid();
    start_sleeper(notes[3], [] { ::setpgid(0, 0); });
  });
  start_orphan(notes[4], [] {});
}

using dally::tests::is_running;

void wait_until_ended(process_list const& notes, std::size_t from, std::size_t to) {
  for (std::size_t k = from; k < to; ++k) {
    while (is_running(notes[k])) std::this_thread::yield();  // ctest ends what takes too long
  }
}

}  // namespace

TEST_CASE("what a child has started is ended and waited for with it, whichever group it is in", "[child_process]") {
  process_list notes{6};
  auto child = child_process::start({}, [&] {
    std::thread{[&] { start_all_kinds(notes); }}.join();
    notes[5] = 1;
    for (;;) ::pause();
    return 0;
  });
  while (notes[5] == 0) std::this_thread::yield();
  CHECK(child.end().number == SIGKILL);
  for (std::size_t k = 0; k < 4; ++k) {
    CAPTURE(k);
    CHECK(is_gone(notes[k]));
  }
  wait_until_ended(notes, 4, 5);
  int reaper = 0;
  ::prctl(PR_GET_CHILD_SUBREAPER, &reaper);
  CHECK(reaper == 0);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}

TEST_CASE("what a child of several threads has started is ended with it", "[child_process]") {
  process_list notes{2};
  auto child = child_process::start({}, [&] {
    std::thread other{[&] {
      start_sleeper(notes[0], [] { ::setsid(); });
      notes[1] = 1;
      for (;;) ::pause();
    }};
    other.join();
    return 0;
  });
  while (notes[1] == 0) std::this_thread::yield();
  static_cast<void>(child.end());
  CHECK(is_gone(notes[0]));
}

TEST_CASE("what a child has started in its group is ended when it has died, or has just ended", "[child_process]") {
  bool const dies = GENERATE(true, false);
  process_list notes{2};
  auto child = child_process::start({}, [&] {
    start_sleeper(notes[0], [] {});
    start_orphan(notes[1], [] {});
    if (dies) ::raise(SIGKILL);
    return 3;
  });
  CHECK(wait_for(child).number == (dies ? SIGKILL : 3));
  wait_until_ended(notes, 0, 2);
}

TEST_CASE("a daemon stays when the child that started it is ended", "[child_process]") {
  process_list notes{2};
  auto child = child_process::start({}, [&] {
    start_orphan(notes[0], [] { ::setsid(); });
    notes[1] = 1;
    for (;;) ::pause();
    return 0;
  });
  while (notes[1] == 0) std::this_thread::yield();
  static_cast<void>(child.end());
  CHECK(is_running(notes[0]));
  ::kill(notes[0], SIGKILL);
  wait_until_ended(notes, 0, 1);
}

TEST_CASE("what a child has started ends with the program, however that ends", "[child_process]") {
  process_list notes{3};
  pid_t const program = __real_fork();
  if (program == 0) {
    ::signal(SIGINT, SIG_DFL);  // without Catch's handler
    std::latch never{1};
    std::thread busy{[&] { never.wait(); }};  // threads end in any order
    auto const child = child_process::start({}, [&] {
      start_sleeper(notes[0], [] {});
      start_orphan(notes[1], [] {});
      notes[2] = 1;
      for (;;) ::pause();
      return 0;
    });
    for (;;) ::pause();
  }
  while (notes[2] == 0) std::this_thread::yield();
  ::kill(program, SIGINT);
  ::waitpid(program, nullptr, 0);
  wait_until_ended(notes, 0, 2);
}

TEST_CASE("a command of a child has the signals that a command has", "[child_process]") {
  auto const ends_by = [](char const* command) {
    auto child = child_process::start({}, [command] {
      int const status = std::system(command);
      return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    });
    return wait_for(child).number;
  };
  CHECK(ends_by("kill -INT $$") == SIGINT);
  CHECK(ends_by("kill -PIPE $$") == SIGPIPE);
  CHECK(ends_by("kill -TERM $$") == SIGTERM);
}

TEST_CASE("a child that exits ends nothing that it shares with its parent", "[child_process]") {
  static dally::shared_mapping const memory{64, PROT_READ | PROT_WRITE};
  std::atexit([] { memory.data()[0] = std::byte{1}; });
  auto child = child_process::start({}, [] {
    std::exit(3);
    return 0;
  });
  CHECK(wait_for(child).number == 3);
  CHECK(memory.data()[0] == std::byte{0});
}

TEST_CASE("a refused fork is a resource_error, and nothing is left of it", "[child_process]") {
  auto const before = open_descriptors();
  refuse_fork = true;
  int code = 0;
  try {
    auto const child = child_process::start({}, [] { return 0; });
  } catch (dally::resource_error const& e) {
    code = e.code();
  }
  refuse_fork = false;
  CHECK(code == EAGAIN);
  // No descriptor is left for the process: it is ended again.
  rlimit former{};
  ::getrlimit(RLIMIT_NOFILE, &former);
  rlimit const none{static_cast<rlim_t>(before.size()), former.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  std::vector<int> filled;
  for (int fd = 0; (fd = ::dup(0)) >= 0;) filled.push_back(fd);
  std::optional<dally::resource_error> refused;
  try {
    auto const child = child_process::start({}, [] {
      for (;;) ::pause();
      return 0;
    });
  } catch (dally::resource_error const& e) {
    refused = e;
  }
  for (int const fd : filled) ::close(fd);
  ::setrlimit(RLIMIT_NOFILE, &former);
  REQUIRE(refused);
  CHECK(refused->code() == EMFILE);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(open_descriptors() == before);
}

TEST_CASE("a page shared with the workers says what each was doing when it died", "[shared_memory]") {
  dally::status_page page{3};
  CHECK(page.size() == 3);
  auto const before = std::chrono::steady_clock::now();
  std::vector<child_process> workers;
  for (std::uint32_t k = 0; k < 3; ++k) {
    CHECK(page[k].task() == dally::worker_status::idle);
    workers.push_back(child_process::start({}, [&page, k] {
      page[k].begin(100);
      page[k].end();
      if (k != 2) page[k].begin(200 + k);
      ::raise(SIGKILL);
      return 0;
    }));
  }
  for (child_process& w : workers) CHECK(wait_for(w).number == SIGKILL);
  CHECK(page[0].task() == 200);
  CHECK(page[1].task() == 201);
  CHECK(page[2].task() == dally::worker_status::idle);
  CHECK(page[1].done() == 1);
  CHECK(page[1].started() >= before);
  CHECK(page[1].started() <= std::chrono::steady_clock::now());
  page[1].reset();
  CHECK(page[1].task() == dally::worker_status::idle);
  CHECK(page[1].done() == 0);
}
