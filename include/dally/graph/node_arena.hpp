#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "dally/core/block_cache.hpp"
#include "dally/core/export.hpp"
#include "dally/core/function.hpp"
#include "dally/core/process.hpp"
#include "dally/core/unique_number.hpp"

namespace dally {

class node_arena;

/// Which arena recorded a node. With the node's number it is the node's alone: what keys are made of.
struct node_origin {
  std::uint64_t domain = 0;  ///< whose arenas these are: of each copy of this library in a process another
  std::uint32_t arena = 0;   ///< among those
  friend bool operator==(node_origin const&, node_origin const&) = default;
};

/// The start of every block of nodes: found from a node's address by masking, so nodes need no pointer to it.
///
/// A block goes back to the cache when all of its nodes have died and its arena has left it.
class node_block {
 public:
  static node_block& of(void const* node) noexcept {
    return *reinterpret_cast<node_block*>(reinterpret_cast<std::uintptr_t>(node) & ~(std::uintptr_t{block_bytes} - 1));
  }

  /// Which arena allocates here: nodes of one arena have ascending numbers at ascending positions.
  [[nodiscard]] node_origin const& origin() const noexcept { return origin_; }
  /// A small number that no other live block has, but for those of such copies: where plans keep their notes about this
  /// block.
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  /// The order in which the arena opened its blocks.
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }

  /// Notes that `count` nodes of this block have died; recycles it after the last.
  void bury(std::int64_t count) noexcept {
    // Release our use of the nodes to, and acquire everybody's for, whoever recycles the block.
    if (alive_.fetch_sub(count, std::memory_order_acq_rel) == count) recycle_(*this);
  }

  /// Counts nodes that die, and buries them block by block: most die where the one before did.
  class tally {
   public:
    explicit tally(node_block* first) noexcept : block_{first} {}

    /// Whether a node stands where the last ones did.
    [[nodiscard]] bool is_here(void const* node) const noexcept { return &of(node) == block_; }
    /// Counts nodes that do.
    void add_here(std::int64_t nodes = 1) noexcept { count_ += nodes; }
    void add(void const* node) noexcept {
      if (!is_here(node)) [[unlikely]] {
        close();
        block_ = &of(node);
      }
      add_here();
    }
    /// Buries what both have counted. Other threads' nodes may die in a block just now: one addition there, not two.
    void close_with(tally& other) noexcept {
      if (other.block_ == block_) add_here(std::exchange(other.count_, 0));
      other.close();
      close();
    }

   private:
    void close() noexcept {
      if (count_ != 0) block_->bury(std::exchange(count_, 0));
    }

    node_block* block_;
    std::int64_t count_ = 0;
  };

  static constexpr std::size_t header_bytes = 64;

 private:
  friend class node_arena;

  class indices;
  DALLY_EXPORT static indices given_;

  DALLY_EXPORT static void recycle(node_block& block) noexcept;

  // Nodes allocated less nodes dead; while the arena still allocates here only minus the dead, so never 0 by a death.
  std::atomic<std::int64_t> alive_{0};
  std::uint64_t serial_ = 0;
  void (*recycle_)(node_block& block) noexcept = &recycle;  // of the copy that has given the index
  std::size_t blocks_ = 1;
  node_origin origin_;
  std::uint32_t index_ = 0;
};

static_assert(sizeof(node_block) <= node_block::header_bytes);

/// Numbers of blocks, dense because freed ones are given again. Guarded by process_state's mutex.
class node_block::indices {
 public:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  /// A number, or none for want of memory. Makes room for all numbers given, so that giving one back cannot fail.
  [[nodiscard]] std::uint32_t take() noexcept {
    if (freed_count_ != 0) return freed_[--freed_count_];
    if (next_ == room_) {
      // Not from the block cache, whose mutex is taken.
      void* const grown = std::realloc(freed_, (std::size_t{room_} * 2 + 64) * sizeof(std::uint32_t));
      if (grown == nullptr) return none;
      freed_ = static_cast<std::uint32_t*>(grown);
      room_ = room_ * 2 + 64;
    }
    return next_++;
  }
  void give_back(std::uint32_t index) noexcept { freed_[freed_count_++] = index; }
  /// Gives the memory back, if no number is in use.
  void reset() noexcept {
    if (freed_count_ != next_) return;
    std::free(freed_);
    *this = {};
  }

