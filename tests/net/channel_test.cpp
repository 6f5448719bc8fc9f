#include "dally/net/channel.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dally/net/socket.hpp"
#include "support/catch2.hpp"
#include "support/random_graphs.hpp"

using dally::byte_view;
using dally::channel;
using dally::descriptor;

namespace {

byte_view bytes(std::string_view text) { return {reinterpret_cast<std::byte const*>(text.data()), text.size()}; }
std::string text(byte_view view) { return {reinterpret_cast<char const*>(view.data), view.size}; }

struct two_ends {
  explicit two_ends(std::size_t largest = 1000) : two_ends{dally::socket_pair(), largest} {}
  two_ends(std::pair<descriptor, descriptor> ends, std::size_t largest)
      : near{std::move(ends.first), largest}, far{std::move(ends.second), largest} {}
  channel near;
  channel far;
};

void write_raw(channel const& to, void const* data, std::size_t size) {
  REQUIRE(::send(to.socket().get(), data, size, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
  return count;
}

}  // namespace

TEST_CASE("messages arrive whole, in order, however they were cut", "[channel]") {
  for (std::uint32_t i = 0; i < 20; ++i) {
    std::uint32_t const seed = dally::tests::first_seed() + i;
    CAPTURE(seed);
    std::mt19937 random{seed};
    std::size_t const largest = 1 + random() % 3000;
    two_ends ends{largest};
    int const small = 4096;  // so that the socket is full now and then
    ::setsockopt(ends.near.socket().get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    std::vector<std::string> sent;
    std::vector<std::string> got;
    for (int round = 0; round < 500; ++round) {
      std::string message(random() % (largest + 1), static_cast<char>('a' + random() % 26));
      std::string_view const all = message;
      std::size_t const cut = random() % (message.size() + 1);
      ends.near.send({bytes(all.substr(0, cut)), {}, bytes(all.substr(cut))});
      sent.push_back(std::move(message));
      if (random() % 3 == 0) ends.near.flush();
      if (random() % 4 == 0) ends.far.receive();
      for (unsigned takes = random() % 8; takes > 0; --takes) {
        if (auto const m = ends.far.next()) got.push_back(text(*m));
      }
    }
    while (got.size() < sent.size()) {
      ends.near.flush();
      ends.far.receive();
      while (auto const m = ends.far.next()) got.push_back(text(*m));
      REQUIRE(ends.far.status() == channel::state::open);
    }
    CHECK(got == sent);
    CHECK(ends.near.flush());
    CHECK_FALSE(ends.near.has_output());
    CHECK_FALSE(ends.far.receive());
  }
}

TEST_CASE("a message may come byte by byte", "[channel]") {
  two_ends ends;
  two_ends other;
  other.near.send({bytes("hello")});
  other.near.flush();
  std::byte raw[13];
  REQUIRE(::recv(other.far.socket().get(), raw, sizeof raw, 0) == sizeof raw);
  for (std::byte const& b : raw) {
    CHECK_FALSE(ends.far.next());
    write_raw(ends.near, &b, 1);
    CHECK(ends.far.receive());
  }
  auto const m = ends.far.next();
  REQUIRE(m);
  CHECK(text(*m) == "hello");
}

TEST_CASE("what was written before the end is read before the end is seen, and half a message is none", "[channel]") {
  two_ends ends;
  ends.near.send({bytes("one")});
  ends.near.send({bytes("two")});
  ends.near.flush();
  write_raw(ends.near, "\x55\x7e\x11\xda\x05\0\0\0hal", 11);
  {
    channel const gone{std::move(ends.near)};
  }
  while (ends.far.receive()) {
  }
  CHECK(ends.far.status() == channel::state::ended);
  REQUIRE(text(ends.far.next().value_or(byte_view{})) == "one");
  REQUIRE(text(ends.far.next().value_or(byte_view{})) == "two");
  CHECK_FALSE(ends.far.next());
  CHECK_FALSE(ends.far.wait_next());
}

TEST_CASE("a side that dies with unread messages is an end like any other", "[channel]") {
  two_ends ends;
  ends.far.send({bytes("never read")});
  ends.far.flush();
  ends.near.send({bytes("last words")});
  ends.near.flush();
  {
    channel const gone{std::move(ends.near)};
  }
  // Writing first: it fails, without a signal, and loses nothing that is to be read.
  ends.far.send({bytes("too late")});
  CHECK_FALSE(ends.far.flush_all());
  CHECK_FALSE(ends.far.has_output());
  CHECK(text(ends.far.wait_next().value_or(byte_view{})) == "last words");
  CHECK_FALSE(ends.far.wait_next());
  CHECK(ends.far.status() == channel::state::ended);
  ends.far.send({bytes("nobody hears")});
  CHECK_FALSE(ends.far.has_output());
}

TEST_CASE("what is no message is a breach, found before memory is asked for", "[channel]") {
  SECTION("noise") {
    two_ends ends;
    write_raw(ends.near, "random noise", 12);
    ends.far.receive();
    CHECK_FALSE(ends.far.next());
    CHECK(ends.far.status() == channel::state::broken);
  }
  SECTION("a length above the limit") {
    two_ends ends;
    ends.near.send({bytes("good")});
    ends.near.flush();
    write_raw(ends.near, "\x55\x7e\x11\xda\xff\xff\xff\x7f", 8);
    CHECK(text(ends.far.wait_next().value_or(byte_view{})) == "good");
    CHECK_FALSE(ends.far.wait_next());
    CHECK(ends.far.status() == channel::state::broken);
    CHECK_FALSE(ends.far.receive());
  }
  SECTION("one byte too many") {
    auto sockets = dally::socket_pair();
    channel sender{std::move(sockets.first), 11};
    channel receiver{std::move(sockets.second), 10};
    sender.send({bytes("0123456789")});
    sender.send({bytes("0123456789a")});
    sender.flush_all();
    CHECK(receiver.wait_next().value_or(byte_view{}).size == 10);
    CHECK_FALSE(receiver.wait_next());
    CHECK(receiver.status() == channel::state::broken);
  }
}

TEST_CASE("both directions full at once do not block", "[channel]") {
  two_ends ends{100'000};
  std::string const big(100'000, 'x');
  for (int i = 0; i < 20; ++i) {
    ends.near.send({bytes(big)});
    ends.far.send({bytes(big)});
  }
  CHECK_FALSE(ends.near.flush());
  CHECK_FALSE(ends.far.flush());
  int near_got = 0;
  int far_got = 0;
  while (near_got < 20 || far_got < 20) {
    ends.near.flush();
    ends.far.flush();
    ends.near.receive();
    while (ends.near.next()) ++near_got;
    ends.far.receive();
    while (ends.far.next()) ++far_got;
  }
  CHECK(ends.near.flush());
  CHECK(ends.far.flush());
}

TEST_CASE("sides that wait take turns", "[channel]") {
  two_ends ends{200'000};
  std::thread echo{[&] {
    while (auto const m = ends.far.wait_next()) {
      ends.far.send({*m});
      ends.far.flush_all();
    }
  }};
  for (std::size_t const size : {0U, 1U, 1000U, 200'000U}) {
    std::string const message(size, 'm');
    ends.near.send({bytes(message)});
    REQUIRE(ends.near.flush_all());
    auto const back = ends.near.wait_next();
    REQUIRE(back);
    CHECK(text(*back) == message);
  }
  ::shutdown(ends.near.socket().get(), SHUT_WR);
  echo.join();
}

TEST_CASE("descriptors close with their owners, and a refused pair is a resource_error", "[socket]") {
  std::size_t const before = open_descriptors();
  {
    auto [a, b] = dally::socket_pair();
    CHECK(open_descriptors() == before + 2);
    descriptor c = std::move(a);
    CHECK_FALSE(a);
    b = std::move(c);
    CHECK(open_descriptors() == before + 1);
  }
  CHECK(open_descriptors() == before);
  try {
    throw dally::resource_error{"", 1};  // UBSan looks at a type's table once, and needs a descriptor for that
  } catch (dally::resource_error const& e) {
    std::optional<dally::resource_error> copy;
    copy = e;
    CHECK(copy->code() == 1);
  }
  rlimit former{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &former) == 0);
  rlimit const few{100, former.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::vector<descriptor> all;
  std::optional<dally::resource_error> refused;
  try {
    for (;;) {
      auto [a, b] = dally::socket_pair();
      all.push_back(std::move(a));
      all.push_back(std::move(b));
    }
  } catch (dally::resource_error const& e) {
    refused = e;
  }
  ::setrlimit(RLIMIT_NOFILE, &former);
  CHECK(refused->code() == EMFILE);
  CHECK(all.size() % 2 == 0);
  all.clear();
  CHECK(open_descriptors() == before);
}

TEST_CASE("the child of a fork closes its parent's descriptors but those it is given", "[socket]") {
  std::size_t const before = open_descriptors();
  auto first = dally::socket_pair();
  auto second = dally::socket_pair();
  pid_t const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    descriptor::close_all_but({&second.second});
    bool const right = open_descriptors() == before + 1 && !first.first && !first.second && !second.first;
    char byte = 0;
    // Its own copy of the other end is closed, so the parent's end of the pair ends this read.
    bool const ended = ::read(second.second.get(), &byte, 1) == 0;
    ::_exit(right && ended ? 0 : 1);
  }
  second.first.close();
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
