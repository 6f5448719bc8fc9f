#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "dally/core/block_cache.hpp"
#include "dally/core/function.hpp"
#include "dally/graph/node.hpp"

namespace dally {

/// The marks and numbers that one planning keeps about nodes, beside the nodes: a node is shared by all threads, so
/// nothing of one plan is written into it.
///
/// A bit for each 8 bytes of a block, above each 64 of them a summary bit, and above each 64 of those a bit of one
/// word, so that small graphs and sparse ones in large blocks cost what they hold. A node's rank is the count of marks
/// before it: a table of counts per word and a popcount.
///
/// Threads  one object per thread, kept from plan to plan
/// Cost     48 KiB per block that holds a node of the plan; clearing touches what was marked
class node_marks {
  struct block_marks;

 public:
  DALLY_FUNCTION_APART static node_marks& mine() { return mine_ != nullptr ? *mine_ : make_mine(); }
  node_marks() = default;
  node_marks(node_marks const&) = delete;
  node_marks& operator=(node_marks const&) = delete;
  ~node_marks() { keep(0); }

  /// Marks a node; true if it was not marked before. Errors: std::bad_alloc.
  bool mark(node const* n) { return mark_in(of(n), n); }

  /// The same, faster if it stands in the block of the node that is being visited, whose `place` each_downwards tells.
  template <class Place>
  bool mark(node const* n, Place& place) {
    return mark_in(place.block == &node_block::of(n) ? place : of(n), n);
  }

  /// The same, as a call: for where few are marked, or code is to be small.
  DALLY_FUNCTION_APART bool mark_apart(node const* n) { return mark(n); }

  /// Whether the marked nodes stand behind what they take, as far as is known: all are of one arena, and none was
  /// noted.
  [[nodiscard]] bool in_order() const noexcept { return in_order_; }
  /// Notes that a marked node may take what stands behind it.
  void note_disorder() noexcept { in_order_ = false; }

  /// How many marked nodes stand before this marked one, by the last rank_all().
  [[nodiscard]] std::uint32_t rank(node const* n) { return rank_in(of(n), n); }

  /// The same, as a call.
  [[nodiscard, gnu::noinline]] std::uint32_t rank_apart(node const* n) { return rank(n); }

  /// Tells the ranks of marked nodes, from rank_all() until clear(): faster where one stands in the block of the one
  /// before.
  class ranks {
   public:
    explicit ranks(node_marks& marks) noexcept : marks_{marks}, place_{marks.newest_} {}
    [[nodiscard]] std::uint32_t operator()(node const* n) {
      if (place_->block != &node_block::of(n)) place_ = &marks_.of(n);
      return rank_in(*place_, n);
    }

   private:
    node_marks& marks_;
    block_marks* place_;
  };

  /// Visits every marked node, the highest first, also those that `visit` marks meanwhile at lower positions.
  /// `visit` is given the node and its place, and returns false to give up. For nodes of one arena, where positions
  /// follow numbers; of several, if all have been marked before.
  template <class Visit>
  bool each_downwards(Visit&& visit) {
    for (block_marks* marks = newest_; marks != nullptr; marks = marks->older) {
      std::size_t step = 1;
      for (std::size_t w = word_count; w-- != 0;) {
        std::size_t at = marks->highest_up_to(w);
        if (at == none) break;
        for (;;) {
          if (!visit(node_at(*marks, at), *marks)) return false;
          // Neighbours are most often of one size. What is guessed and then compared, the processor need not wait for:
          // the mark may just have been written, on behalf of the node it visited last.
          std::uint64_t const below = marks->window_below(at);
          if (below >> (64 - step) != 1) [[unlikely]] {
            if (below == 0) break;
            step = static_cast<std::size_t>(std::countl_zero(below)) + 1;
          }
          at -= step;
        }
        w = at / 64;
      }
    }
    return true;
  }

