#pragma once

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>
#include <string>
#include <string_view>

#include "dally/core/function.hpp"

// Where values follow as `...`, GCC for x86-64 saves eight vector registers that might hold some, in 70 bytes of code.
// What is printed here has no fractions: they would need this to be empty. Later versions than 12 may have to inline
// functions of their library that are compiled for vector registers, which they refuse.
#if defined(__x86_64__) && !defined(__clang__) && __GNUC__ == 12
#define DALLY_WITHOUT_FRACTIONS [[gnu::target("general-regs-only")]]
#else
#define DALLY_WITHOUT_FRACTIONS
#endif

namespace dally {

/// The pieces as one text. For messages: chains of `+` would cost every including program kilobytes.
[[gnu::cold]] DALLY_FUNCTION std::string joined(std::initializer_list<std::string_view> pieces) {
  std::size_t size = 0;
  for (std::string_view const piece : pieces) size += piece.size();
  std::string text(size, '\0');
  char* at = text.data();
  for (std::string_view const piece : pieces) {
    if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  }
  return text;
}

/// Throws an E that says these pieces.
template <class E>
[[noreturn, gnu::cold]] void refuse(std::initializer_list<std::string_view> pieces) {
  throw E{joined(pieces)};
}

namespace detail {

/// C's memory, as its functions give it.
struct freed_text {
  char* text;
  ~freed_text() { std::free(text); }
};

/// What vprintf would print; returns its length. Errors: std::bad_alloc.
[[gnu::cold, gnu::format(printf, 2, 0)]] DALLY_FUNCTION std::size_t print(freed_text& to, char const* format,
                                                                          std::va_list values) {
  int const length = ::vasprintf(&to.text, format, values);
  if (length < 0) throw std::bad_alloc{};
  return static_cast<std::size_t>(length);
}

}  // namespace detail

/// Characters as a string: the constructors of std::string are compiled where they are called.
[[gnu::cold]] DALLY_FUNCTION_APART std::string text_of(char const* first, std::size_t size) {
  std::string text(size, '\0');
  if (size != 0) std::memcpy(text.data(), first, size);
  return text;
}

/// What printf would print. A call costs an including program a third of one of joined, and compilers check it.
[[gnu::cold, gnu::format(printf, 1, 2)]] DALLY_WITHOUT_FRACTIONS DALLY_FUNCTION std::string formatted(
    char const* format, ...) {
  std::va_list values;
  va_start(values, format);
  detail::freed_text printed{nullptr};
  std::size_t const length = detail::print(printed, format, values);
  va_end(values);
  return text_of(printed.text, length);
}

/// Throws an E that says this.
template <class E>
[[noreturn, gnu::cold]] void throw_saying(char const* what) {
  throw E{what};
}

/// Throws what printf would print: `refuse(&throw_saying<config_error>, "a pool of %u workers", n)`. The thrower finds
/// errno as it was.
[[noreturn, gnu::cold, gnu::format(printf, 2, 3)]] DALLY_WITHOUT_FRACTIONS DALLY_FUNCTION void refuse(
    void (*thrower)(char const* what), char const* format, ...) {
  int const error = errno;
  std::va_list values;
  va_start(values, format);
  detail::freed_text printed{nullptr};
  detail::print(printed, format, values);
  va_end(values);
  errno = error;
  thrower(printed.text);
  std::abort();  // throwers throw
}

#undef DALLY_WITHOUT_FRACTIONS

/// A number in decimal digits.
DALLY_FUNCTION_APART std::string decimal(std::uint64_t number) {
  char digits[20];
  char* first = digits + sizeof digits;
  do {
    *--first = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  return {first, digits + sizeof digits};
}

}  // namespace dally
