#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

namespace dally {

/// The pieces as one text. For messages: chains of `+` would cost every including program kilobytes.
[[gnu::cold, gnu::noinline]] inline std::string joined(std::initializer_list<std::string_view> pieces) {
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
[[noreturn, gnu::cold, gnu::noinline]] void refuse(std::initializer_list<std::string_view> pieces) {
  throw E{joined(pieces)};
}

/// A number in decimal digits.
[[gnu::noinline]] inline std::string decimal(std::uint64_t number) {
  char digits[20];
  char* first = digits + sizeof digits;
  do {
    *--first = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  return {first, digits + sizeof digits};
}

}  // namespace dally
