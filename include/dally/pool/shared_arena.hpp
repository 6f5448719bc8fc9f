#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/net/socket.hpp"
#include "dally/pool/shared_memory.hpp"

namespace dally {

/// A piece of an arena. Units: bytes.
struct arena_range {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  friend bool operator==(arena_range const&, arena_range const&) = default;
};

/// Where one worker process puts its large results: memory that all processes forked after it was made have at one
/// address, written by one of them and read by the others.
///
/// The writer's copy of this object knows which pieces are free; the others' copies only look. Pages are asked for
/// before they are written, so a full machine is an answer and no SIGBUS; those given back are kept warm up to a limit,
/// since new ones cost seven times as much.
///
/// Shape    a piece begins 8 bytes before a cache line: after a length, the elements of a vector are aligned
/// Threads  one in each process
/// Errors   resource_error from the constructor alone
class shared_arena {
 public:
  static constexpr std::size_t element_alignment = 64;

  /// Room for `capacity` bytes, of which none is used yet.
  explicit shared_arena(std::size_t capacity, std::size_t kept_warm = std::size_t{256} << 20)
      : capacity_{allowed(capacity)}, kept_warm_{kept_warm}, file_{::memfd_create("dally results", MFD_CLOEXEC)} {
    if (!file_) refuse(errno);
    if (::ftruncate(file_.get(), static_cast<off_t>(capacity_)) != 0) refuse(errno);
    memory_ = shared_mapping{capacity_, PROT_READ, file_.get()};
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] descriptor const& file() const noexcept { return file_; }

  /// Makes this process the writer. False if the system refuses.
  [[nodiscard]] bool write_here() noexcept {
    return ::mprotect(memory_.data(), capacity_, PROT_READ | PROT_WRITE) == 0;
  }

  /// Writer only: a piece of `bytes` bytes. None if the arena or the machine is full: refusal() says which.
  ///
  /// Cost  linear in the number of free pieces
  [[nodiscard]] std::optional<arena_range> allocate(std::size_t bytes) {
    if (bytes > capacity_ - page) return refused(ENOSPC);
    std::uint64_t const wanted = (bytes + lead + page - 1) & ~std::uint64_t{page - 1};
    std::uint64_t at = take(wanted);
    if (at == none && warm_ != 0) {
      // What is kept warm may be what the machine lacks, or lie between what would do together.
      cool_all();
      at = take(wanted);
    }
    if (at == none) return std::nullopt;
    return arena_range{at + lead, bytes};
  }

  /// Writer only: gives back what allocate() gave.
  void free(arena_range range) {
    std::uint64_t const size = (range.size + lead + page - 1) & ~std::uint64_t{page - 1};
    std::uint64_t const at = range.offset - lead;
    assert(at % page == 0 && at + size <= end_);
    warm_ += size;
    std::size_t const here = insert({at, size, true});
    if (warm_ > kept_warm_) cool(here);
  }

  /// The errno of the last refusal of allocate().
  [[nodiscard]] int refusal() const noexcept { return refusal_; }

  /// Whether a range that somebody claims lies in the arena.
  [[nodiscard]] bool holds(arena_range range) const noexcept {
    return range.offset <= capacity_ && range.size <= capacity_ - range.offset;
  }
  /// Whether allocate() gives such ranges: for what a process claims which may write nonsense.
  [[nodiscard]] bool gives(arena_range range) const noexcept {
    return holds(range) && range.size != 0 && range.offset % page == lead &&
           ((range.size + lead + page - 1) & ~std::uint64_t{page - 1}) <= capacity_ - (range.offset - lead);
  }
  /// Where a range begins, in every process.
  [[nodiscard]] std::byte* data(arena_range range) const noexcept {
    assert(holds(range));
    return memory_.data() + range.offset;
  }

  /// Any process, once no piece is in use: gives all memory back to the system, and starts anew.
  void clear() noexcept {
    punch(0, capacity_);
    free_.clear();
    end_ = 0;
    warm_ = 0;
  }

 private:
  struct piece {
    std::uint64_t offset;
    std::uint64_t size;
    bool warm;  // its pages are there
  };

  static constexpr std::size_t page = 4096;
  static constexpr std::size_t lead = element_alignment - 8;
  static constexpr std::uint64_t none = ~std::uint64_t{0};

