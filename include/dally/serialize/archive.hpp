#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "dally/core/error.hpp"
#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"

namespace dally {

/// Bytes that are not what a codec wrote: cut off, too long, or out of range. Also a value that no bytes stand for.
class DALLY_EXPORT_TYPE archive_error : public error {
 public:
  using error::error;
};

/// An address that means nothing to whoever reads it.
class DALLY_EXPORT_TYPE unknown_address : public archive_error {
 public:
  using archive_error::archive_error;
};

/// Which addresses mean the same to the reader.
class shared_addresses {
 public:
  /// Whether code, or what nobody can change, such as a string literal, lies there for the reader too.
  [[nodiscard]] virtual bool hold(void const* address) const noexcept = 0;

 protected:
  ~shared_addresses() = default;
};

/// Writes values as bytes: numbers as they lie in memory, a length as 8 bytes before what it counts.
///
/// What does not fit is counted but not written, so a first try into a small buffer tells how large the second must be.
///
/// Units   bytes
/// Errors  none of its own; what a codec throws
class archive_writer {
 public:
  using is_saving = std::true_type;
  using is_loading = std::false_type;

  /// Counts only.
  archive_writer() = default;
  archive_writer(std::byte* to, std::size_t room) noexcept : to_{to}, room_{room} {}
  /// Counts only, and refuses addresses that the reader does not know.
  explicit archive_writer(shared_addresses const& known) noexcept : known_{&known} {}

  /// All bytes so far, whether they fitted or not.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool fitted() const noexcept { return size_ <= room_; }

  void add_bytes(void const* from, std::size_t bytes) noexcept {
    if (bytes != 0 && size_ <= room_ && bytes <= room_ - size_) std::memcpy(to_ + size_, from, bytes);
    size_ += bytes;
  }
  void add_length(std::size_t count) noexcept {
    std::uint64_t const number = count;
    add_bytes(&number, sizeof number);
  }

  /// Writes a length that was not known when add_length() wrote one, when so many bytes had been written.
  void write_length(std::size_t at, std::size_t count) noexcept {
    std::uint64_t const number = count;
    if (at + sizeof number <= size_ && at + sizeof number <= room_) std::memcpy(to_ + at, &number, sizeof number);
  }

  /// Writes the address of code, or of what nobody can change. Errors: unknown_address, where it is asked.
  void add_address(void const* address) {
    if (known_ != nullptr && address != nullptr && !known_->hold(address)) refuse_address();
    add_bytes(&address, sizeof address);
  }

  /// Says, before anything is written, that all that follows lies at `whole` already, in memory that the reader sees
  /// too.
  void lies_at(std::byte const* whole) noexcept {
    if (size_ == 0) whole_ = whole;
  }
  /// Where all that was written lies already; null if nobody has said so.
  [[nodiscard]] std::byte const* whole() const noexcept { return whole_; }

  /// Writes a value as its codec does.
  template <class T>
  void add(T const& value);
  /// Writes values one after the other, as cereal's archives do.
  template <class... T>
  archive_writer& operator()(T const&... values);
  template <class T>
  archive_writer& operator&(T const& value) {
    return (*this)(value);
  }
  template <class T>
  archive_writer& operator<<(T const& value) {
    return (*this)(value);
  }
  // As Boost's and cereal's archives spell add_bytes.
  void save_binary(void const* from, std::size_t bytes) noexcept { add_bytes(from, bytes); }
  void saveBinary(void const* from, std::size_t bytes) noexcept { add_bytes(from, bytes); }

 private:
  [[noreturn, gnu::cold]] DALLY_FUNCTION_APART static void refuse_address() {
    throw unknown_address{"an address that the reader does not know"};
  }

  std::byte* to_ = nullptr;
  std::size_t room_ = 0;
  std::size_t size_ = 0;
  std::byte const* whole_ = nullptr;
  shared_addresses const* known_ = nullptr;
};

/// Reads what an archive_writer wrote. Believes nothing: each length is compared with what is left before anything is
/// allocated for it.
///
/// Errors  archive_error
class archive_reader {
 public:
  using is_saving = std::false_type;
  using is_loading = std::true_type;

