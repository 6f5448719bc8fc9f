#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "dally/graph/node.hpp"

namespace dally {

/// The marks and numbers that one planning keeps about nodes, beside the nodes: a node is shared by all threads, so
/// nothing of one plan is written into it.
///
/// A bit for each 8 bytes of a block, and above each 64 of them a summary bit, so that sparse graphs in large blocks
/// cost what they hold. A node's rank is the count of marks before it: a table of counts per word and a popcount.
///
/// Threads  one object per thread, kept from plan to plan
/// Cost     48 KiB per block that holds a node of the plan; clearing touches what was marked
class node_marks {
 public:
  static constexpr std::size_t word_count = block_bytes / 8 / 64;

  struct block_marks {
    std::uint64_t summary[word_count / 64]{};
    std::uint64_t words[word_count]{};
    std::uint32_t ranks[word_count];
    node_block const* block = nullptr;
  };

  static node_marks& mine() {
    static thread_local node_marks the_one;
    return the_one;
  }

  /// Marks a node; true if it was not marked before. Errors: std::bad_alloc.
  bool mark(node const* n) {
    node_block const& block = node_block::of(n);
    block_marks& marks =
        block.index() < blocks_.size() && blocks_[block.index()] != nullptr && blocks_[block.index()]->block == &block
            ? *blocks_[block.index()]
            : enter(block);
    std::size_t const bit = position(n);
    std::uint64_t& word = marks.words[bit / 64];
    std::uint64_t const mask = std::uint64_t{1} << (bit % 64);
    if ((word & mask) != 0) return false;
    if (word == 0) marks.summary[bit / 64 / 64] |= std::uint64_t{1} << (bit / 64 % 64);
    word |= mask;
    return true;
  }

  /// How many marked nodes stand before this marked one, by the last number_all().
  [[nodiscard]] std::uint32_t rank(node const* n) const noexcept {
    block_marks const& marks = *blocks_[node_block::of(n).index()];
    std::size_t const bit = position(n);
    std::uint64_t const before = marks.words[bit / 64] & ((std::uint64_t{1} << (bit % 64)) - 1);
    return marks.ranks[bit / 64] + static_cast<std::uint32_t>(std::popcount(before));
  }

  /// Visits every marked node, the highest first, also those that `visit` marks meanwhile at lower positions.
  /// `visit` returns false to give up. Only for nodes of one arena: positions follow numbers there.
  template <class Visit>
  bool each_downwards(Visit&& visit) {
    // entered_ is a heap with the newest block on top; blocks that are done move behind it.
    std::size_t open = entered_.size();
    heap_size_ = open;
    std::make_heap(entered_.begin(), entered_.begin() + static_cast<std::ptrdiff_t>(open), older);
    done_.clear();
    while (heap_size_ != 0) {
      std::pop_heap(entered_.begin(), entered_.begin() + static_cast<std::ptrdiff_t>(heap_size_), older);
      block_marks* const marks = entered_[--heap_size_];
      entered_.pop_back();
      done_.push_back(marks);
      for (std::size_t s = word_count / 64; s-- > 0;) {
        std::uint64_t summary_left = ~std::uint64_t{0};
        while (std::uint64_t const summary = marks->summary[s] & summary_left) {
          auto const top = static_cast<unsigned>(63 - std::countl_zero(summary));
          summary_left = (std::uint64_t{1} << top) - 1;
          std::size_t const w = s * 64 + top;
          std::uint64_t left = ~std::uint64_t{0};
          while (std::uint64_t const word = marks->words[w] & left) {
            auto const bit = static_cast<unsigned>(63 - std::countl_zero(word));
            left = (std::uint64_t{1} << bit) - 1;
            if (!visit(node_at(*marks, w * 64 + bit))) {
              heap_size_ = no_heap;
              return false;
            }
          }
        }
      }
    }
    heap_size_ = no_heap;
    entered_.assign(done_.rbegin(), done_.rend());  // oldest first
    done_.clear();
    return true;
  }

  /// Gives every marked node its rank and visits them in that order: ascending positions, blocks in the order in
  /// which they were entered (after each_downwards: the oldest first).
  template <class Visit>
  void number_all(Visit&& visit) {
    std::uint32_t count = 0;
    for (block_marks* const marks : entered_) {
      each_word(*marks, [&](std::size_t w) {
        marks->ranks[w] = count;
        std::uint64_t word = marks->words[w];
        count += static_cast<std::uint32_t>(std::popcount(word));
        for (; word != 0; word &= word - 1) {
          visit(node_at(*marks, w * 64 + static_cast<unsigned>(std::countr_zero(word))));
        }
      });
    }
  }

  /// Forgets all marks; keeps a moderate amount of memory for the next plan.
  void clear() noexcept {
    entered_.insert(entered_.end(), done_.begin(), done_.end());
    for (block_marks* const marks : entered_) {
      each_word(*marks, [&](std::size_t w) { marks->words[w] = 0; });
      for (std::uint64_t& summary : marks->summary) summary = 0;
      marks->block = nullptr;
    }
    entered_.clear();
    done_.clear();
    heap_size_ = no_heap;
    if (blocks_.size() > most_kept) blocks_.resize(most_kept);
  }

 private:
  static constexpr std::size_t most_kept = 64;
  static constexpr std::size_t no_heap = ~std::size_t{0};

  static bool older(block_marks const* a, block_marks const* b) noexcept {
    return a->block->serial() < b->block->serial();
  }

  static std::size_t position(node const* n) noexcept {
    return (reinterpret_cast<std::uintptr_t>(n) & (block_bytes - 1)) / 8;
  }

  static node const* node_at(block_marks const& marks, std::size_t bit) noexcept {
    return reinterpret_cast<node const*>(reinterpret_cast<std::byte const*>(marks.block) + bit * 8);
  }

  template <class Visit>
  static void each_word(block_marks const& marks, Visit&& visit) {
    for (std::size_t s = 0; s < word_count / 64; ++s) {
      for (std::uint64_t summary = marks.summary[s]; summary != 0; summary &= summary - 1) {
        visit(s * 64 + static_cast<unsigned>(std::countr_zero(summary)));
      }
    }
  }

  block_marks& enter(node_block const& block) {
    if (block.index() >= blocks_.size()) blocks_.resize(block.index() + std::size_t{1});
    auto& marks = blocks_[block.index()];
    if (marks == nullptr) marks = std::make_unique<block_marks>();
    entered_.push_back(marks.get());
    marks->block = &block;
    if (heap_size_ != no_heap) {
      ++heap_size_;
      std::push_heap(entered_.begin(), entered_.begin() + static_cast<std::ptrdiff_t>(heap_size_), older);
    }
    return *marks;
  }

  std::vector<std::unique_ptr<block_marks>> blocks_;  // by the block's index
  std::vector<block_marks*> entered_;
  std::vector<block_marks*> done_;
  std::size_t heap_size_ = no_heap;
};

}  // namespace dally
