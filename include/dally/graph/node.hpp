#pragma once

#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#endif

#include <atomic>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>

#include "dally/core/function.hpp"
#include "dally/core/key.hpp"
#include "dally/core/slot.hpp"
#include "dally/core/text.hpp"
#include "dally/core/time_limit.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node_arena.hpp"

namespace dally {

class node;
class node_marks;
class plan;
class execution;
struct wire_type;

/// Whether a function is pure: yes, no, or not said, which a scope may decide (see pure.hpp). Made of a bool.
class purity {
 public:
  constexpr purity() = default;
  template <std::same_as<bool> Pure>
  constexpr purity(Pure pure) noexcept : said_{pure ? said::yes : said::no} {}  // NOLINT: implicit, as `.pure = true`

  /// Whether it was said to be pure.
  constexpr operator bool() const noexcept { return said_ == said::yes; }  // NOLINT
  /// What was said, and `otherwise` if nothing was.
  [[nodiscard]] constexpr purity or_else(bool otherwise) const noexcept {
    return said_ == said::nothing ? purity{otherwise} : *this;
  }

 private:
  enum class said : unsigned char { nothing, no, yes };
  said said_ = said::nothing;
};

/// What a wrapped function may be told about its tasks. An aggregate: name the fields.
struct task_options {
  std::string name{};    ///< label in graphs, errors and profiles: it may repeat and identifies nothing
  purity pure{};         ///< equal calls, of one function with equal arguments and the same lazies, run once in a plan
  unsigned retries = 0;  ///< how often it runs again after it has thrown; it is given copies of its inputs then
  int crash_retries = -1;  ///< how often it runs again after its worker died; -1: as the scheduler `processes` is told
  time_limit timeout{};    ///< after so long its worker is killed; 0: as the scheduler `processes` is told
  bool here = false;       ///< runs on the thread that called `compute`
};

/// What a run with tasks that have `retries` must know. Reached through the options of such tasks, so that a program
/// without them does not compile it.
struct retry_rules {
  void (*check)(plan const& graph);
  void (*prepare)(execution& job);
};
// Defined above, in execution/retries.hpp.
void refuse_unrepeatable(plan const& graph);
void repeat_failed_tasks(execution& job);
inline constexpr retry_rules retries_of_tasks{&refuse_unrepeatable, &repeat_failed_tasks};

/// What few nodes have: options, and of a pure call the token that it shares with equal calls.
struct node_extras {
  task_options options;
  token content{};
  void (*merge)(plan& graph, node_marks& marks) = nullptr;      ///< merge_pure_calls, of pure calls
  retry_rules const* retries = nullptr;                         ///< retries_of_tasks, where `delayed` was given options
  void (*end)(node_extras const* recorded) noexcept = nullptr;  ///< deletes those of a recorded node
};

// Defined above, in graph/plan.hpp and graph/tracked_results.hpp.
struct tracked_results;
void count_uses(plan& graph);
void track_results(tracked_results& of);
void keep_result(tracked_results& of, node_id n, void* to, bool there) noexcept;
void end_inputs(tracked_results& of, node_id n) noexcept;
void end_results(tracked_results& of) noexcept;

/// What a plan and a run must know of results that end at their last use or cannot be copied. Reached through the types
/// of such results, so that a program without them does not compile it.
struct result_rules {
  /// depth_first_order: finds the nodes in an order that keeps few results alive.
  void (*order)(node const* const* outputs, std::size_t output_count, node_marks& marks,
                scratch_list<node const*>& nodes);
  /// arrange_takers, of results that cannot be copied, else null.
  void (*arrange)(plan& graph, node const* const* outputs, node_marks& marks);
  /// Counts how many consumers each result has.
  void (*count)(plan& graph) = &count_uses;
  /// Begins a run: nothing is there yet.
  void (*track)(tracked_results& of) = &track_results;
  /// Notes whether node n has a result, and where a boxed one lies.
  void (*keep)(tracked_results& of, node_id n, void* to, bool there) noexcept = &keep_result;
  /// Counts node n off its inputs; the last consumer of a result destroys it.
  void (*end_inputs)(tracked_results& of, node_id n) noexcept = &dally::end_inputs;
  /// Destroys every result that is left.
  void (*end)(tracked_results& of) noexcept = &end_results;
};

/// How the nodes of one kind behave: one constant table for each function type and list of argument types.
struct node_type {
  value_type const* result;
  /// Calls the function with its inputs and constructs what it returned at `result`. Null for a value.
  /// May return a node instead, a reference to which passes to the caller: then that node's value is this one's.
  node const* (*invoke)(node const& self, inputs const& in, void* result);
  /// Ends the callable and the recorded arguments; null where that does nothing.
  void (*destroy)(void* payload) noexcept;
  /// The declared name of the function, or "" where only the symbol table or the place can tell.
  std::string (*label)(node const& self);
  std::uint16_t payload_alignment;
  bool writes_through;  ///< has a std::ref among its arguments: what the function may change, and others see
  std::uint32_t payload_size;
  result_rules const* rules;        ///< null for results that can be copied and keep their slot until the run ends
  wire_type const* wire;            ///< how the result crosses a process border, or what stands in the way
  wire_type const* call = nullptr;  ///< the same of the payload; null for a value, whose payload is its result
  /// continue_run where `invoke` may return a node, else null: other programs need not know it.
  bool (*resume)(execution& job, node_id n, node const* next, void* result) = nullptr;
};

/// Makes the value of node `n`, at `result`, that of `next`, a reference to which it takes over, by a run of its own.
/// False if there is none: the run was stopped or failed, or goes on with that graph instead of this one.
/// Declared here and defined above, in execution/continuation.hpp, for the sake of node_type's entry.
bool continue_run(execution& job, node_id n, node const* next, void* result);

/// One result that a node takes: whose, how the function takes it, and whether it is there already.
class dependency {
 public:
  dependency(node const* from, bool by_value, bool by_view = false) noexcept;

