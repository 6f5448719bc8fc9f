#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "dally/core/block_cache.hpp"
#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/inputs.hpp"
#include "dally/graph/node.hpp"

namespace dally {

/// `before` must have finished when `after` begins, although it takes nothing from it.
struct order_edge {
  node_id before;
  node_id after;
};

/// What move-only results ask of a plan: edges that only order, and an order of the ids if theirs does not do.
struct arrangement {
  scratch_list<order_edge> edges;
  scratch_list<node_id> order;
};

/// What arranging takers looks at: tasks with their rows of edges, and the outputs, as a plan holds them.
struct planned_graph {
  node const* const* tasks;
  std::uint32_t size;
  std::uint32_t const* first_edge;  // size + 1
  std::uint32_t const* edges;
  node const* const* outputs;
  std::uint32_t const* output_edges;
  std::size_t output_count;
};

namespace detail {

[[noreturn, gnu::cold]] DALLY_FUNCTION void refuse_taker(
    node const& result, char const* what, node const* task,
    char const* cure = "let one task take it by value and the others by const&, or return a std::shared_ptr") {
  std::string const name = joined({"\"", result.label(), "\" (", result.place_text(), ")"});
  std::string const by =
      task == nullptr ? std::string{} : joined({" \"", task->label(), "\" (", task->place_text(), ")"});
  refuse<graph_error>({"the move-only result of ", name, what, by, "; ", cure});
}

}  // namespace detail

/// The ids in an order that respects edges and `more`, else the one they have: of what is ready the lowest first.
///
/// Errors  graph_error when a task that reads a move-only result depends on the one that takes it
/// Cost    O((nodes + edges) log nodes)
[[gnu::cold]] DALLY_FUNCTION scratch_list<node_id> reordered(planned_graph const& graph,
                                                             scratch_list<order_edge> const& more) {
  std::vector<std::uint32_t> waits(graph.size);
  std::vector<std::uint32_t> first(graph.size + std::size_t{2});
  auto const each_edge = [&](auto const& visit) {
    for (node_id n = 0; n < graph.size; ++n) {
      for (std::uint32_t e = graph.first_edge[n]; e < graph.first_edge[n + 1]; ++e) {
        if ((graph.edges[e] & constant_edge) == 0) visit(graph.edges[e], n);
      }
    }
    for (order_edge const& e : more) visit(e.before, e.after);
  };
  each_edge([&](node_id before, node_id after) {
    ++waits[after];
    ++first[before + std::size_t{2}];
  });
  for (std::size_t n = 2; n < first.size(); ++n) first[n] += first[n - 1];
  std::vector<node_id> dependents(first.back());
  each_edge([&](node_id before, node_id after) { dependents[first[before + std::size_t{1}]++] = after; });
  std::vector<node_id> heap;  // the lowest on top
  auto const push = [&](node_id n) {
    heap.push_back(n);
    for (std::size_t i = heap.size() - 1; i > 0 && heap[i] < heap[(i - 1) / 2]; i = (i - 1) / 2) {
      std::swap(heap[i], heap[(i - 1) / 2]);
    }
  };
  auto const pop = [&] {
    node_id const top = heap.front();
    heap.front() = heap.back();
    heap.pop_back();
    for (std::size_t i = 0;;) {
      std::size_t least = i;
      for (std::size_t const child : {2 * i + 1, 2 * i + 2}) {
        if (child < heap.size() && heap[child] < heap[least]) least = child;
      }
      if (least == i) return top;
      std::swap(heap[i], heap[least]);
      i = least;
    }
  };
  scratch_list<node_id> order;
  for (node_id n = 0; n < graph.size; ++n) {
    if (waits[n] == 0) push(n);
  }
  while (!heap.empty()) {
    node_id const n = pop();
    order.push_back(n);
    for (std::uint32_t i = first[n]; i < first[n + std::size_t{1}]; ++i) {
      if (--waits[dependents[i]] == 0) push(dependents[i]);
    }
  }
  if (order.size() == graph.size) return order;
  for (order_edge const& e : more) {
    if (waits[e.before] == 0 || waits[e.after] == 0) continue;
    refuse<graph_error>({"\"", graph.tasks[e.before]->label(), "\" (", graph.tasks[e.before]->place_text(),
                         ") reads a move-only result that \"", graph.tasks[e.after]->label(), "\" (",
                         graph.tasks[e.after]->place_text(),
                         ") takes by value, but it depends on that task, so it cannot run before it; let the taker "
                         "return what is still needed, or return a std::shared_ptr"});
  }
  refuse<graph_error>({"a graph with a cycle"});
}

/// The rule of move-only results: any number of tasks read one, at most one takes it by value, and that one runs after
/// all others.
///
/// Errors  graph_error naming the tasks: two takers, one task that takes it both ways, a taker of an output or of what
///         belongs to the graph, a taker that another consumer depends on
[[gnu::cold]] DALLY_FUNCTION arrangement takers_last(planned_graph const& graph) {
  constexpr std::uint32_t nobody = ~std::uint32_t{0};
  std::vector<node_id> taker(graph.size, nobody);
  auto const move_only = [](node const* n) { return n->type().result->copy == nullptr; };
  for (node_id n = 0; n < graph.size; ++n) {
    node const& task = *graph.tasks[n];
    for (std::size_t k = 0; k < task.dependencies().size(); ++k) {
      dependency const d = task.dependencies()[k];
      if (!d.by_value() || !move_only(d.from())) continue;
      std::uint32_t const edge = graph.edges[graph.first_edge[n] + k];
      if ((edge & constant_edge) != 0) {
        detail::refuse_taker(*d.from(), " is a literal or persisted: it belongs to the graph, but is taken by value by",
                             &task, "take it by const&, let a task make it, or hold it in a std::shared_ptr");
      }
      if (taker[edge] == n) detail::refuse_taker(*d.from(), " is taken by value twice by", &task);
      if (taker[edge] != nobody) {
        detail::refuse_taker(
            *d.from(), joined({" is taken by value by \"", graph.tasks[taker[edge]]->label(), "\" and by"}).c_str(),
            &task);
      }
      taker[edge] = n;
    }
  }
  arrangement wanted;
  bool in_order = true;
  for (node_id n = 0; n < graph.size; ++n) {
    node const& task = *graph.tasks[n];
    for (std::size_t k = 0; k < task.dependencies().size(); ++k) {
      std::uint32_t const edge = graph.edges[graph.first_edge[n] + k];
      if ((edge & constant_edge) != 0 || taker[edge] == nobody || task.dependencies()[k].by_value()) continue;
      if (taker[edge] == n)
        detail::refuse_taker(*graph.tasks[edge], " is read and taken by value by the same task", &task);
      wanted.edges.push_back({n, taker[edge]});
      in_order = in_order && n < taker[edge];
    }
  }
  for (std::size_t i = 0; i < graph.output_count; ++i) {
    std::uint32_t const edge = graph.output_edges[i];
    if (!move_only(graph.outputs[i])) continue;
    if ((edge & constant_edge) != 0) {
      detail::refuse_taker(*graph.outputs[i],
                           " is a literal or persisted: it belongs to the graph and cannot be returned", nullptr,
                           "let a task make it, or hold it in a std::shared_ptr");
    }
    if (taker[edge] == nobody) {
      taker[edge] = edge;  // returned: a second mention is a second taker
    } else if (taker[edge] == edge) {
      detail::refuse_taker(*graph.outputs[i], " is an output twice", nullptr,
                           "name it once, or return a std::shared_ptr");
    } else {
      detail::refuse_taker(*graph.outputs[i], " is an output and is also taken by value by", graph.tasks[taker[edge]]);
    }
  }
  if (!in_order) wanted.order = reordered(graph, wanted.edges);
  return wanted;
}

}  // namespace dally
