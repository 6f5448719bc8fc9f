#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "dally/core/block_cache.hpp"
#include "dally/core/error.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/node_marks.hpp"
#include "dally/graph/order.hpp"
#include "dally/graph/takers.hpp"

namespace dally {

/// Ids in a row, as a view.
class node_ids {
 public:
  node_ids(std::uint32_t const* first, std::size_t size) noexcept : first_{first}, size_{size} {}
  [[nodiscard]] std::uint32_t const* begin() const noexcept { return first_; }
  [[nodiscard]] std::uint32_t const* end() const noexcept { return first_ + size_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::uint32_t operator[](std::size_t i) const noexcept { return first_[i]; }

 private:
  std::uint32_t const* first_;
  std::size_t size_;
};

/// A graph frozen for running: the tasks that some outputs need, numbered so that each stands after its
/// dependencies, with edges and places of results as flat arrays. Immutable, so any number of runs share it.
///
/// Shape   ids 0 .. size() - 1 in the plan's order; literals and persisted values are constants, not tasks
/// Order   as recorded; once the results own memory or pass 32 MiB together, depth first, which keeps few alive
/// Errors  resource_error, std::bad_alloc; graph_error for an empty handle
/// Cost    two linear passes over the nodes in memory order; 16 bytes a node and 4 an edge. A graph recorded by
///         several threads, or ordered depth first, costs a traversal (and a sort) instead
class plan {
 public:
  /// Plans the union of what `outputs` need; keeps them alive. No handle may be empty.
  plan(node const* const* outputs, std::size_t output_count);
  plan(plan const&) = delete;
  plan& operator=(plan const&) = delete;
  [[gnu::noinline]] ~plan() {
    for (std::size_t i = 0; i < output_count_; ++i) kept_[i]->release();
  }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] node const& task(node_id n) const noexcept { return *tasks_[n]; }

  /// Whether each task takes the result of the one before it: then there is only one order and nothing to share out.
  [[nodiscard]] bool is_chain() const noexcept { return is_chain_; }

  /// What the node takes, in the order of its dependencies: ids of nodes, or constant_edge | index of a constant.
  [[nodiscard]] node_ids edges(node_id n) const noexcept {
    return {edges_ + first_edge_[n], first_edge_[n + 1] - first_edge_[n]};
  }
  /// The nodes that take its result, ascending, one entry an edge. Built at the first call, by whichever thread.
  [[nodiscard]] node_ids dependents(node_id n) const {
    links const& all = linked();
    return {all.dependents.data() + all.first[n], all.first[n + 1] - all.first[n]};
  }
  /// What the outputs are: ids of nodes, or constant_edge | index.
  [[nodiscard]] node_ids outputs() const noexcept { return {output_edges_, output_count_}; }
  [[nodiscard]] node const& output(std::size_t i) const noexcept { return *kept_[i]; }
  [[nodiscard]] void const* const* constants() const noexcept { return constants_; }

  /// Where results live, in slot_unit from the start of a run's values.
  [[nodiscard]] std::uint32_t const* slots() const noexcept { return slots_; }
  /// Units: bytes of slots in one run.
  [[nodiscard]] std::size_t slot_bytes() const noexcept { return slot_bytes_; }
  /// How many consumers each result has, outputs counted as one each; null if no result needs an early end.
  [[nodiscard]] std::uint32_t const* uses() const noexcept { return uses_.data(); }

  /// The edges seen from their other end.
  struct links {
    scratch_array<std::uint32_t> first;       ///< size() + 1
    scratch_array<std::uint32_t> dependents;  ///< by node; also those that must only wait for it
    scratch_array<std::uint32_t> waits_for;   ///< by node: how many results of tasks it takes
    scratch_list<node_id> ready;              ///< nodes that wait for nothing, in order
    std::uint32_t sinks = 0;                  ///< nodes that nobody takes from: when all are done, everything is
  };

  /// Built at the first call, by whichever thread; a run in the plan's order does not need it.
  [[nodiscard]] links const& linked() const {
    links const* built = links_.load(std::memory_order_acquire);  // acquires what link() released
    return built != nullptr ? *built : link();
  }

 private:
  static constexpr std::size_t small_results = std::size_t{32} << 20;