  [[nodiscard]] node const* from() const noexcept { return reinterpret_cast<node const*>(bits_ & ~std::uintptr_t{7}); }
  [[nodiscard]] bool by_value() const noexcept { return (bits_ & 1) != 0; }
  /// from()->is_value(), known without reading the node.
  [[nodiscard]] bool is_value() const noexcept { return (bits_ & 2) != 0; }
  /// Whether the function reads no more of it than its elements, where they lie.
  [[nodiscard]] bool by_view() const noexcept { return (bits_ & 4) != 0; }

 private:
  std::uintptr_t bits_;
};

/// The dependencies of a node, in the order of its arguments.
class dependency_list {
 public:
  dependency_list(dependency const* first, std::size_t size) noexcept : first_{first}, size_{size} {}
  [[nodiscard]] dependency const* begin() const noexcept { return first_; }
  [[nodiscard]] dependency const* end() const noexcept { return first_ + size_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] dependency operator[](std::size_t i) const noexcept { return first_[i]; }

 private:
  dependency const* first_;
  std::size_t size_;
};

/// A recorded call: a function, its arguments, and the nodes whose results it takes. Immutable once recorded, and
/// it knows nothing of runs.
///
/// In memory  this header, the dependencies, then the payload: callable and plain arguments. 48 bytes for an
///            `int(int)`. What few nodes have, a name, stands in a table of its own before the header
/// Lifetime   counted by handles and by the nodes that depend on it; ends without recursion (see release)
/// Threads    any may read it; the counts are atomic
class node {
 public:
  node(node const&) = delete;
  node& operator=(node const&) = delete;

