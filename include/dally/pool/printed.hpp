#pragma once

#include <stdio_ext.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <ostream>
#include <sstream>
#include <streambuf>
#include <thread>

#include "dally/core/function.hpp"

/// What a process has printed and not written out, around a fork: it belongs to the parent, whose thread printed it,
/// and must come out once. So the parent writes what it may, and the child forgets its copy of the rest.
///
/// Errors  none: whether text can be written is no matter of a run's
#ifdef __GLIBC__
extern "C" {
[[gnu::weak]] extern std::FILE* _IO_list_all;  // all open files, linked by _chain
[[gnu::weak]] void _IO_list_lock();
[[gnu::weak]] void _IO_list_unlock();
}
#endif

namespace dally::detail {

/// Calls `visit(file)` for each file that is open, and nobody opens or closes one meanwhile; where the C library does
/// not let us see them, for those of the standard.
template <class Visit>
void each_file(Visit const& visit) noexcept {
#ifdef __GLIBC__
  if (&_IO_list_all != nullptr && &_IO_list_lock != nullptr && &_IO_list_unlock != nullptr) {
    ::_IO_list_lock();
    for (std::FILE* file = _IO_list_all; file != nullptr; file = file->_chain) visit(file);
    ::_IO_list_unlock();
    return;
  }
#endif
  visit(stdout);
  visit(stderr);
}

/// Whether text waits in a file to be written somewhere, not only to memory.
inline bool has_unwritten(std::FILE* file) noexcept { return ::__fpending(file) != 0 && ::fileno_unlocked(file) >= 0; }

/// Writes out what waits in a file. False if another thread uses it.
inline bool flush_unless_locked(std::FILE* file) noexcept {
  if (::ftrylockfile(file) != 0) return false;
  if (has_unwritten(file)) static_cast<void>(::fflush_unlocked(file));
  ::funlockfile(file);
  return true;
}

/// Writes out what waits in a stream, and leaves the stream's state alone.
template <class Char>
void flush_stream(std::basic_ostream<Char>& stream) noexcept {
  try {
    if (auto* const buffer = stream.rdbuf()) static_cast<void>(buffer->pubsync());
  } catch (...) {  // a buffer of the program's
  }
}

/// A stream's buffer, seen from within.
template <class Char>
struct seen_buffer : std::basic_streambuf<Char> {
  using base = std::basic_streambuf<Char>;
  static bool is_empty(base const& of) { return (of.*(&seen_buffer::pptr))() == (of.*(&seen_buffer::pbase))(); }
  static void forget(base& of) {
    (of.*(&seen_buffer::setp))((of.*(&seen_buffer::pbase))(), (of.*(&seen_buffer::epptr))());
  }
};

/// Whether text waits in a stream's own buffer; one of the program's may keep it elsewhere.
template <class Char>
bool has_unwritten(std::basic_ostream<Char> const& stream) noexcept {
  auto const* const of = stream.rdbuf();
  return of != nullptr && !seen_buffer<Char>::is_empty(*of);
}

/// Forgets what waits in a stream's buffer. Touches nothing else of it: another thread may have been writing to it when
/// this process was forked.
template <class Char>
void forget_stream(std::basic_ostream<Char>& stream) noexcept {
  if (!has_unwritten(stream)) return;
  auto* const of = stream.rdbuf();
  // Text in memory is there to be read.
  if (dynamic_cast<std::basic_stringbuf<Char>*>(of) == nullptr) seen_buffer<Char>::forget(*of);
}

/// Writes out what this process has printed, also to files of the program's.
[[gnu::cold]] DALLY_FUNCTION void flush_printed() noexcept {
  flush_stream(std::cout);
  flush_stream(std::clog);
  if (has_unwritten(std::wcout)) flush_stream(std::wcout);
  if (has_unwritten(std::wclog)) flush_stream(std::wclog);
  each_file([](std::FILE* file) {
    if (has_unwritten(file)) static_cast<void>(flush_unless_locked(file));
  });
}

/// While one lives, writing to a pipe that nobody reads is an error for this thread, not the end of the process.
class without_sigpipe {
 public:
  [[gnu::cold]] DALLY_FUNCTION without_sigpipe() noexcept {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &former_);
  }
  without_sigpipe(without_sigpipe const&) = delete;
  without_sigpipe& operator=(without_sigpipe const&) = delete;
  [[gnu::cold]] DALLY_FUNCTION ~without_sigpipe() {
    timespec const now{};
    if (!was_pending_) ::sigtimedwait(&pipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &former_, nullptr);
  }

 private:
  sigset_t pipe_;
  sigset_t former_;
  bool was_pending_;
};

/// In the parent, before a fork: writes out what it has printed, so that it comes before what the child prints. What
/// another thread may be using without a lock is left to that thread: streams that are not synchronised with stdio, and
/// files of the program's. Nobody is waited for for long: who holds the lock of stdout may wait for us.
[[gnu::cold]] DALLY_FUNCTION void flush_before_fork() noexcept {
  without_sigpipe const guard;
  struct stat threads{};
  bool const alone = ::stat("/proc/self/task", &threads) == 0 && threads.st_nlink == 3;  // two, and one for each thread
  if (alone) return flush_printed();
  for (std::FILE* const file : {stdout, stderr}) {
    for (int wait = 0; wait < 100 && !flush_unless_locked(file); ++wait) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  }
}

/// In the child, before anything is printed: what its parent had not written out is the parent's to write.
[[gnu::cold]] DALLY_FUNCTION void forget_printed() noexcept {
  each_file([](std::FILE* file) {
    if (has_unwritten(file)) ::__fpurge(file);
  });
  forget_stream(std::cout);
  forget_stream(std::clog);
  forget_stream(std::wcout);
  forget_stream(std::wclog);
}

}  // namespace dally::detail