  /// As much as the system lets a file grow: one more byte would be a signal, not an error.
  static std::size_t allowed(std::size_t capacity) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < capacity) {
      capacity = static_cast<std::size_t>(limit.rlim_cur);
    }
    capacity &= ~(page - 1);
    if (capacity < 2 * page) refuse(EFBIG);
    return capacity;
  }

  [[noreturn, gnu::cold]] DALLY_FUNCTION_APART static void refuse(int code) {
    throw resource_error{joined({"the system refused memory for the results of worker processes: ", std::strerror(code),
                                 "; limits are those of open files (ulimit -n) and of the size of files (ulimit -f)"}),
                         code};
  }

  std::nullopt_t refused(int code) noexcept {
    refusal_ = code;
    return std::nullopt;
  }

  /// Takes from the smallest free piece that does, a warm one before others, or from beyond the end.
  std::uint64_t take(std::uint64_t wanted) {
    std::size_t best = free_.size();
    for (std::size_t i = 0; i < free_.size(); ++i) {
      if (free_[i].size < wanted) continue;
      bool const better = best == free_.size() || (free_[i].warm && !free_[best].warm) ||
                          (free_[i].warm == free_[best].warm && free_[i].size < free_[best].size);
      if (better) best = i;
    }
    if (best == free_.size()) {
      if (wanted > capacity_ - end_) {
        refusal_ = ENOSPC;
        return none;
      }
      if (!commit(end_, wanted)) return none;
      end_ += wanted;
      return end_ - wanted;
    }
    piece& chosen = free_[best];
    std::uint64_t const at = chosen.offset;
    if (chosen.warm) {
      warm_ -= wanted;
    } else if (!commit(at, wanted)) {
      return none;
    }
    chosen.offset += wanted;
    chosen.size -= wanted;
    if (chosen.size == 0) free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(best));
    return at;
  }

  bool commit(std::uint64_t at, std::uint64_t size) noexcept {
    while (::fallocate(file_.get(), 0, static_cast<off_t>(at), static_cast<off_t>(size)) != 0) {
      if (errno == EINTR) continue;
      refusal_ = errno;
      return false;
    }
    return true;
  }
  bool punch(std::uint64_t at, std::uint64_t size) noexcept {
    while (::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at),
                       static_cast<off_t>(size)) != 0) {
      if (errno != EINTR) return false;
    }
    return true;
  }

  /// Keeps the list in the order of offsets, neighbours of one kind joined; returns where `freed` is now.
  std::size_t insert(piece freed) {
    std::size_t i = 0;
    while (i < free_.size() && free_[i].offset < freed.offset) ++i;
    free_.insert(free_.begin() + static_cast<std::ptrdiff_t>(i), freed);
    if (joins(i)) join(i);
    if (i != 0 && joins(i - 1)) join(--i);
    return i;
  }
  [[nodiscard]] bool joins(std::size_t i) const noexcept {
    return i + 1 < free_.size() && free_[i].offset + free_[i].size == free_[i + 1].offset &&
           free_[i].warm == free_[i + 1].warm;
  }
  void join(std::size_t i) {
    free_[i].size += free_[i + 1].size;
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }

  /// Gives the pages of a free piece back to the system.
  void cool(std::size_t i) {
    piece cooled = free_[i];
    if (!punch(cooled.offset, cooled.size)) return;
    warm_ -= cooled.size;
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
    cooled.warm = false;
    insert(cooled);
    drop_last();
  }
  void cool_all() {
    // From the last on: joining moves only what stands behind.
    for (std::size_t i = free_.size(); i-- > 0;) {
      if (i < free_.size() && free_[i].warm) cool(i);
    }
    drop_last();
  }
  /// What is free and not warm at the end was never given out.
  void drop_last() {
    if (free_.empty() || free_.back().warm || free_.back().offset + free_.back().size != end_) return;
    end_ = free_.back().offset;
    free_.pop_back();
  }

  std::size_t capacity_;
  std::size_t kept_warm_;
  descriptor file_;
  shared_mapping memory_;
  std::vector<piece> free_;
  std::uint64_t end_ = 0;   // nothing was ever given out beyond
  std::uint64_t warm_ = 0;  // bytes of the free pieces that are warm
  int refusal_ = 0;
};

}  // namespace dally