  /// Gives every marked node its rank: ascending positions, older blocks first. Lists them in that order, too, where
  /// `nodes` is not null and has room for all.
  DALLY_FUNCTION_APART void rank_all(node const** nodes = nullptr) noexcept {
    std::uint32_t count = 0;
    for (block_marks* marks = oldest_; marks != nullptr; marks = marks->newer) {
      for (std::uint64_t top = marks->top; top != 0; top &= top - 1) {
        auto const s = static_cast<unsigned>(std::countr_zero(top));
        for (std::uint64_t summary = marks->summary[s]; summary != 0; summary &= summary - 1) {
          std::size_t const w = s * 64 + static_cast<unsigned>(std::countr_zero(summary));
          std::uint64_t word = marks->words[w];
          marks->ranks[w] = count;
          for (; word != 0; word &= word - 1, ++count) {
            if (nodes == nullptr) continue;
            nodes[count] = node_at(*marks, w * 64 + static_cast<unsigned>(std::countr_zero(word)));
          }
        }
      }
    }
  }

  /// Forgets all marks; keeps a moderate amount of memory for the next plan.
  [[gnu::cold]] DALLY_FUNCTION_APART void clear() noexcept {
    for (block_marks* marks = oldest_; marks != nullptr; marks = marks->newer) {
      for (std::uint64_t top = marks->top; top != 0; top &= top - 1) {
        auto const s = static_cast<unsigned>(std::countr_zero(top));
        for (std::uint64_t summary = marks->summary[s]; summary != 0; summary &= summary - 1) {
          marks->words[s * 64 + static_cast<unsigned>(std::countr_zero(summary))] = 0;
        }
        marks->summary[s] = 0;
      }
      marks->top = 0;
      marks->block = nullptr;
    }
    newest_ = oldest_ = nullptr;
    for (recent& r : recent_) r = {};
    in_order_ = true;
    if (by_index_.size() > most_kept) keep(most_kept);
  }

 private:
  // Forgotten when it dies: destructors that run later in the thread, or after main, may plan once more.
  struct owner {
    [[gnu::cold]] DALLY_FUNCTION ~owner() { delete std::exchange(mine_, nullptr); }
  };
  [[gnu::cold]] static node_marks& make_mine() {
    static thread_local owner at_thread_exit;
    static_cast<void>(at_thread_exit);
    return *(mine_ = new node_marks);
  }
  static constinit inline thread_local node_marks* mine_ = nullptr;

  static constexpr std::size_t word_count = block_bytes / 8 / 64;
  static_assert(word_count / 64 <= 64);
  static constexpr std::size_t most_kept = 64;
  static constexpr std::size_t none = ~std::size_t{0};

  // Linked from the newest block to the oldest, by the serials that their arenas gave them.
  struct block_marks {
    node_block const* block;
    block_marks* older;
    block_marks* newer;
    std::uint64_t top;
    std::uint64_t summary[word_count / 64];
    std::uint64_t words[word_count];
    std::uint32_t ranks[word_count];

    /// The 64 marks below a position, the nearest one highest.
    [[nodiscard]] std::uint64_t window_below(std::size_t at) const noexcept {
      std::size_t const w = at / 64;
      std::uint64_t const lower = w == 0 ? 0 : words[w - 1];
      return lower >> (at % 64) | words[w] << 1 << (63 - at % 64);  // in two steps: 64 are too many for one
    }

    /// The highest marked position in words 0 to w; none if there is none.
    [[nodiscard]] std::size_t highest_up_to(std::size_t w) const noexcept {
      std::size_t s = w / 64;
      std::uint64_t summaries = summary[s] & (~std::uint64_t{0} >> (63 - w % 64));
      if (summaries == 0) {
        std::uint64_t const lower = top & ((std::uint64_t{1} << s) - 1);
        if (lower == 0) return none;
        s = highest_of(lower);
        summaries = summary[s];
      }
      w = s * 64 + highest_of(summaries);
      return w * 64 + highest_of(words[w]);
    }
  };

