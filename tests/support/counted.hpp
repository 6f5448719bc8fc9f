#pragma once

#include <dally/serialize/codec.hpp>

#include <atomic>
#include <memory>
#include <utility>

#include "support/shared.hpp"

namespace dally::tests {

/// A number in memory of its own, whose copies, moves and living instances are counted, those of moved-from instances
/// left out: `live()` is the number of results that still hold memory.
class counted {
 public:
  explicit counted(int value = 0) : value_{std::make_unique<int>(value)} { ++tally().live; }
  counted(counted const& other) : value_{std::make_unique<int>(*other.value_)} {
    ++tally().live;
    ++tally().copies;
  }
  counted(counted&& other) noexcept : value_{std::move(other.value_)} { ++tally().moves; }
  counted& operator=(counted other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~counted() {
    if (value_) --tally().live;
  }

  [[nodiscard]] int value() const { return *value_; }

  static int live() { return tally().live; }
  static int copies() { return tally().copies; }
  static int moves() { return tally().moves; }

  /// Forgets the copies and moves so far; what lives, lives.
  static void reset() { tally().copies = tally().moves = 0; }

 private:
  struct tally_type {
    std::atomic<int> live, copies, moves;
  };
  static tally_type& tally() {
    static shared_array<tally_type> all{1};  // one for this process and those that it forks
    return all[0];
  }

  std::unique_ptr<int> value_;
};

}  // namespace dally::tests

template <>
struct dally::codec<dally::tests::counted> {
  static void encode(dally::archive_writer& out, dally::tests::counted const& x) { out(x.value()); }
  static dally::tests::counted decode(dally::archive_reader& in) { return dally::tests::counted{in.read<int>()}; }
};