  struct extent {
    std::size_t nodes = 0;
    std::size_t edges = 0;
    std::size_t constants = 0;
    std::size_t slot_bytes = 0;     // at most
    std::size_t tracked_bytes = 0;  // of results that end at their last use: the others keep their slot in any order
    bool owning = false;
    bool pure = false;
    arrangement (*arrange)(planned_graph const&) = nullptr;

    void add(node const& n) noexcept {
      ++nodes;
      dependency_list const dependencies = n.dependencies();
      edges += dependencies.size();
      for (dependency const d : dependencies) {
        if (d.from()->is_value()) add_constant(*d.from());
      }
      value_type const& result = *n.type().result;
      slot_bytes += result.boxed ? slot_alignment : result.size + slot_alignment;
      if (result.tracked) tracked_bytes += result.size;
      owning |= result.owning;
      pure |= n.is_pure();
      if (n.type().arrange != nullptr) arrange = n.type().arrange;
    }
    void add_constant(node const& value) noexcept {
      ++constants;
      if (value.type().arrange != nullptr) arrange = value.type().arrange;
    }
  };

  [[gnu::noinline]] void allocate(extent const& total) {
    std::size_t const pointers = total.nodes + total.constants * 2;
    std::size_t const numbers = 2 * total.nodes + 1 + total.edges + total.constants;
    memory_ = scratch_array<std::byte>{pointers * sizeof(void*) + numbers * sizeof(std::uint32_t)};
    std::byte* at = memory_.data();
    auto const take = [&]<class T>(T*& array, std::size_t count) {
      array = reinterpret_cast<T*>(at);
      at += count * sizeof(T);
    };
    take(tasks_, total.nodes);
    take(kept_, total.constants);
    take(constants_, total.constants);
    take(first_edge_, total.nodes + 1);
    take(slots_, total.nodes);
    take(edges_, total.edges);
    take(output_edges_, total.constants);
  }
  /// The ids of marked nodes: their ranks, or where an order, or a node of equal key, puts these.
  struct numbering {
    node_marks& marks;
    scratch_array<std::uint32_t> by_rank{};
    [[nodiscard]] node_id id_of(node const* n) const noexcept {
      std::uint32_t const rank = marks.rank(n);
      return by_rank.data() == nullptr ? rank : by_rank[rank];
    }
  };
  /// Pure calls by content: open addressing, one entry in two at most.
  struct pure_calls {
    scratch_array<std::uint32_t> ids;  // + 1; 0 is free
    [[gnu::cold]] explicit pure_calls(std::size_t nodes) : ids{std::bit_ceil(nodes * 2 + 1)} {
      for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = 0;
    }
    /// The entry of the equal call, or the free one where it belongs.
    [[gnu::cold]] std::uint32_t& entry(plan const& in, token const& content) const {
      for (std::size_t i = content.low & (ids.size() - 1);; i = (i + 1) & (ids.size() - 1)) {
        if (ids[i] == 0 || in.tasks_[ids[i] - 1]->content() == content) return ids[i];
      }
    }
  };
  void fill(scratch_list<node const*> const& order, numbering& ids, bool merge, node const* const* outputs);
  [[gnu::cold]] void arrange(arrangement (*rule)(planned_graph const&), numbering& ids, node const* const* outputs);
  [[gnu::noinline]] void append(node const* n, numbering const& ids) {
    node_id const id = size_++;
    tasks_[id] = n;
    first_edge_[id] = edge_count_;
    bool follows = id == 0;
    for (dependency const d : n->dependencies()) {
      if (d.from()->is_value()) {
        constants_[constant_count_] = d.from()->payload();
        edges_[edge_count_++] = constant_edge | constant_count_++;
      } else {
        node_id const from = ids.id_of(d.from());
        follows |= from + 1 == id;
        edges_[edge_count_++] = from;
      }
    }
    is_chain_ &= follows;
    value_type const& result = *n->type().result;
    std::size_t const alignment =
        result.boxed ? alignof(void*) : (result.alignment < slot_unit ? slot_unit : result.alignment);
    std::size_t const at = (slot_bytes_ + alignment - 1) & ~(alignment - 1);
    slots_[id] = static_cast<std::uint32_t>(at / slot_unit);
    std::size_t const end = at + (result.boxed ? sizeof(void*) : result.size);
    slot_bytes_ = (end + slot_unit - 1) & ~(slot_unit - 1);
  }
  [[gnu::noinline]] void count_uses() {
    uses_ = scratch_array<std::uint32_t>{size_};
    for (node_id n = 0; n < size_; ++n) uses_[n] = 0;
    for (std::uint32_t e = 0; e < edge_count_; ++e) {
      if ((edges_[e] & constant_edge) == 0) ++uses_[edges_[e]];
    }
    for (std::size_t i = 0; i < output_count_; ++i) {
      if ((output_edges_[i] & constant_edge) == 0) ++uses_[output_edges_[i]];
    }
  }
  [[gnu::noinline]] void write_outputs(numbering const& ids, node const* const* outputs) {
    first_edge_[size_] = edge_count_;
    for (std::size_t i = 0; i < output_count_; ++i) {
      if (outputs[i]->is_value()) {
        constants_[constant_count_] = outputs[i]->payload();
        output_edges_[i] = constant_edge | constant_count_++;
      } else {
        output_edges_[i] = ids.id_of(outputs[i]);
      }
    }
  }
  links const& link() const;

