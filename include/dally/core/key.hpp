#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "dally/core/export.hpp"

namespace dally {

/// The content hash of a value: 128 bits, equal for equal values of one type, the same in every process.
struct token {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(token const&, token const&) = default;
  friend std::strong_ordering operator<=>(token const&, token const&) = default;
};

/// Who a task is: the name of its function and 128 bits that no other task of this process shares, unless both are
/// pure calls of one function with equal arguments.
///
/// Order   by name, then by bits: tasks of one kind stand together
/// Source  Dask's keys, `increment-<token>`
class DALLY_EXPORT_TYPE key {
 public:
  key() = default;
  key(std::string name, std::uint64_t high, std::uint64_t low) : name_{std::move(name)}, high_{high}, low_{low} {}

  [[nodiscard]] std::string const& name() const noexcept { return name_; }
  [[nodiscard]] std::uint64_t high() const noexcept { return high_; }
  [[nodiscard]] std::uint64_t low() const noexcept { return low_; }

  friend bool operator==(key const& a, key const& b) noexcept {
    return a.low_ == b.low_ && a.high_ == b.high_ && a.name_ == b.name_;
  }
  friend std::strong_ordering operator<=>(key const& a, key const& b) noexcept {
    if (int const by_name = a.name_.compare(b.name_); by_name != 0) return by_name <=> 0;
    return a.high_ != b.high_ ? a.high_ <=> b.high_ : a.low_ <=> b.low_;
  }

  /// The name, a dash and 32 hexadecimal digits.
  friend std::string to_string(key const& k) {
    std::string text = k.name_ + '-';
    for (std::uint64_t const half : {k.high_, k.low_}) {
      for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(half >> shift) & 15];
    }
    return text;
  }

 private:
  std::string name_;
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

}  // namespace dally

template <>
struct std::hash<dally::key> {
  std::size_t operator()(dally::key const& k) const noexcept {
    return static_cast<std::size_t>(k.low() ^ (k.high() * 0x9e3779b97f4a7c15U));
  }
};
