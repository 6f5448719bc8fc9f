#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/process.hpp"

namespace dally {

/// An owned file descriptor of this process alone: one of a list of such, so that the child of a fork can close those
/// that are its parent's business. Without that an end of a socket that its owner closes lives on in siblings, and the
/// other side never sees an end.
///
/// Threads  one at a time; different descriptors from several
class descriptor {
 public:
  descriptor() = default;
  /// Takes over `fd`; none if it is negative. One below 3, in a program that has closed its standard streams, is moved
  /// up: what a task prints must not get into it.
  explicit descriptor(int fd) noexcept : fd_{above_standard(fd)} { enlist(); }
  descriptor(descriptor&& other) noexcept : fd_{other.release()} { enlist(); }
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = other.release();
      enlist();
    }
    return *this;
  }
  ~descriptor() { close(); }

  /// -1 if there is none.
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }

  void close() noexcept {
    // Not again after EINTR: Linux has closed it then.
    if (int const fd = release(); fd >= 0) ::close(fd);
  }

  /// In the child of a fork: closes every descriptor but those of `kept`. The parent's objects are then not to be used.
  static void close_all_but(std::vector<descriptor const*> const& kept) noexcept {
    std::lock_guard const lock{process_state::instance().mutex};
    for (descriptor* d = first_; d != nullptr;) {
      descriptor* const next = d->next_;
      bool keep = false;
      for (descriptor const* const k : kept) keep = keep || k == d;
      if (!keep) {
        ::close(d->fd_);
        d->fd_ = -1;
        d->unlink();
      }
      d = next;
    }
  }

 private:
  [[nodiscard]] static int above_standard(int fd) noexcept {
    if (fd < 0 || fd > 2) return fd;
    int const moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int const why = errno;
    ::close(fd);
    errno = why;
    return moved;
  }
  [[nodiscard]] int release() noexcept {
    if (fd_ < 0) return -1;
    std::lock_guard const lock{process_state::instance().mutex};
    unlink();
    return std::exchange(fd_, -1);
  }
  void enlist() noexcept {
    if (fd_ < 0) return;
    // process_state's mutex is held while the process forks, so a child finds the list whole.
    std::lock_guard const lock{process_state::instance().mutex};
    previous_ = nullptr;
    next_ = first_;
    if (first_ != nullptr) first_->previous_ = this;
    first_ = this;
  }
  void unlink() noexcept {
    (previous_ != nullptr ? previous_->next_ : first_) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  }

  inline static descriptor* first_ = nullptr;  // guarded by process_state's mutex

  int fd_ = -1;
  descriptor* previous_ = nullptr;
  descriptor* next_ = nullptr;
};

/// Two connected ends of a stream socket. Errors: resource_error.
[[nodiscard]] inline std::pair<descriptor, descriptor> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    int const code = errno;
    throw resource_error{"the system refused a pair of sockets: the limit of open files (ulimit -n)?", code};
  }
  std::pair<descriptor, descriptor> both{descriptor{ends[0]}, descriptor{ends[1]}};
  if (both.first && both.second) return both;
  int const code = errno;
  throw resource_error{"the system refused a pair of sockets: the limit of open files (ulimit -n)?", code};
}

/// Sends `size` bytes, few enough for one message, and with them a copy of `passed` if there is one. False if nobody
/// is left to receive them, or not within the socket's time.
[[nodiscard]] inline bool send_passing(descriptor const& socket, void const* bytes, std::size_t size,
                                       descriptor const& passed) noexcept {
  iovec part{const_cast<void*>(bytes), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (passed) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    int const fd = passed.get();
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(size);
}

/// Receives what send_passing() has sent. False at the end, after an error, and when the socket's time is over.
[[nodiscard]] inline bool receive_passed(descriptor const& socket, void* bytes, std::size_t size,
                                         descriptor& passed) noexcept {
  for (std::size_t got = 0; got < size;) {
    iovec part{static_cast<std::byte*>(bytes) + got, size - got};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t const count = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    got += static_cast<std::size_t>(count);
    cmsghdr const* const rights = CMSG_FIRSTHDR(&message);
    if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof(int))) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    passed = descriptor{fd};
  }
  return true;
}

}  // namespace dally
