#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "dally/core/block_cache.hpp"
#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/os_mutex.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"
#include "dally/graph/node_marks.hpp"
#include "dally/graph/order.hpp"
#include "dally/graph/takers.hpp"
#include "dally/graph/task_limits.hpp"

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

class plan;
void merge_pure_calls(plan& graph, node_marks& marks);
void arrange_takers(plan& graph, node const* const* outputs, node_marks& marks);
void count_uses(plan& graph);

/// A graph frozen for running: the tasks that some outputs need, numbered so that each stands after its
/// dependencies, with edges and places of results as flat arrays. Immutable, so any number of runs share it.
///
/// Shape   ids 0 .. size() - 1 in the plan's order; literals and persisted values are constants, not tasks
/// Order   as recorded; once the results own memory or pass 32 MiB together, depth first, which keeps few alive
/// Errors  resource_error, std::bad_alloc; graph_error for an empty handle; config_error for a task's options
/// Cost    two linear passes over the nodes in memory order; 12 bytes a node, 16 where results differ in size, and 4
///         an edge. A graph recorded by several threads costs a traversal and a sort besides, one ordered depth first
///         one or two traversals
class plan {
 public:
  /// Plans the union of what `outputs` need; keeps them alive. No handle may be empty.
  DALLY_FUNCTION_APART plan(node const* const* outputs, std::size_t output_count);
  plan(plan const&) = delete;
  plan& operator=(plan const&) = delete;
  [[gnu::cold]] DALLY_FUNCTION_APART ~plan() {
    while (kept_count_ != 0) kept_[--kept_count_]->release();
  }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] node const& task(node_id n) const noexcept { return *tasks_[n]; }

  /// Whether each task takes the result of the one before it: then there is only one order and nothing to share out.
  [[nodiscard]] bool is_chain() const noexcept { return is_chain_; }

  /// Whether some task must wait for another though it takes nothing from it.
  [[nodiscard]] bool has_order_edges() const noexcept { return order_edges_.size() != 0; }

  /// What the node takes, in the order of its dependencies: ids of nodes, or constant_edge | index of a constant.
  [[nodiscard]] node_ids edges(node_id n) const noexcept {
    return {edges_ + first_edge_[n], first_edge_[n + 1] - first_edge_[n]};
  }
  /// The nodes that take its result, ascending, one entry an edge. Built at the first call, by whichever thread.
  [[nodiscard]] node_ids dependents(node_id n) const {
    links const& all = linked();
    return {all.dependents + all.first[n], all.first[n + 1] - all.first[n]};
  }
  /// What the outputs are: ids of nodes, or constant_edge | index.
  [[nodiscard]] node_ids outputs() const noexcept { return {output_edges_, output_count_}; }
  [[nodiscard]] node const& output(std::size_t i) const noexcept { return *kept_[i]; }
  [[nodiscard]] void const* const* constants() const noexcept { return constants_; }

  /// Where results live among a run's values.
  [[nodiscard]] slot_places places() const noexcept { return {slots_, slot_shift_}; }
  /// Units: bytes of slots in one run.
  [[nodiscard]] std::size_t slot_bytes() const noexcept { return slot_bytes_; }
  /// How many consumers each result has, outputs counted as one each; null if no result needs an early end.
  [[nodiscard]] std::uint32_t const* uses() const noexcept { return uses_; }

  /// What a run must know of results that need an early end; null if none does.
  [[nodiscard]] result_rules const* tracking() const noexcept { return tracking_; }

  /// What a run must know of tasks that have `retries`; null if none has.
  [[nodiscard]] retry_rules const* retries() const noexcept { return retries_; }
  /// Whether some task is to run on the thread that computes.
  [[nodiscard]] bool has_here() const noexcept { return has_here_; }
  /// Whether some task has limits that only a scheduler keeps which can end a task: a timeout, or crash_retries.
  [[nodiscard]] bool has_limits() const noexcept { return has_limits_; }

  /// The edges seen from their other end.
  struct links {
    std::uint32_t* first = nullptr;       ///< size() + 1: where the row of a node begins
    std::uint32_t* waits_for = nullptr;   ///< by node: how many results of tasks it takes
    std::uint32_t* dependents = nullptr;  ///< rows by node; also those that must only wait for it
    node_id* ready = nullptr;             ///< nodes that wait for nothing, in order
    std::uint32_t ready_count = 0;
    std::uint32_t sinks = 0;  ///< nodes that nobody takes from: when all are done, everything is
    scratch_array<std::uint32_t> memory{};
  };

  /// Built at the first call, by whichever thread; a run in the plan's order does not need it.
  [[nodiscard]] links const& linked() const {
    links const* built = links_.load(std::memory_order_acquire);  // acquires what link() released
    return built != nullptr ? *built : link();
  }

 private:
  explicit plan(std::size_t output_count) noexcept : output_count_{output_count} {}

  static constexpr std::size_t small_results = std::size_t{32} << 20;

  /// What is known of the graph before its arrays are made.
  struct survey {
    std::size_t tasks = 0;
    std::size_t edges = 0;
    std::size_t constants = 0;
    std::uint32_t slot_sizes = 0;   // all bits of all tasks' sizes
    std::uint32_t slot_size = ~0U;  // the bits that they have in common: all, where there is one size
    std::size_t tracked_bytes = 0;  // of results that end at their last use: the others keep their slot in any order
    bool owning = false;
    result_rules const* rules = nullptr;  // of results that end at their last use
    void (*arrange)(plan&, node const* const*, node_marks&) = nullptr;
    void (*merge)(plan&, node_marks&) = nullptr;
    retry_rules const* retries = nullptr;
    bool here = false;
    bool limits = false;

    /// Adds a task; `input` is called with the tasks that it depends on.
    template <class Input>
    void add(node const& n, node_marks& marks, Input&& input) {
      dependency_list const dependencies = n.dependencies();
      std::uint32_t const its_size = n.type().result->slot_size;
      slot_sizes |= its_size;
      slot_size &= its_size;
      ++tasks;
      edges += dependencies.size();
      for (dependency const d : dependencies) {
        if (d.is_value()) [[unlikely]] {
          add_constant(*d.from());
        } else {
          input(d.from());
        }
      }
      if (n.type().rules != nullptr) add_rules(n.type());
      if (n.is_special()) add_special(n, marks);
    }
    void add_constant(node const& value) noexcept {
      ++constants;
      if (value.type().rules != nullptr && value.type().rules->arrange != nullptr)
        arrange = value.type().rules->arrange;
    }

   private:
    [[gnu::cold]] DALLY_FUNCTION_APART void add_special(node const& n, node_marks& marks) {
      if (n.is_misplaced()) marks.note_disorder();
      if (n.extras() == nullptr) return;
      if (n.is_pure()) merge = n.extras()->merge;
      if (n.extras()->options.retries != 0) retries = n.extras()->retries;
      here |= n.extras()->options.here;
      limits |= has_task_limits(n.extras()->options);
      check_task_options(n);
    }
    [[gnu::noinline]] void add_rules(node_type const& type) noexcept {
      if (type.result->tracked) {
        tracked_bytes += type.result->size;
        rules = type.rules;
      }
      owning |= type.result->owning;
      if (type.rules->arrange != nullptr) arrange = type.rules->arrange;
    }
  };

  bool find(node const* const* outputs, node_marks& marks, survey& all);
  void allocate(survey const& all);
  template <class IdOf>
  std::uint32_t write_rows(IdOf&& id_of);
  void write(node const* const* outputs, node_marks& marks);
  node_id id_of(node const* n, node_marks& marks) const {
    std::uint32_t const rank = marks.rank_apart(n);
    return by_rank_.data() == nullptr ? rank : by_rank_[rank];
  }
  friend void merge_pure_calls(plan& graph, node_marks& marks);
  friend void arrange_takers(plan& graph, node const* const* outputs, node_marks& marks);
  friend void count_uses(plan& graph);
  friend class small_inner_graph;
  links const& link() const;
  [[noreturn]] void refuse_size(std::size_t edges) const;

  scratch_list<node const*> tasks_;
  scratch_array<node_id> by_rank_;  // while it is made, where the ids are not the ranks
  scratch_array<std::byte> memory_;
  node const** kept_ = nullptr;
  void const** constants_ = nullptr;
  std::uint32_t* first_edge_ = nullptr;
  std::uint32_t* slots_ = nullptr;  // null if each has 2 ^ slot_shift_ bytes
  std::uint32_t* edges_ = nullptr;
  std::uint32_t* output_edges_ = nullptr;
  std::uint32_t* uses_ = nullptr;
  std::uint32_t size_ = 0;
  bool is_chain_ = true;
  std::size_t output_count_;
  std::size_t kept_count_ = 0;
  unsigned char slot_shift_ = 0;
  std::size_t slot_bytes_ = 0;
  result_rules const* tracking_ = nullptr;
  retry_rules const* retries_ = nullptr;
  bool has_here_ = false;
  bool has_limits_ = false;
  scratch_list<order_edge> order_edges_;
  mutable os_mutex linking_;
  mutable std::atomic<links const*> links_{nullptr};
  mutable links link_storage_;
};