  scratch_array<std::byte> memory_;
  node const** tasks_ = nullptr;
  node const** kept_ = nullptr;
  void const** constants_ = nullptr;
  std::uint32_t* first_edge_ = nullptr;
  std::uint32_t* slots_ = nullptr;
  std::uint32_t* edges_ = nullptr;
  std::uint32_t* output_edges_ = nullptr;
  std::uint32_t size_ = 0;
  bool is_chain_ = true;
  std::uint32_t edge_count_ = 0;
  std::uint32_t constant_count_ = 0;
  std::size_t output_count_ = 0;
  std::size_t slot_bytes_ = 0;
  scratch_array<std::uint32_t> uses_;
  scratch_list<order_edge> order_edges_;
  mutable std::mutex linking_;
  mutable std::atomic<links const*> links_{nullptr};
  mutable links link_storage_;
};

inline plan::plan(node const* const* outputs, std::size_t output_count) {
  node_marks& marks = node_marks::mine();
  struct cleared {
    node_marks& marks;
    ~cleared() { marks.clear(); }
  } const cleared_at_exit{marks};

  extent total;
  bool one_arena = true;
  std::uint32_t arena = 0;
  bool first = true;
  for (std::size_t i = 0; i < output_count; ++i) {
    if (outputs[i]->is_value()) continue;
    std::uint32_t const its = node_block::of(outputs[i]).arena();
    one_arena &= first || its == arena;
    arena = its;
    first = false;
    marks.mark(outputs[i]);
  }
  // Inputs exist before their consumers: one pass downwards finds everything, without a stack.
  one_arena = one_arena && marks.each_downwards([&](node const* n) {
    total.add(*n);
    for (dependency const d : n->dependencies()) {
      if (d.from()->is_value()) continue;
      if (node_block::of(d.from()).arena() != arena) return false;
      marks.mark(d.from());
    }
    return true;
  });

  scratch_list<node const*> order;
  if (!one_arena || total.owning || total.tracked_bytes > small_results) {
    marks.clear();
    order = std::move(depth_first_order{outputs, output_count, marks}.nodes);
    total = extent{};
    for (node const* const n : order) total.add(*n);
    if (!total.owning && total.tracked_bytes <= small_results) sort_as_recorded(order);
  }
  total.constants += output_count;
  for (std::size_t i = 0; i < output_count; ++i) {
    if (outputs[i]->type().arrange != nullptr) total.arrange = outputs[i]->type().arrange;
  }
  if (total.nodes >= constant_edge || total.edges >= constant_edge ||
      total.slot_bytes / slot_unit >= ~std::uint32_t{0}) {
    refuse<graph_error>({"a graph of ", decimal(total.nodes), " tasks and ", decimal(total.edges),
                         " edges is too large for one run: at most 2,147,483,647 of each, and 16 GiB of results "
                         "of 64 bytes or less"});
  }
  allocate(total);
  output_count_ = output_count;
  numbering ids{marks};
  if (!order.empty() || total.pure) ids.by_rank = scratch_array<std::uint32_t>{total.nodes};
  fill(order, ids, total.pure, outputs);
  if (total.arrange != nullptr) arrange(total.arrange, ids, outputs);
  if (total.owning || total.tracked_bytes != 0) count_uses();
  for (std::size_t i = 0; i < output_count; ++i) {
    outputs[i]->retain();
    kept_[i] = outputs[i];
  }
}

// Numbers the tasks in this order, or as they stand in memory, and writes everything down.
inline void plan::fill(scratch_list<node const*> const& order, numbering& ids, bool merge, node const* const* outputs) {
  pure_calls const pure{merge ? ids.by_rank.size() : 0};
  auto const visit = [&](node const* n) {
    if (ids.by_rank.data() != nullptr) {
      node_id& id = ids.by_rank[ids.marks.rank(n)];
      id = size_;
      if (merge && n->is_pure()) {
        std::uint32_t& equal = pure.entry(*this, n->content());
        if (equal != 0) {
          id = equal - 1;
          return;
        }
        equal = size_ + 1;
      }
    }
    append(n, ids);
  };
  ids.marks.number_all([&](node const* n) {
    if (order.empty()) visit(n);
  });
  for (node const* const n : order) visit(n);
  write_outputs(ids, outputs);
}

// Puts the tasks that take move-only results behind the others that read them.
inline void plan::arrange(arrangement (*rule)(planned_graph const&), numbering& ids, node const* const* outputs) {
  arrangement wanted = rule({tasks_, size_, first_edge_, edges_, outputs, output_edges_, output_count_});
  if (!wanted.order.empty()) {
    scratch_array<node const*> const order{size_};
    scratch_array<node_id> const place{size_};
    for (node_id n = 0; n < size_; ++n) {
      order[n] = tasks_[wanted.order[n]];
      place[wanted.order[n]] = n;
    }
    std::size_t ranks = ids.by_rank.size();
    if (ranks == 0) {
      ranks = size_;
      ids.by_rank = scratch_array<std::uint32_t>{ranks};
      for (std::uint32_t r = 0; r < ranks; ++r) ids.by_rank[r] = r;
    }
    for (std::size_t r = 0; r < ranks; ++r) ids.by_rank[r] = place[ids.by_rank[r]];
    for (order_edge& e : wanted.edges) e = {place[e.before], place[e.after]};
    size_ = edge_count_ = constant_count_ = 0;
    slot_bytes_ = 0;
    is_chain_ = true;
    for (std::size_t n = 0; n < order.size(); ++n) append(order[n], ids);
    write_outputs(ids, outputs);
  }
  order_edges_ = std::move(wanted.edges);
}

inline plan::links const& plan::link() const {
  std::lock_guard const lock{linking_};
  if (links const* const built = links_.load(std::memory_order_relaxed)) return *built;
  links all;
  all.first = scratch_array<std::uint32_t>{size_ + std::size_t{1}};
  all.waits_for = scratch_array<std::uint32_t>{size_};
  for (node_id n = 0; n <= size_; ++n) all.first[n] = 0;
  std::uint32_t total = 0;
  for (node_id n = 0; n < size_; ++n) {
    std::uint32_t waits_for = 0;
    for (std::uint32_t const edge : edges(n)) {
      if ((edge & constant_edge) != 0) continue;
      ++all.first[edge];
      ++waits_for;
    }
    all.waits_for[n] = waits_for;
    total += waits_for;
  }
  for (order_edge const& e : order_edges_) {
    ++all.first[e.before];
    ++all.waits_for[e.after];
    ++total;
  }
  std::uint32_t end = 0;
  for (node_id n = 0; n < size_; ++n) {
    if (all.waits_for[n] == 0) all.ready.push_back(n);
    all.sinks += all.first[n] == 0 ? 1U : 0U;
    end += all.first[n];
    all.first[n] = end;  // the row's end: filling backwards turns it into its beginning
  }
  all.first[size_] = end;
  all.dependents = scratch_array<std::uint32_t>{total};
  for (node_id n = size_; n-- > 0;) {
    for (std::uint32_t const edge : edges(n)) {
      if ((edge & constant_edge) == 0) all.dependents[--all.first[edge]] = n;
    }
  }
  for (order_edge const& e : order_edges_) all.dependents[--all.first[e.before]] = e.after;
  link_storage_ = std::move(all);
  links_.store(&link_storage_, std::memory_order_release);  // releases the tables to linked()
  return link_storage_;
}

}  // namespace dally
