#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

namespace dally {

/// How an attempt to steal ended. After `lost` another thread got the item: trying again is worth while.
enum class steal_result : unsigned char { stolen, empty, lost };

/// A worker's own stack of items, from whose other end idle workers steal.
///
/// Its owner pushes and pops at the bottom, newest first; any other thread steals at the top, oldest first. Every item
/// pushed is handed out once, and whoever gets it sees what its pusher wrote before the push.
///
/// Threads  push, pop, reserve, clear: one owner at a time; steal, empty, size: any
/// Errors   std::bad_alloc from push and reserve, which then changed nothing; none from the rest
/// Cost     push: two plain stores; pop: one sequentially consistent store, and a compare-and-swap for the last item
///          only; steal: one compare-and-swap. Memory is taken at the first push; an outgrown buffer is kept until
///          clear or destruction because a thief may still be reading it: together they are smaller than the newest one
/// Source   D. Chase, Y. Lev, Dynamic circular work-stealing deque, SPAA 2005; N. M. Lê, A. Pop, A. Cohen,
///          F. Zappa Nardelli, Correct and efficient work-stealing for weak memory models, PPoPP 2013. Their fences are
///          replaced by sequentially consistent operations, which ThreadSanitizer can see.
template <class T>
class work_stealing_deque {
  static_assert(std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T>);
  static_assert(std::atomic<T>::is_always_lock_free, "items are copied while another thread may overwrite them");

 public:
  work_stealing_deque() = default;
  ~work_stealing_deque() { free_from(buffer_.load(std::memory_order_relaxed)); }
  work_stealing_deque(work_stealing_deque const&) = delete;
  work_stealing_deque& operator=(work_stealing_deque const&) = delete;

  /// Adds at the owner's end. Owner only.
  ///
  /// A release, not more: who pushes and then looks for sleepers to wake needs a sequentially consistent operation
  /// between.
  void push(T item) {
    auto const bottom = bottom_.load(std::memory_order_relaxed);  // written by the owner alone
    if (bottom - top_seen_ >= capacity_) [[unlikely]]
      make_room(bottom);
    slot(buffer_.load(std::memory_order_relaxed), bottom).store(item, std::memory_order_relaxed);
    // Releases the item, and what its pusher wrote before, to steal's load of bottom_.
    bottom_.store(bottom + 1, std::memory_order_release);
  }

  /// Takes the newest item; false if there is none, and `item` is then unspecified. Owner only.
  bool pop(T& item) {
    auto const old_bottom = bottom_.load(std::memory_order_relaxed);
    // top_ only grows: what is empty by an old value is empty. Saves idle owners the store below.
    if (old_bottom <= top_.load(std::memory_order_relaxed)) return false;
    auto const bottom = old_bottom - 1;
    // This store and load, and steal's loads of top_ and bottom_, stand in one total order. If we read a top_ below
    // `bottom`, the swap that raises it to `bottom` comes after our load; so a thief that finds top_ == bottom loads
    // bottom_ after our store and sees the item gone: it is ours without a swap.
    bottom_.store(bottom, std::memory_order_seq_cst);
    auto top = top_.load(std::memory_order_seq_cst);
    if (top < bottom) {
      item = slot(buffer_.load(std::memory_order_relaxed), bottom).load(std::memory_order_relaxed);
      return true;
    }
    bool won = false;
    if (top == bottom) {
      // The last item: thieves may see it as well, and whose swap of top_ succeeds has it. The partner is steal's swap;
      // sequentially consistent, as every write of top_ must stand in the order used above.
      item = slot(buffer_.load(std::memory_order_relaxed), bottom).load(std::memory_order_relaxed);
      won = top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst, std::memory_order_relaxed);
    }
    // Relaxed: top_ is old_bottom by now. A thief that sees this either finds it empty or swaps an outdated top_ in
    // vain.
    bottom_.store(old_bottom, std::memory_order_relaxed);
    return won;
  }