plan::plan(node const* const* outputs, std::size_t output_count)
    : plan{output_count} {  // from here on a failure is undone by the destructor
  node_marks& marks = node_marks::mine();
  struct cleared {
    node_marks& marks;
    ~cleared() { marks.clear(); }
  } const cleared_at_exit{marks};

  survey all;
  bool const ids_are_ranks = find(outputs, marks, all);
  for (std::size_t i = 0; i < output_count; ++i) all.add_constant(*outputs[i]);  // as many at most
  size_ = static_cast<std::uint32_t>(tasks_.size());
  if (tasks_.size() >= constant_edge || all.edges >= constant_edge) refuse_size(all.edges);
  if (!ids_are_ranks || all.merge != nullptr) {
    by_rank_.reset(size_);
    for (node_id n = 0; n < size_; ++n) by_rank_[marks.rank_apart(tasks_[n])] = n;
    if (all.merge != nullptr) all.merge(*this, marks);
  }
  allocate(all);
  write(outputs, marks);
  if (all.arrange != nullptr) all.arrange(*this, outputs, marks);
  by_rank_.reset(0);
  tracking_ = all.rules;
  if (tracking_ != nullptr) tracking_->count(*this);
  retries_ = all.retries;
  has_here_ = all.here;
  has_limits_ = all.limits;
  if (retries_ != nullptr) retries_->check(*this);
  for (; kept_count_ < output_count; ++kept_count_) {
    outputs[kept_count_]->retain();
    kept_[kept_count_] = outputs[kept_count_];
  }
}