  [[nodiscard]] node_type const& type() const noexcept { return *type_; }
  [[nodiscard]] dependency_list dependencies() const noexcept {
    return {reinterpret_cast<dependency const*>(this + 1), dependency_count_};
  }
  /// Above the numbers of all dependencies; ascends in the order in which one thread records.
  [[nodiscard]] std::uint64_t number() const noexcept { return bits_ >> flag_bits; }
  /// Where its function was wrapped by `delayed`.
  [[nodiscard]] std::source_location place() const noexcept { return place_; }
  /// Whether this is a literal or a persisted result: there is nothing to run, the payload is the value.
  [[nodiscard]] bool is_value() const noexcept { return (bits_ & value) != 0; }
  /// Whether equal calls are this one: extras()->content tells which are equal.
  [[nodiscard]] bool is_pure() const noexcept { return (bits_ & pure) != 0; }
  /// Whether a plan must look closer: it is pure, has retries or limits, runs on a thread of its choice, or
  /// is_misplaced().
  [[nodiscard]] bool is_special() const noexcept { return (bits_ & (pure | special | misplaced)) != 0; }
  /// Whether it may take the result of a node that stands behind it in memory: copying an argument has recorded that.
  [[nodiscard]] bool is_misplaced() const noexcept { return (bits_ & misplaced) != 0; }
  /// What `delayed(f, {...})` was given, or null.
  [[nodiscard]] node_extras const* extras() const noexcept {
    return (bits_ & has_extras) != 0
               ? *reinterpret_cast<node_extras const* const*>(reinterpret_cast<std::byte const*>(this) - sizeof(void*))
               : nullptr;
  }

  [[nodiscard]] void const* payload() const noexcept {
    return reinterpret_cast<std::byte const*>(this) + payload_offset(*type_, dependency_count_);
  }

  /// What to call the task in pictures, errors and profiles. Cost: may read a symbol table at the first call.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION std::string label() const {
    if (node_extras const* const given = extras(); given != nullptr && !given->options.name.empty()) {
      return text_of(given->options.name.data(), given->options.name.size());
    }
    if (std::string known = type_->label(*this); !known.empty()) return known;
    return formatted("function at %s", place_text().c_str());
  }