  /// Takes the oldest item. Any thread but the owner's. `item` is written only if `stolen`.
  steal_result steal(T& item) {
    // Sequentially consistent, in this order: partners of pop's store of bottom_ and load of top_, see there.
    auto top = top_.load(std::memory_order_seq_cst);
    // Also acquires the item from push's store.
    auto const bottom = bottom_.load(std::memory_order_seq_cst);
    if (top >= bottom) return steal_result::empty;
    // Acquires the copied slots from make_room's store. An outgrown buffer serves as well: the owner no longer writes
    // it.
    auto const candidate = slot(buffer_.load(std::memory_order_acquire), top).load(std::memory_order_relaxed);
    // Partners: the other thieves' and pop's swap, of which one succeeds; pop's load of top_; and make_room's acquiring
    // load, before which we have read the slot that it then lets the owner overwrite.
    if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst, std::memory_order_relaxed)) {
      return steal_result::lost;
    }
    item = candidate;
    return steal_result::stolen;
  }

  /// Whether nothing was left, at some moment during the call if no other thread was pushing or popping.
  ///
  /// Its loads are sequentially consistent: who announces that it goes to sleep by such an operation, and then finds
  /// this true, leaves no item of a pusher that looked for sleepers before the announcement.
  bool empty() const { return size() == 0; }

  /// How many items there were; from threads other than the owner's an estimate.
  std::size_t size() const {
    auto const top = top_.load(std::memory_order_seq_cst);
    auto const bottom = bottom_.load(std::memory_order_seq_cst);
    return bottom > top ? static_cast<std::size_t>(bottom - top) : 0;
  }

  /// Makes room for `count` items in all, up to which push will not allocate. Owner only.
  void reserve(std::size_t count) {
    if (count > static_cast<std::size_t>(capacity_)) grow(bottom_.load(std::memory_order_relaxed), count);
  }

  /// Drops all items and the outgrown buffers. Owner only, while no other thread uses the deque.
  void clear() {
    bottom_.store(top_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    if (auto* newest = buffer_.load(std::memory_order_relaxed)) {
      free_from(newest->outgrown);
      newest->outgrown = nullptr;
    }
  }

 private:
  /// In front of its slots, whose number is a power of two.
  struct buffer {
    buffer* outgrown;
    std::int64_t mask;
  };
  using slot_type = std::atomic<T>;

  static constexpr std::size_t first_capacity = 64;
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t slots_offset =
      (sizeof(buffer) + alignof(slot_type) - 1) / alignof(slot_type) * alignof(slot_type);
  static_assert(alignof(slot_type) <= alignment);

  static slot_type* first_slot(buffer* b) {
    return reinterpret_cast<slot_type*>(reinterpret_cast<unsigned char*>(b) + slots_offset);
  }
  static slot_type& slot(buffer* b, std::int64_t index) { return first_slot(b)[index & b->mask]; }

  static void free_from(buffer* b) {
    while (b != nullptr) {
      auto* const next = b->outgrown;
      ::operator delete(b, std::align_val_t{alignment});  // slots are trivially destructible
      b = next;
    }
  }

  [[gnu::cold]] void make_room(std::int64_t bottom) {
    // Acquires the thieves' reads of the slots that they have left, before push overwrites them; partner: steal's swap.
    top_seen_ = top_.load(std::memory_order_acquire);
    if (bottom - top_seen_ >= capacity_) grow(bottom, static_cast<std::size_t>(capacity_) + 1);
  }

  [[gnu::cold]] void grow(std::int64_t bottom, std::size_t least) {
    static_assert(std::is_trivially_destructible_v<slot_type>);
    constexpr auto most = (SIZE_MAX / 2 - slots_offset) / sizeof(slot_type);
    std::size_t capacity = first_capacity;
    while (capacity < least && capacity <= most / 2) capacity *= 2;
    if (capacity < least) throw std::bad_alloc{};
    auto* const old = buffer_.load(std::memory_order_relaxed);
    void* const memory = ::operator new(slots_offset + capacity * sizeof(slot_type), std::align_val_t{alignment});
    auto* const fresh = ::new (memory) buffer{old, static_cast<std::int64_t>(capacity) - 1};
    for (std::size_t i = 0; i < capacity; ++i) ::new (static_cast<void*>(first_slot(fresh) + i)) slot_type;
    // Relaxed: an old top_ copies what nobody takes any more, and not older than top_seen_ it leaves bottom within
    // reach of the old buffer, whose slots the owner alone has written.
    for (auto i = top_.load(std::memory_order_relaxed); i < bottom; ++i) {
      slot(fresh, i).store(slot(old, i).load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    capacity_ = static_cast<std::int64_t>(capacity);
    buffer_.store(fresh, std::memory_order_release);  // releases the copies to steal's load
  }

  // Indices only grow, and 64 bits do not wrap. A line for what thieves write, one for what the owner writes; a thief
  // reads buffer_ together with bottom_.
  alignas(64) std::atomic<std::int64_t> top_{0};
  alignas(64) std::atomic<std::int64_t> bottom_{0};
  std::atomic<buffer*> buffer_{nullptr};
  std::int64_t top_seen_ = 0;  // an older top_: the owner need not look again while even that leaves room
  std::int64_t capacity_ = 0;
};

}  // namespace dally