// Fills tasks_ in the plan's order, and ranks the marks. True if the ids are the ranks.
DALLY_FUNCTION_APART bool plan::find(node const* const* outputs, node_marks& marks, survey& all) {
  for (std::size_t i = 0; i < output_count_; ++i) {
    if (!outputs[i]->is_value()) marks.mark_apart(outputs[i]);
  }
  // Inputs exist before their consumers: one pass downwards finds everything, without a stack. Where positions say
  // nothing about the order, a traversal does, and the pass only looks.
  bool in_order = true;
  for (;;) {
    bool const to_the_end = marks.each_downwards([&](node const* n, auto& place) {
      all.add(*n, marks, [&](node const* input) { marks.mark(input, place); });
      return !in_order || marks.in_order();
    });
    if (!in_order || (to_the_end && marks.in_order())) break;
    in_order = false;
    marks.clear();
    recorded_order(outputs, output_count_, marks, tasks_);
    all = survey{};
  }
  if (all.owning || all.tracked_bytes > small_results) {
    marks.clear();
    all.rules->order(outputs, output_count_, marks, tasks_);
    return false;
  }
  if (!in_order) return false;
  tasks_.resize_for_overwrite(all.tasks);
  marks.rank_all(tasks_.data());
  return true;
}

DALLY_FUNCTION void plan::allocate(survey const& all) {
  std::size_t const pointers = all.constants + output_count_;
  bool const one_size = all.slot_sizes == all.slot_size && std::has_single_bit(all.slot_size);
  if (one_size) slot_shift_ = static_cast<unsigned char>(std::countr_zero(all.slot_size));
  auto const rows = static_cast<std::size_t>(1 + (one_size ? 0 : 1) + (all.rules != nullptr ? 1 : 0));
  std::size_t const numbers = rows * size_ + 1 + all.edges + output_count_;
  memory_.reset(pointers * sizeof(void*) + numbers * sizeof(std::uint32_t));
  kept_ = reinterpret_cast<node const**>(memory_.data());
  constants_ = reinterpret_cast<void const**>(kept_ + output_count_);
  first_edge_ = reinterpret_cast<std::uint32_t*>(constants_ + all.constants);
  output_edges_ = first_edge_ + size_ + 1;
  if (!one_size) {
    slots_ = output_edges_;
    output_edges_ += size_;
  }
  edges_ = output_edges_ + output_count_;
  if (all.rules != nullptr) uses_ = edges_ + all.edges;
}