  /// `stay`: the bytes stay where they are for as long as what is read of them.
  archive_reader(std::byte const* from, std::size_t bytes, bool stay = false) noexcept
      : at_{from}, left_{bytes}, stay_{stay} {}

  /// Elements aligned to so much are aligned 8 bytes, those of their number, behind where bytes that stay begin.
  static constexpr std::size_t element_alignment = 64;

  /// Whether a value may refer to the bytes instead of copying them.
  [[nodiscard]] bool bytes_stay() const noexcept { return stay_; }

  /// Bytes not read yet.
  [[nodiscard]] std::size_t left() const noexcept { return left_; }

  /// The next bytes, where they are.
  [[nodiscard]] std::byte const* view(std::size_t bytes) {
    if (bytes > left_) [[unlikely]]
      fail("an archive ends too early");
    std::byte const* const here = at_;
    at_ += bytes;
    left_ -= bytes;
    return here;
  }
  void read_bytes(void* to, std::size_t bytes) {
    std::byte const* const from = view(bytes);
    if (bytes != 0) std::memcpy(to, from, bytes);
  }
  /// The number of things that follow, each of which takes `least_bytes` or more.
  [[nodiscard]] std::size_t read_length(std::size_t least_bytes = 1) {
    std::uint64_t number = 0;
    read_bytes(&number, sizeof number);
    if (number > left_ / least_bytes) [[unlikely]]
      fail("an archive holds a length beyond its end");
    return static_cast<std::size_t>(number);
  }

  /// The next value, read as its codec does.
  template <class T>
  [[nodiscard]] T read();
  /// The same, into a value that is there.
  template <class T>
  void read_into(T& value);
  /// Reads values one after the other, as cereal's archives do.
  template <class... T>
  archive_reader& operator()(T&&... values);
  template <class T>
  archive_reader& operator&(T&& value) {
    return (*this)(value);
  }
  template <class T>
  archive_reader& operator>>(T&& value) {
    return (*this)(value);
  }
  // As Boost's and cereal's archives spell read_bytes.
  void load_binary(void* to, std::size_t bytes) { read_bytes(to, bytes); }
  void loadBinary(void* to, std::size_t bytes) { read_bytes(to, bytes); }

  /// Counts how deep a value lies in others of its kind: a tree's node in its parent. Deeper ones than 2,000 would end
  /// the stack.
  class level {
   public:
    explicit level(archive_reader& in) : in_{in} {
      if (in_.depth_ == deepest) [[unlikely]]
        fail("a value is nested more than 2,000 levels deep");
      ++in_.depth_;
    }
    ~level() { --in_.depth_; }
    level(level const&) = delete;
    level& operator=(level const&) = delete;

   private:
    archive_reader& in_;
  };

  [[noreturn, gnu::cold]] DALLY_FUNCTION_APART static void fail(char const* what) { throw archive_error{what}; }

 private:
  static constexpr unsigned deepest = 2000;

  std::byte const* at_;
  std::size_t left_;
  bool stay_;
  unsigned depth_ = 0;
};

/// What a function `serialize` is called with. It may have been written for an archive that can do more than ours; then
/// the first line of what the compiler says holds the name of this namespace.
namespace if_serialize_does_not_compile_specialise_dally_codec {

class writer : public archive_writer {
 public:
  explicit writer(archive_writer const& out) noexcept : archive_writer{out} {}
};
class reader : public archive_reader {
 public:
  explicit reader(archive_reader const& in) noexcept : archive_reader{in} {}
};

}  // namespace if_serialize_does_not_compile_specialise_dally_codec

namespace detail {
using serialize_writer = if_serialize_does_not_compile_specialise_dally_codec::writer;
using serialize_reader = if_serialize_does_not_compile_specialise_dally_codec::reader;
}  // namespace detail

}  // namespace dally