  /// File name and line of place(), as `file.cpp:12`.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION std::string place_text() const {
    char const* const file = place_.file_name();
    char const* const folders_end = std::strrchr(file, '/');
    return formatted("%s:%u", folders_end != nullptr ? folders_end + 1 : file, unsigned{place_.line()});
  }

  /// Who this task is; unique in this process.
  [[nodiscard, gnu::cold]] DALLY_FUNCTION dally::key key() const {
    token const bits = content();
    return {label(), bits.high, bits.low};
  }
  /// The bits of its key: for a pure call those of all equal calls, else its own.
  [[nodiscard]] token content() const noexcept {
    if (is_pure()) return extras()->content;
    node_origin const& from = origin();
    std::uint64_t const arena = from.arena;
    return {scrambled(number() ^ (arena << 44)) ^ from.domain, scrambled(~number() + (arena << 20))};
  }

  /// A call that another process has recorded, in memory of the caller's: nobody counts it, and its dependencies are
  /// not there. It may be invoked, and has a label() and a place_text(), but no number and no extras(). The payload is
  /// the caller's to construct and end.
  [[nodiscard]] static node* lay_out(std::byte* memory, node_type const& type, std::source_location place,
                                     std::size_t dependency_count) noexcept {
    return ::new (static_cast<void*>(memory)) node{type, place, dependency_count};
  }
  /// How much memory that takes, at an address that suits the payload and is a multiple of 8.
  [[nodiscard]] static constexpr std::size_t bytes_laid_out(node_type const& type,
                                                            std::size_t dependency_count) noexcept {
    return payload_offset(type, dependency_count) + type.payload_size;
  }

  void retain() const noexcept {
    // A new reference is made from an existing one, which orders everything that matters.
    if (!only_thread()) {
      references_.fetch_add(1, std::memory_order_relaxed);
    } else {
      references_.store(references_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }

  /// Gives one reference back; the last ends the node and, without recursion, whatever it alone kept alive.
  void release() const noexcept;

  /// Records a node: `extras` is what `delayed` was given, or null; `nullptr` itself, where that is certain, spares the
  /// question. `fill(dependencies)` writes `dependency_count` dependencies, each of which holds a reference
  /// that passes to the node, and returns the highest of their numbers; `construct(payload)` constructs the payload,
  /// and may record other nodes unless it is noexcept.
  ///
  /// Errors  resource_error, std::bad_alloc, and whatever `construct` throws; then nothing is recorded. The same if
  ///         `fill` throws, which must have released by then what it wrote
  template <class Extras, class Construct, class Fill>
  static node* record(node_type const& type, std::source_location place, Extras extras, std::size_t dependency_count,
                      Construct&& construct, Fill&& fill) {
    constexpr bool may_have_extras = !std::is_null_pointer_v<Extras>;
    std::size_t const offset = payload_offset(type, dependency_count);
    std::size_t const prefix = extras == nullptr ? 0 : std::size_t{8};
    std::size_t const alignment = type.payload_alignment < 8 ? 8 : type.payload_alignment;
    std::size_t const lead = (prefix + alignment - 1) & ~(alignment - 1);
    node_arena& arena = node_arena::mine();
    std::byte* const memory = arena.allocate(lead + offset + type.payload_size, alignment) + lead;
    pending guard{memory, nullptr, nullptr, nullptr};
    std::uint64_t flags = 0;
    if constexpr (may_have_extras) {
      if (extras != nullptr) {
        guard.extras = copy_of(*extras);
        *reinterpret_cast<node_extras const**>(memory - sizeof(void*)) = guard.extras;
        flags |= has_extras;
        if (extras->options.pure) flags |= pure;
        task_options const& given = extras->options;
        if (given.retries != 0 || given.here || given.timeout.count() != 0 || given.crash_retries != -1) {
          flags |= special;
        }
      }
    }
    if (extras == nullptr && type.destroy == nullptr) flags |= dependency_count == 0 ? simple | bare : simple;
    if constexpr (noexcept(construct(static_cast<void*>(memory + offset)))) {
      construct(static_cast<void*>(memory + offset));
    } else {
      std::uint64_t const before = arena.last_number();
      construct(static_cast<void*>(memory + offset));
      // What an argument's copy constructor has recorded stands behind this node, which may take it.
      if (arena.last_number() != before) [[unlikely]]
        flags |= misplaced;
    }
    node* const recorded = ::new (static_cast<void*>(memory)) node{type, place, dependency_count};
    auto* const row = reinterpret_cast<dependency*>(recorded + 1);
    if constexpr (!noexcept(fill(row))) {
      guard.destroy = type.destroy;
      guard.payload = memory + offset;
    }
    recorded->bits_ = arena.next_number(fill(row)) << flag_bits | flags;
    guard.memory = nullptr;
    return recorded;
  }

  /// Records a value, a literal or a result to be kept: `construct(payload)` makes it. On the heap by itself: a program
  /// may keep one result of each of its graphs, which must not keep the blocks in which these were recorded.
  ///
  /// Errors  std::bad_alloc, resource_error, and whatever `construct` throws; then nothing is recorded
  template <class Construct>
  static node* record_value(node_type const& type, std::source_location place, node_extras const* extras,
                            Construct&& construct) {
    node_arena& arena = node_arena::mine();
    pending_value guard{acquire_value(type), &type, nullptr};
    if (extras != nullptr) guard.extras = copy_of(*extras);
    construct(static_cast<void*>(guard.memory + payload_offset(type, 0)));
    node* const recorded = ::new (static_cast<void*>(guard.memory)) node{type, place, 0};
    recorded->bits_ = arena.next_number(0) << flag_bits | value | (extras != nullptr ? has_extras : 0);
    guard.memory = nullptr;
    auto& front = *reinterpret_cast<value_front*>(reinterpret_cast<std::byte*>(recorded) - sizeof(value_front));
    front = {arena.origin(), guard.extras};
    return recorded;
  }

 private:
  static constexpr unsigned flag_bits = 8;
  static constexpr std::uint64_t has_extras = 1;
  static constexpr std::uint64_t value = 2;  // as its type says; beside the number, which is read anyway
  static constexpr std::uint64_t pure = 4;
  static constexpr std::uint64_t special = 8;
  static constexpr std::uint64_t simple = 16;  // nothing is to be ended but its memory, and references given back
  static constexpr std::uint64_t bare = 32;    // simple, and takes nothing: it can die without waiting for its turn
  static constexpr std::uint64_t misplaced = 64;

  node(node_type const& type, std::source_location place, std::size_t dependency_count) noexcept
      : type_{&type}, place_{place}, dependency_count_{static_cast<std::uint32_t>(dependency_count)} {
    assert(dependency_count <= 0xffff'ffffU);
  }
  ~node() = default;

  [[gnu::cold]] DALLY_FUNCTION_APART static node_extras* copy_of(node_extras const& extras) {
    auto* const copy = new node_extras{extras};
    copy->end = [](node_extras const* recorded) noexcept { delete recorded; };
    return copy;
  }

  // What record() has begun: undone if the payload's constructor throws, or `fill`.
  struct pending {
    std::byte* memory;
    node_extras* extras;
    void (*destroy)(void* payload) noexcept;
    void* payload;
    ~pending() {
      if (memory == nullptr) return;
      if (destroy != nullptr) destroy(payload);
      delete extras;
      node_block::of(memory).bury(1);
    }
  };

  // What stands before a value, which is in no block.
  struct value_front {
    node_origin origin;
    node_extras const* extras;
  };

  // From the start of a value's memory to its node.
  static std::size_t value_lead(node_type const& type) noexcept {
    std::size_t const alignment = type.payload_alignment;
    return (sizeof(value_front) + alignment - 1) & ~(alignment - 1);
  }
  // Memory for a value; returns where its node is to be. Errors: std::bad_alloc.
  [[gnu::cold]] DALLY_FUNCTION static std::byte* acquire_value(node_type const& type) {
    std::size_t const lead = value_lead(type);
    std::size_t const bytes = lead + payload_offset(type, 0) + type.payload_size;
    void* const memory = type.payload_alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__
                             ? ::operator new(bytes, std::align_val_t{type.payload_alignment})
                             : ::operator new(bytes);
    return static_cast<std::byte*>(memory) + lead;
  }
  [[gnu::cold]] DALLY_FUNCTION static void release_value(std::byte* memory, node_type const& type) noexcept {
    memory -= value_lead(type);
    if (type.payload_alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
      ::operator delete(memory, std::align_val_t{type.payload_alignment});
    } else {
      ::operator delete(memory);
    }
  }

  // What record_value() has begun: undone if the payload's constructor throws.
  struct pending_value {
    std::byte* memory;
    node_type const* type;
    node_extras* extras;
    ~pending_value() {
      if (memory == nullptr) return;
      delete extras;
      release_value(memory, *type);
    }
  };

  [[nodiscard]] node_origin const& origin() const noexcept {
    if (!is_value()) return node_block::of(this).origin();
    return reinterpret_cast<value_front const*>(reinterpret_cast<std::byte const*>(this) - sizeof(value_front))->origin;
  }

  static constexpr std::size_t payload_offset(node_type const& type, std::size_t dependency_count) noexcept;

  // The dead wait in a list of their thread, or in a queue of bury(), linked through their own memory, so that neither
  // chains of nodes nor payloads that hold handles recurse.
  struct graveyard {
    node* top;
    bool digging;
  };
  static constinit inline thread_local graveyard dead_{};

  // Whether the process has no other thread: then nobody counts at the same time, and a plain subtraction does instead
  // of a locked one, which costs 2 ns. Beginning a thread shows it all that was written before.
  static bool only_thread() noexcept {
#if __has_include(<sys/single_threaded.h>)
    return __libc_single_threaded != 0;
#else
    return false;
#endif
  }

  [[nodiscard]] bool is_bare() const noexcept { return (bits_ & bare) != 0; }
  // Gives one reference back; true if that was the last.
  bool give_back() const noexcept;
  void end_payload() noexcept;
  node* follow_chain(node_block::tally& links, node_block::tally& leaves) noexcept;
  node** give_back_all(node** end) const noexcept;
  // Fetches what this node's input `from` takes itself: that lies, as a rule, as far before it as it before this node.
  [[gnu::always_inline]] void prefetch_behind(node const* from) const noexcept {
    auto const at = reinterpret_cast<std::uintptr_t>(from);
    __builtin_prefetch(reinterpret_cast<void const*>(at - (reinterpret_cast<std::uintptr_t>(this) - at)));
  }
  static void bury(node* dead) noexcept;

  node_type const* type_;
  union {
    std::source_location place_;
    node* next_dead_;
  };
  mutable std::atomic<std::uint32_t> references_{1};
  std::uint32_t dependency_count_;
  std::uint64_t bits_ = 0;  // number and flags
};

static_assert(sizeof(node) == 32 && alignof(node) == 8);
static_assert(sizeof(dependency) == 8);

inline dependency::dependency(node const* from, bool by_value, bool by_view) noexcept
    : bits_{reinterpret_cast<std::uintptr_t>(from) | static_cast<std::uintptr_t>(by_value) |
            (static_cast<std::uintptr_t>(from->is_value()) << 1) | (static_cast<std::uintptr_t>(by_view) << 2)} {}

constexpr std::size_t node::payload_offset(node_type const& type, std::size_t dependency_count) noexcept {
  std::size_t const end = sizeof(node) + dependency_count * sizeof(dependency);
  return (end + type.payload_alignment - 1) & ~(std::size_t{type.payload_alignment} - 1);
}

inline bool node::give_back() const noexcept {
  // The only holder need not count down: nobody else can make a reference. Acquires what other holders did before
  // they released theirs.
  std::uint32_t const held = references_.load(std::memory_order_acquire);
  if (held == 1) return true;
  if (!only_thread()) return references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  references_.store(held - 1, std::memory_order_relaxed);
  return false;
}

inline void node::release() const noexcept {
  if (give_back()) bury(const_cast<node*>(this));
}

// Ends what is in a node that is not simple: what it was given, and its payload.
DALLY_FUNCTION_WITHIN void node::end_payload() noexcept {
  if (node_extras const* const given = extras(); given != nullptr) given->end(given);
  if (type_->destroy != nullptr) type_->destroy(const_cast<void*>(payload()));
}

// Goes along a chain that nobody else holds, link by link, as long as each stands where the one before it does and
// takes nothing more, or, as the links of a fold do, as its second input a leaf that dies with it where the leaves
// before it stand. Returns the last link that was reached, whose inputs are as they were.
DALLY_FUNCTION_WITHIN node* node::follow_chain(node_block::tally& links, node_block::tally& leaves) noexcept {
  auto const dies_here = [](node const* n, std::uint64_t flag, node_block::tally const& among) {
    // Acquires as give_back() does.
    return (n->bits_ & flag) != 0 && among.is_here(n) && n->references_.load(std::memory_order_acquire) == 1;
  };
  node* link = this;
  while (link->dependency_count_ - 1 < 2) {
    dependency_list const row = link->dependencies();
    if (row.size() == 2 && !dies_here(row[1].from(), bare, leaves)) break;
    if (!dies_here(row[0].from(), simple, links)) break;
    leaves.add_here(static_cast<std::int64_t>(row.size() - 1));
    links.add_here();
    link = const_cast<node*>(row[0].from());
  }
  return link;
}

// Gives back all that a node takes, and appends what dies of it to a queue that ends in `*end`. Returns its new end.
//
// Without a branch on who dies: nobody can foresee that where each of a layer takes some of the layer before. And a
// queue, not a stack, or each node would be known only when the one before it has been read: together they take a
// layered graph's end from 28 to 13 ns a node.
DALLY_FUNCTION_WITHIN node** node::give_back_all(node** end) const noexcept {
  for (dependency const d : dependencies()) {
    auto* const from = const_cast<node*>(d.from());
    std::uint32_t held = 0;
    if (only_thread()) {
      held = from->references_.load(std::memory_order_relaxed);
      from->references_.store(held - 1, std::memory_order_relaxed);
    } else {  // also where it is the only one: a question whether it is would be that branch
      held = from->references_.fetch_sub(1, std::memory_order_acq_rel);
    }
    *end = from;
    auto const now = reinterpret_cast<std::uintptr_t>(end);
    auto const next = reinterpret_cast<std::uintptr_t>(&from->next_dead_);
    end = reinterpret_cast<node**>(now ^ ((now ^ next) & -static_cast<std::uintptr_t>(held == 1)));
    prefetch_behind(from);
  }
  return end;
}

// Ends a node that nobody holds, and whatever dies of it. A node is counted when its turn comes, not before, so the
// blocks of those that wait are there until then. What takes nothing and has nothing to end has no turn: it is counted
// at once, and apart, because leaves often stand in another block than what takes them.
DALLY_FUNCTION_APART void node::bury(node* dead) noexcept {
  auto const lay_down = [](node* n) { n->next_dead_ = std::exchange(dead_.top, n); };
  if (dead_.digging) return lay_down(dead);  // a handle in a payload that is being ended
  dead_.digging = true;
  node_block* const here = dead->is_value() ? nullptr : &node_block::of(dead);
  node_block::tally nodes{here};
  node_block::tally leaves{here};
  node* queue = nullptr;  // of what dies of those that take much: the first; and where the next is to be linked
  node** end = &queue;
  auto const next_waiting = [&]() -> node* {
    node* next = dead_.top;
    if (end != &queue) {
      next = std::exchange(queue, queue->next_dead_);
      if (end == &next->next_dead_) end = &queue;
    } else if (next != nullptr) {
      dead_.top = next->next_dead_;
    }
    return next;
  };
  while (dead != nullptr) {
    if ((dead->bits_ & simple) == 0) {
      dead->end_payload();
      if (dead->is_value()) {  // takes nothing
        release_value(reinterpret_cast<std::byte*>(dead), *dead->type_);
        dead = next_waiting();
        continue;
      }
    }
    nodes.add(dead);
    dead = dead->follow_chain(nodes, leaves);
    node* next = nullptr;  // the last that dies with one that takes little does not wait: in a chain, the only one
    if (dead->dependency_count_ > 2 && !dead->dependencies()[0].from()->is_bare()) {  // of a layer, not of many leaves
      end = dead->give_back_all(end);
    } else {
      for (dependency const d : dead->dependencies()) {
        if (!d.from()->give_back()) {
          dead->prefetch_behind(d.from());  // others share it, in layers perhaps
        } else if (d.from()->is_bare()) {   // half of a fold, or of a tree
          leaves.add(d.from());
        } else {
          if (next != nullptr) lay_down(next);
          next = const_cast<node*>(d.from());
        }
      }
    }
    dead = next != nullptr ? next : next_waiting();
  }
  nodes.close_with(leaves);
  dead_.digging = false;
}

/// A counted reference to a node.
class node_ref {
 public:
  node_ref() = default;
  /// Takes over a reference that the caller holds.
  explicit node_ref(node const* owned) noexcept : node_{owned} {}
  node_ref(node_ref const& other) noexcept : node_{other.node_} {
    if (node_ != nullptr) node_->retain();
  }
  node_ref(node_ref&& other) noexcept : node_{std::exchange(other.node_, nullptr)} {}
  node_ref& operator=(node_ref other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~node_ref() {
    if (node_ != nullptr) node_->release();
  }

  [[nodiscard]] node const* get() const noexcept { return node_; }
  [[nodiscard]] node const* operator->() const noexcept { return node_; }
  [[nodiscard]] node const& operator*() const noexcept { return *node_; }
  [[nodiscard]] explicit operator bool() const noexcept { return node_ != nullptr; }
  /// Gives the reference to the caller.
  [[nodiscard]] node const* detach() noexcept { return std::exchange(node_, nullptr); }

 private:
  node const* node_ = nullptr;
};

}  // namespace dally