// Writes down edges and slots of tasks_, whose ids `id_of` tells. Returns how many constants there are.
template <class IdOf>
std::uint32_t plan::write_rows(IdOf&& id_of) {
  // In registers: the compiler cannot know that what is written below are no members.
  node const* const* const tasks = tasks_.data();
  std::uint32_t* const first_edge = first_edge_;
  std::uint32_t* const places = slots_;
  std::uint32_t* const edges = edges_;
  std::uint32_t const size = size_;
  std::uint32_t edge_count = 0;
  std::uint32_t constant_count = 0;
  std::size_t bytes = 0;
  bool chain = true;
  node const* before = nullptr;
  node_id after_last = 0;
  for (node_id n = 0; n < size; ++n) {
    node const& task = *tasks[n];
    first_edge[n] = edge_count;
    bool follows = n == 0;
    for (dependency const d : task.dependencies()) {
      std::uint32_t edge = 0;
      if (d.is_value()) [[unlikely]] {
        constants_[constant_count] = d.from()->payload();
        edge = constant_edge | constant_count++;
      } else if (d.from() == before) {  // as often in a chain or a fold: it need not be looked for
        edge = n - 1;
        follows = true;
      } else if (d.from() == tasks[after_last]) {  // or, in a row or a tree, the one behind what was taken last
        edge = after_last++;
      } else {
        edge = id_of(d.from());
        follows |= edge + 1 == n;              // of equal calls
        after_last = edge < n ? edge + 1 : 0;  // where the order proves none, an edge may point ahead
      }
      edges[edge_count++] = edge;
    }
    chain &= follows;
    before = &task;
    if (places == nullptr) continue;
    value_type const& result = *task.type().result;
    bytes = (bytes + result.slot_alignment - 1) & ~(std::size_t{result.slot_alignment} - 1);
    places[n] = static_cast<std::uint32_t>(bytes / slot_unit);
    bytes += result.slot_size;
  }
  first_edge[size] = edge_count;
  is_chain_ = chain;
  slot_bytes_ = places != nullptr
                    ? bytes
                    : std::size_t{size} << slot_shift_;  // aligned for each: sizes are multiples of alignments
  return constant_count;
}

// Writes down edges, slots and outputs of tasks_.
DALLY_FUNCTION_WITHIN void plan::write(node const* const* outputs, node_marks& marks) {
  node_id const* const by_rank = by_rank_.data();
  std::uint32_t constant_count = write_rows([by_rank, rank_of = node_marks::ranks{marks}](node const* n) mutable {
    std::uint32_t const rank = rank_of(n);
    return by_rank == nullptr ? rank : by_rank[rank];
  });
  for (std::size_t i = 0; i < output_count_; ++i) {
    if (outputs[i]->is_value()) {
      constants_[constant_count] = outputs[i]->payload();
      output_edges_[i] = constant_edge | constant_count++;
    } else {
      output_edges_[i] = id_of(outputs[i], marks);
    }
  }
  if (slot_bytes_ / slot_unit >= ~std::uint32_t{0}) refuse_size(first_edge_[size_]);
}

[[gnu::cold]] DALLY_FUNCTION_APART void plan::refuse_size(std::size_t edges) const {
  refuse(&throw_saying<graph_error>,
         "a graph of %zu tasks and %zu edges is too large for one run: at most 2,147,483,647 of each, and 16 GiB of "
         "results of 64 bytes or less",
         tasks_.size(), edges);
}