  /// The number of up to 15 ones, no two of which stand less than four places apart. Without a machine instruction for
  /// it std::popcount is a call.
  static std::uint32_t ones_in(std::uint64_t x) noexcept {
#ifdef __POPCNT__
    return static_cast<std::uint32_t>(std::popcount(x));
#else
    x |= x >> 1;
    x |= x >> 2;  // the lowest of each four places tells whether one of them was a one
    return static_cast<std::uint32_t>(((x & 0x1111'1111'1111'1111U) * 0x1111'1111'1111'1111U) >> 60);
#endif
  }
  static_assert(sizeof(node) >= 4 * 8);  // so nodes, and their marks, stand four places apart and more: 15 below one

  /// The place of the highest one.
  static std::size_t highest_of(std::uint64_t word) noexcept {
    return static_cast<std::size_t>(63 - std::countl_zero(word));
  }

  static std::size_t position(node const* n) noexcept {
    return (reinterpret_cast<std::uintptr_t>(n) & (block_bytes - 1)) / 8;
  }

  static node const* node_at(block_marks const& marks, std::size_t bit) noexcept {
    return reinterpret_cast<node const*>(reinterpret_cast<std::byte const*>(marks.block) + bit * 8);
  }

  // The marks of a node's block. Few blocks are in use at one time: those of a node's neighbours in memory, and those
  // of what it takes. Each of them has a place of its own here as long as fewer than 16 blocks lie between them.
  struct recent {
    node_block const* block = nullptr;
    block_marks* marks = nullptr;
  };

  static bool mark_in(block_marks& marks, node const* n) {
    std::size_t const bit = position(n);
    std::uint64_t const before = marks.words[bit / 64];
    std::uint64_t const mask = std::uint64_t{1} << (bit % 64);
    // Written in any case: whether a node was marked is as good as random in many graphs, but not whether a word was 0.
    marks.words[bit / 64] = before | mask;
    if (before == 0) [[unlikely]] {
      marks.summary[bit / 64 / 64] |= std::uint64_t{1} << (bit / 64 % 64);
      marks.top |= std::uint64_t{1} << (bit / 64 / 64);
    }
    return (before & mask) == 0;
  }

  [[nodiscard]] static std::uint32_t rank_in(block_marks const& marks, node const* n) noexcept {
    std::size_t const bit = position(n);
    return marks.ranks[bit / 64] + ones_in(marks.words[bit / 64] << (63 - bit % 64) << 1);
  }

  block_marks& of(node const* n) {
    node_block const* const block = &node_block::of(n);
    recent& r = recent_[reinterpret_cast<std::uintptr_t>(block) / block_bytes % std::size(recent_)];
    if (r.block != block) [[unlikely]]
      find(block, r);
    return *r.marks;
  }

  [[gnu::cold]] DALLY_FUNCTION_APART void find(node_block const* block, recent& r) {
    std::size_t const at = place_of(*block);
    block_marks* marks = at < by_index_.size() ? by_index_[at] : nullptr;
    if (marks == nullptr || marks->block != block) marks = &enter(*block, at);
    r = {block, marks};
  }

  // Where the marks of a block are, or are to be: at its index, or behind it if a block of another copy of this
  // library, whose indices count for themselves, was there first.
  [[nodiscard]] std::size_t place_of(node_block const& block) const noexcept {
    std::size_t at = block.index();
    while (at < by_index_.size() && by_index_[at] != nullptr && by_index_[at]->block != nullptr &&
           by_index_[at]->block != &block) {
      ++at;
    }
    return at;
  }

  [[gnu::cold]] DALLY_FUNCTION_WITHIN block_marks& enter(node_block const& block, std::size_t at) {
    if (at >= by_index_.size()) by_index_.resize(at + 1);
    block_marks*& marks = by_index_[at];
    if (marks == nullptr) marks = new block_marks{};
    marks->block = &block;
    in_order_ &= newest_ == nullptr || newest_->block->origin() == block.origin();
    // What is entered is older than what was, but for graphs of several arenas: there the order does not matter.
    block_marks** to_newer = &newest_;  // the link to the first that is older
    block_marks* newer = nullptr;
    if (oldest_ != nullptr && oldest_->block->serial() > block.serial()) {
      newer = oldest_;
      to_newer = &oldest_->older;
    }
    while (*to_newer != nullptr && (*to_newer)->block->serial() > block.serial()) {
      newer = *to_newer;
      to_newer = &newer->older;
    }
    marks->newer = newer;
    marks->older = *to_newer;
    (marks->older != nullptr ? marks->older->newer : oldest_) = marks;
    *to_newer = marks;
    return *marks;
  }

  [[gnu::cold]] DALLY_FUNCTION void keep(std::size_t count) noexcept {
    for (std::size_t i = count; i < by_index_.size(); ++i) delete by_index_[i];
    if (count < by_index_.size()) by_index_.resize(count);
  }

  scratch_list<block_marks*> by_index_;  // of the node_block
  block_marks* newest_ = nullptr;
  block_marks* oldest_ = nullptr;
  recent recent_[16];
  bool in_order_ = true;
};

}  // namespace dally
