#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/net/socket.hpp"

namespace dally {

/// Bytes that somebody else owns.
struct byte_view {
  std::byte const* data = nullptr;
  std::size_t size = 0;
};

/// Whole messages over a stream socket.
///
/// Messages are queued by send() and written by flush(), as many as the socket takes in one call; receive() reads what
/// has come, next() gives one message after the other. An end of the stream, or a reset by a side that died with
/// unread messages, is seen only after the last whole message; half a message is none.
///
/// Shape    before each message 8 bytes: a constant and the message's length, both checked before memory is asked for
/// Threads  one
/// Errors   std::bad_alloc; resource_error where the system refuses what is no end
class channel {
 public:
  enum class state {
    open,
    ended,  ///< the other side is gone; its messages may still wait for next()
    broken  ///< the other side wrote what is no message: nothing it says can be believed
  };

  /// `largest` is the size of the longest message, in both directions.
  channel(descriptor socket, std::size_t largest)
      : socket_{std::move(socket)}, largest_{largest}, room_{2 * (largest + sizeof(header))} {
    assert(largest <= 0x7fff'ffffU);
  }

  [[nodiscard]] descriptor const& socket() const noexcept { return socket_; }
  [[nodiscard]] state status() const noexcept { return state_; }

  /// Queues one message, given in pieces. After the other side's end nothing is kept.
  void send(std::initializer_list<byte_view> pieces) {
    std::size_t size = 0;
    for (byte_view const piece : pieces) size += piece.size;
    assert(size <= largest_);
    if (deaf_) return;
    if (sent_ == output_.size()) {
      output_.clear();
      sent_ = 0;
    }
    std::size_t const at = output_.size();
    output_.resize(at + sizeof(header) + size);
    header const head{magic, static_cast<std::uint32_t>(size)};
    std::byte* to = output_.data() + at;
    std::memcpy(to, &head, sizeof head);
    to += sizeof head;
    for (byte_view const piece : pieces) {
      if (piece.size != 0) std::memcpy(to, piece.data, piece.size);
      to += piece.size;
    }
  }

  /// Whether something waits to be written.
  [[nodiscard]] bool has_output() const noexcept { return sent_ < output_.size(); }

  /// Writes what the socket takes without waiting; true if nothing is left.
  bool flush() {
    while (has_output()) {
      ssize_t const written =
          ::send(socket_.get(), output_.data() + sent_, output_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (written >= 0) {
        sent_ += static_cast<std::size_t>(written);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return false;
      } else if (errno != EINTR) {
        // Nobody reads any more. What the other side wrote before is still to be read, so the state stays.
        if (errno != EPIPE && errno != ECONNRESET) refuse_io("writing to");
        deaf_ = true;
        sent_ = output_.size();
      }
    }
    output_.clear();
    sent_ = 0;
    return true;
  }

  /// The same, but waits until all is written. False if the other side is gone.
  bool flush_all() {
    while (!flush()) wait_for(POLLOUT);
    return !deaf_;
  }

  /// Reads what has come, at most once the buffer full, without waiting; true if anything changed. Messages that next()
  /// gave before are gone.
  bool receive() {
    if (state_ != state::open) return false;
    if (input_ == nullptr) input_.reset(new std::byte[room_]);
    if (first_ != 0) {
      std::memmove(input_.get(), input_.get() + first_, last_ - first_);
      last_ -= first_;
      first_ = 0;
    }
    if (last_ == room_) return false;  // next() has messages to give
    for (;;) {
      ssize_t const got = ::recv(socket_.get(), input_.get() + last_, room_ - last_, MSG_DONTWAIT);
      if (got > 0) {
        last_ += static_cast<std::size_t>(got);
        return true;
      }
      if (got == 0) {
        state_ = state::ended;
        return true;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      // A side that dies with unread messages resets the connection; what it wrote before has been read by then, or is
      // given by the next call.
      if (errno != EINTR && errno != ECONNRESET) refuse_io("reading from");
    }
  }

  /// The next whole message, valid until receive() is called; none if there is none, or status() is broken.
  [[nodiscard]] std::optional<byte_view> next() {
    if (state_ == state::broken || last_ - first_ < sizeof(header)) return std::nullopt;
    header head;
    std::memcpy(&head, input_.get() + first_, sizeof head);
    if (head.check != magic || head.size > largest_) {
      state_ = state::broken;
      return std::nullopt;
    }
    if (last_ - first_ - sizeof head < head.size) return std::nullopt;
    byte_view const message{input_.get() + first_ + sizeof head, head.size};
    first_ += sizeof head + head.size;
    return message;
  }

  /// The next message, waited for; none at the end of the stream or after a breach.
  [[nodiscard]] std::optional<byte_view> wait_next() {
    for (;;) {
      if (auto const message = next()) return message;
      if (state_ != state::open) return std::nullopt;
      if (!receive()) wait_for(POLLIN);
    }
  }

 private:
  struct header {
    std::uint32_t check;
    std::uint32_t size;
  };
  static constexpr std::uint32_t magic = 0xda11'7e55U;

  void wait_for(short event) const {
    pollfd waiting{socket_.get(), event, 0};
    while (::poll(&waiting, 1, -1) < 0) {
      if (errno != EINTR) refuse_io("waiting for");
    }
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION_APART static void refuse_io(char const* doing) {
    int const code = errno;
    throw resource_error{joined({doing, " a socket failed: ", std::strerror(code)}), code};
  }

  descriptor socket_;
  std::size_t largest_;
  state state_ = state::open;
  bool deaf_ = false;  // the other side reads no more
  std::vector<std::byte> output_;
  std::size_t sent_ = 0;
  std::unique_ptr<std::byte[]> input_;
  std::size_t room_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

}  // namespace dally