/// Of equal pure calls, before the edges are written, the first stands for all: found by content in an open-addressed
/// table of ids + 1.
[[gnu::cold]] DALLY_FUNCTION_APART void merge_pure_calls(plan& graph, node_marks& marks) {
  auto& tasks = graph.tasks_;
  scratch_array<std::uint32_t> const table{std::bit_ceil(tasks.size() * 2 + 1)};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = 0;
  node_id merged = 0;
  for (node_id n = 0; n < graph.size_; ++n) {
    node const* const task = tasks[n];
    node_id id = merged;
    if (task->is_pure()) {
      token const content = task->content();
      std::size_t at = content.low & (table.size() - 1);
      while (table[at] != 0 && tasks[table[at] - 1]->content() != content) at = (at + 1) & (table.size() - 1);
      if (table[at] == 0) table[at] = merged + 1;
      id = table[at] - 1;
    }
    graph.by_rank_[marks.rank_apart(task)] = id;
    if (id == merged) tasks[merged++] = task;
  }
  graph.size_ = merged;
}

/// Puts the tasks that take move-only results behind the others that read them: see takers_last.
[[gnu::cold]] DALLY_FUNCTION_APART void arrange_takers(plan& graph, node const* const* outputs, node_marks& marks) {
  arrangement wanted = takers_last({graph.tasks_.data(), graph.size_, graph.first_edge_, graph.edges_, outputs,
                                    graph.output_edges_, graph.output_count_});
  graph.order_edges_ = std::move(wanted.edges);
  if (wanted.order.empty()) return;
  scratch_array<node_id> place{graph.size_};
  scratch_list<node const*> order;
  for (node_id const n : wanted.order) {
    place[n] = static_cast<node_id>(order.size());
    order.push_back(graph.tasks_[n]);
  }
  for (order_edge& e : graph.order_edges_) e = {place[e.before], place[e.after]};
  if (graph.by_rank_.size() == 0) {
    graph.by_rank_ = std::move(place);
  } else {
    for (std::size_t r = 0; r < graph.by_rank_.size(); ++r) graph.by_rank_[r] = place[graph.by_rank_[r]];
  }
  graph.tasks_ = std::move(order);
  graph.write(outputs, marks);
}

[[gnu::cold]] DALLY_FUNCTION void count_uses(plan& graph) {
  for (node_id n = 0; n < graph.size_; ++n) graph.uses_[n] = 0;
  // The outputs stand before the edges in memory: each counts as a use.
  for (std::uint32_t const* e = graph.output_edges_; e != graph.edges_ + graph.first_edge_[graph.size_]; ++e) {
    if ((*e & constant_edge) == 0) ++graph.uses_[*e];
  }
}

[[gnu::cold]] DALLY_FUNCTION plan::links const& plan::link() const {
  std::lock_guard const lock{linking_};
  if (links const* const built = links_.load(std::memory_order_relaxed)) return *built;
  links& all = link_storage_;
  std::size_t const size = size_;
  // Room for all nodes to be ready.
  all.memory.reset(3 * size + 1 + first_edge_[size] + order_edges_.size());
  all.first = all.memory.data();
  all.waits_for = all.first + size + 1;
  for (std::size_t n = 0; n <= 2 * size; ++n) all.first[n] = 0;
  auto const each_edge = [&](auto const& visit) {
    for (node_id n = size_; n-- > 0;) {
      for (std::uint32_t const edge : edges(n)) {
        if ((edge & constant_edge) == 0) visit(edge, n);
      }
    }
    for (order_edge const& e : order_edges_) visit(e.before, e.after);
  };
  each_edge([&](node_id before, node_id after) {
    ++all.first[before];
    ++all.waits_for[after];
  });
  all.ready_count = all.sinks = 0;
  std::uint32_t end = 0;
  for (node_id n = 0; n < size_; ++n) {
    all.ready_count += all.waits_for[n] == 0 ? 1U : 0U;
    all.sinks += all.first[n] == 0 ? 1U : 0U;
    end += all.first[n];
    all.first[n] = end;  // the row's end: filling backwards turns it into its beginning
  }
  all.first[size] = end;
  all.dependents = all.waits_for + size;
  all.ready = all.dependents + end;
  each_edge([&](node_id before, node_id after) { all.dependents[--all.first[before]] = after; });
  std::uint32_t ready = 0;
  for (node_id n = 0; n < size_; ++n) {
    if (all.waits_for[n] == 0) all.ready[ready++] = n;
  }
  links_.store(&all, std::memory_order_release);  // releases the tables to linked()
  return all;
}

}  // namespace dally

// What the rules of results name is defined wherever they are.
#include "dally/graph/tracked_results.hpp"  // IWYU pragma: export
