#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

namespace dally {

/// Bytes on their way to or from a socket: added at the end, taken at the front.
///
/// Errors  std::bad_alloc
class byte_queue {
 public:
  [[nodiscard]] std::byte const* data() const noexcept { return memory_.get() + first_; }
  [[nodiscard]] std::size_t size() const noexcept { return last_ - first_; }
  [[nodiscard]] bool empty() const noexcept { return first_ == last_; }

  /// Room for `bytes` more at the end, which added(n) then makes part of the queue. Invalidates data().
  [[nodiscard]] std::byte* room(std::size_t bytes) {
    if (room_ - last_ < bytes) make_room(bytes);
    return memory_.get() + last_;
  }
  void added(std::size_t bytes) noexcept { last_ += bytes; }
  void add(void const* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(room(bytes), from, bytes);
    added(bytes);
  }
  void take(std::size_t bytes) noexcept {
    first_ += bytes;
    if (first_ != last_) return;
    first_ = last_ = 0;
    if (room_ > most_kept) clear();
  }
  /// Takes the last `bytes` back.
  void withdraw(std::size_t bytes) noexcept { last_ -= bytes; }
  void clear() noexcept {
    memory_.reset();
    first_ = last_ = room_ = 0;
  }

  enum class moved { all, some, closed };

  /// Receives once what is there, at most `most` bytes. `some`: something; `all`: nothing was there.
  [[nodiscard]] moved receive(int socket, int flags, std::size_t most = 1 << 16) {
    for (;;) {
      std::byte* const to = room(most);
      ssize_t const got = ::recv(socket, to, room_ - last_, flags);
      if (got > 0) {
        added(static_cast<std::size_t>(got));
        return moved::some;
      }
      if (got == 0) return moved::closed;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return moved::all;
      if (errno != EINTR) return moved::closed;
    }
  }

  /// Sends until nothing is left, or, with MSG_DONTWAIT, until the socket is full.
  [[nodiscard]] moved send(int socket, int flags) {
    while (!empty()) {
      ssize_t const sent = ::send(socket, data(), size(), flags | MSG_NOSIGNAL);
      if (sent >= 0) {
        take(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return moved::some;
      } else if (errno != EINTR) {
        return moved::closed;
      }
    }
    return moved::all;
  }

 private:
  static constexpr std::size_t most_kept = std::size_t{1} << 20;

  void make_room(std::size_t bytes) {
    std::size_t const used = size();
    if (room_ - used >= bytes && first_ >= room_ / 2) {
      std::memmove(memory_.get(), data(), used);
    } else {
      std::size_t const larger = used + bytes + (used + bytes) / 2 + 256;
      auto memory = std::make_unique_for_overwrite<std::byte[]>(larger);
      if (used != 0) std::memcpy(memory.get(), data(), used);
      memory_ = std::move(memory);
      room_ = larger;
    }
    first_ = 0;
    last_ = used;
  }

  std::unique_ptr<std::byte[]> memory_;
  std::size_t room_ = 0;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

}  // namespace dally