 private:
  std::uint32_t* freed_ = nullptr;
  std::uint32_t freed_count_ = 0;
  std::uint32_t room_ = 0;
  std::uint32_t next_ = 0;
};

inline constinit node_block::indices node_block::given_{};  // needs no destruction

[[gnu::cold]] DALLY_FUNCTION_APART void node_block::recycle(node_block& block) noexcept {
  {
    std::lock_guard const lock{process_state::instance().mutex};
    given_.give_back(block.index_);
  }
  block_cache::instance().release(&block, block.blocks_);
}

/// Where one thread's nodes are allocated: one after the other in blocks of 2 MiB.
///
/// Threads  one at a time; a thread that ends leaves its arena to the next one that starts to record
/// Shape    addresses ascend within a block, serials from block to block; numbers ascend with both. Values take numbers
///          only: they lie on the heap, see node::record_value
/// Cost     an addition and a comparison a node
class node_arena {
 public:
  /// The calling thread's arena.
  static node_arena& mine() {
    if (current_ == nullptr) [[unlikely]]
      return adopt();
    return *current_;
  }

  /// Room for a node of `bytes` bytes, aligned to `alignment` (a power of two up to 4,096), counted as one node of
  /// its block. Errors: resource_error, std::bad_alloc.
  [[nodiscard, gnu::always_inline]] std::byte* allocate(std::size_t bytes, std::size_t alignment) {
    std::uintptr_t const at = (next_ + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
    if (at + bytes > end_) [[unlikely]]
      return allocate_in_new_block(bytes, alignment);
    next_ = at + bytes;
    ++allocated_;
    return reinterpret_cast<std::byte*>(at);
  }

  [[nodiscard]] node_origin const& origin() const noexcept { return origin_; }

  /// That of the node that was recorded last.
  [[nodiscard]] std::uint64_t last_number() const noexcept { return last_number_; }

  /// The number of the next node, above `floor` and above those of all nodes of this arena.
  [[nodiscard]] std::uint64_t next_number(std::uint64_t floor) noexcept {
    last_number_ = (floor > last_number_ ? floor : last_number_) + 1;
    return last_number_;
  }

  /// Gives the memory of the arenas that no thread has back to the system, and all that is spare.
  [[gnu::cold]] DALLY_FUNCTION static void end_idle() noexcept {
    node_arena* arena = nullptr;
    {
      std::lock_guard const lock{process_state::instance().mutex};
      arena = std::exchange(all_.idle, nullptr);
    }
    while (arena != nullptr) {
      arena->close_block();
      delete std::exchange(arena, arena->next_idle_);
    }
    block_cache::instance().trim();
    std::lock_guard const lock{process_state::instance().mutex};
    node_block::given_.reset();
  }

 private:
  explicit node_arena(node_origin origin) : origin_{origin} {}

  // Arenas that wait for a thread. Guarded by process_state's mutex.
  struct registry {
    node_arena* idle = nullptr;
    node_origin next{};  // of the next arena
  };
  DALLY_EXPORT static registry all_;

  // Gives the arena back when its thread ends.
  struct lease {
    [[gnu::cold]] DALLY_FUNCTION ~lease() {
      node_arena* const arena = current_;
      current_ = nullptr;
      if (arena == nullptr) return;
      std::lock_guard const lock{process_state::instance().mutex};
      arena->next_idle_ = all_.idle;
      all_.idle = arena;
    }
  };

  DALLY_EXPORT [[gnu::cold, gnu::noinline]] static node_arena& adopt() {
    static thread_local lease returned_at_thread_exit;
    static_cast<void>(returned_at_thread_exit);
    std::lock_guard const lock{process_state::instance().mutex};
    node_arena* adopted = all_.idle;
    if (adopted != nullptr) {
      all_.idle = adopted->next_idle_;
    } else {
      if (all_.next.domain == 0) all_.next.domain = unique_number(&all_);
      adopted = new node_arena{all_.next};
      ++all_.next.arena;
    }
    current_ = adopted;
    return *adopted;
  }

  // An arena's first block is used to here before anything is done for large graphs: most graphs are small.
  static constexpr std::size_t first_part = std::size_t{64} << 10;

  [[gnu::cold]] DALLY_FUNCTION_APART std::byte* allocate_in_new_block(std::size_t bytes, std::size_t alignment) {
    if (in_first_part_) {
      in_first_part_ = false;
      end_ = reinterpret_cast<std::uintptr_t>(block_) + block_bytes;
      block_cache::make_huge(block_);
      std::uintptr_t const at = (next_ + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
      if (at + bytes <= end_) {
        next_ = at + bytes;
        ++allocated_;
        return reinterpret_cast<std::byte*>(at);
      }
    }
    std::size_t const needed = node_block::header_bytes + bytes + alignment;
    std::size_t const blocks = (needed + block_bytes - 1) / block_bytes;
    bool const begins_small = last_serial_ == 0 && needed <= first_part;
    // What a large node leaves of its last block may never be used.
    std::size_t const filled = begins_small ? 0 : needed <= first_part ? 1 : needed / block_bytes;
    void* const memory = block_cache::instance().acquire(blocks, filled);
    auto* const opened = ::new (memory) node_block;
    {
      std::lock_guard const lock{process_state::instance().mutex};
      opened->index_ = node_block::given_.take();
    }
    if (opened->index_ == node_block::indices::none) {
      block_cache::instance().release(memory, blocks);
      throw std::bad_alloc{};
    }
    opened->origin_ = origin_;
    opened->serial_ = ++last_serial_;
    opened->blocks_ = blocks;
    close_block();
    block_ = opened;
    next_ = reinterpret_cast<std::uintptr_t>(memory) + node_block::header_bytes;
    // A node that needs more than a block has its blocks to itself: others would not find the header by masking.
    end_ = reinterpret_cast<std::uintptr_t>(memory) + (begins_small ? first_part : blocks * block_bytes);
    in_first_part_ = begins_small;
    std::uintptr_t const at = (next_ + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
    next_ = blocks == 1 ? at + bytes : end_;
    ++allocated_;
    return reinterpret_cast<std::byte*>(at);
  }

  void close_block() noexcept {
    if (block_ == nullptr) return;
    // From here on the count says how many nodes are alive; all may have died already. Acquires their ends.
    if (block_->alive_.fetch_add(allocated_, std::memory_order_acq_rel) + allocated_ == 0) block_->recycle_(*block_);
    block_ = nullptr;
    allocated_ = 0;
  }

  DALLY_EXPORT static constinit inline thread_local node_arena* current_ = nullptr;

  std::uintptr_t next_ = 0;
  std::uintptr_t end_ = 0;
  std::int64_t allocated_ = 0;
  std::uint64_t last_number_ = 0;
  node_block* block_ = nullptr;
  std::uint64_t last_serial_ = 0;
  node_origin origin_;
  bool in_first_part_ = false;
  node_arena* next_idle_ = nullptr;
};

inline constinit node_arena::registry node_arena::all_{};  // needs no destruction

namespace detail {

/// Leaves nothing behind where a library that has arenas to itself is unloaded; what is recorded later begins anew.
struct ends_idle_arenas {
  constexpr ends_idle_arenas() = default;
  ends_idle_arenas(ends_idle_arenas const&) = delete;
  ends_idle_arenas& operator=(ends_idle_arenas const&) = delete;
  [[gnu::cold]] DALLY_FUNCTION ~ends_idle_arenas() { node_arena::end_idle(); }
};
DALLY_EXPORT inline ends_idle_arenas const arenas_end_at_unload{};

}  // namespace detail

}  // namespace dally
