#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dally/core/function.hpp"
#include "dally/graph/plan.hpp"
#include "dally/visualize/picture.hpp"

namespace dally::detail {

/// Numbers different values in the order in which they first come, and counts each.
class counted_values {
 public:
  /// Of up to `most` values.
  [[gnu::cold]] DALLY_FUNCTION counted_values(scratch_pool& pool, std::size_t most)
      : mask_{std::bit_ceil(most * 2 + 1) - 1},
        values_{pool.take<std::uint64_t>(most)},
        times_{pool.take<std::uint32_t>(most)},
        table_{pool.take<std::uint32_t>(mask_ + 1)} {}
  [[gnu::cold]] DALLY_FUNCTION void clear() {
    std::memset(table_, 0, (mask_ + 1) * sizeof *table_);
    size_ = 0;
  }
  /// Counts a value; its number.
  [[gnu::cold]] DALLY_FUNCTION std::uint32_t count(std::uint64_t value) {
    for (std::size_t i = (value * 0x9e3779b97f4a7c15U) >> 32;; ++i) {
      std::uint32_t& entry = table_[i & mask_];
      if (entry == 0) {
        values_[size_] = value;
        times_[size_] = 0;
        entry = ++size_;
      }
      std::uint32_t const number = entry - 1;
      if (values_[number] != value) continue;
      ++times_[number];
      return number;
    }
  }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t operator[](std::uint32_t number) const noexcept { return values_[number]; }
  [[nodiscard]] std::uint32_t times(std::uint32_t number) const noexcept { return times_[number]; }

 private:
  std::size_t mask_;
  std::uint64_t* values_;
  std::uint32_t* times_;
  std::uint32_t* table_;  // open addressing: number + 1
  std::uint32_t size_ = 0;
};

/// The tasks of a plan in groups, and the arrows between the groups: a picture that can be taken in.
///
/// Groups  the tasks of one kind and depth, which shows each level of a reduction and never goes in circles. Where that
///         makes too much: twelve stretches, or six, of the depths of a kind whose tasks grow more or fewer on the way
///         (a wave over a grid), else, and for steady kinds (a chain, a loop), all of the kind
/// Kinds   labels; where there are too many, labels that differ in digits alone are one kind if there are at least four
///         of them, else however few, else all tasks are. What stands alone in its group keeps its digits
/// Order   groups by their first task, arrows by their first use, so that the same graph gives the same text
/// Cost    linear
class collapsed_graph {
 public:
  [[gnu::cold]] DALLY_FUNCTION_WITHIN explicit collapsed_graph(plan const& graph, visualize_options const& options)
      : graph_{graph},
        options_{options},
        size_{graph.size()},
        tasks_{pool_.take<place>(size_)},
        kinds_{pool_, size_},
        groups_{pool_, size_},
        arrows_{pool_, count_arrows(graph)} {
    find_kinds();
    stretches_ = pool_.take<stretch>(kinds_.size());
    for (node_id n = 0; n < size_; ++n) {
      std::uint32_t depth = 0;
      for (std::uint32_t const edge : graph.edges(n)) {
        if ((edge & constant_edge) == 0 && tasks_[edge].depth >= depth) depth = tasks_[edge].depth + 1;
      }
      tasks_[n].depth = depth;
      // Complements, because smaller ones are larger and the memory is zero.
      stretch& its = stretches_[tasks_[n].kind];
      if (~depth > its.not_first) its.not_first = ~depth;
      if (depth > its.last) its.last = depth;
    }
    divide(~0U);
    if (fits(groups_.size() * 3 / 2)) return;
    divide(12);
    for (std::uint32_t g = 0; g < groups_.size(); ++g) {
      stretch& its = stretches_[groups_[g] >> 32];
      std::uint32_t const times = groups_.times(g);
      if (~times > its.not_least) its.not_least = ~times;
      if (times > its.most) its.most = times;
    }
    for (std::uint32_t k = 0; k < kinds_.size(); ++k) {
      stretches_[k].steady = stretches_[k].most < std::uint64_t{2} * ~stretches_[k].not_least;
    }
    for (std::uint32_t const bands : {12U, 6U, 1U}) {
      divide(bands);
      if (fits(32)) break;
    }
  }

  [[gnu::cold]] DALLY_FUNCTION_WITHIN void describe(picture_sink& to) {
    std::uint32_t const groups = groups_.size();
    auto* const all = pool_.take<group>(groups);
    auto* const outputs = pool_.take<std::uint32_t>(size_);
    counted_values levels{pool_, size_};
    std::uint32_t const values = count_outputs(graph_, outputs);
    for (node_id n = size_; n-- > 0;) {
      group& its = all[tasks_[n].group];
      its.first = n;
      its.results += outputs[n];
      levels.count(std::uint64_t{tasks_[n].group} << 32 | tasks_[n].depth);
      for (std::uint32_t const edge : graph_.edges(n)) its.literals += edge >> 31;
    }
    for (std::uint32_t l = 0; l < levels.size(); ++l) {
      group& its = all[levels[l] >> 32];
      ++its.levels;
      if (levels.times(l) > its.widest) its.widest = levels.times(l);
    }
    std::uint32_t largest = 0, extent = groups + arrows_.size() + (values != 0 ? 1U : 0U);
    for (std::uint32_t g = 0; g < groups; ++g) {
      extent += (all[g].literals != 0 ? 2U : 0U) + (all[g].results != 0 ? 2U : 0U);
      if (groups_.times(g) > largest) largest = groups_.times(g);
    }

    growing_text text, look;
    box_color color;
    text.print(
        "%n tasks, more than max_nodes = %n: those of %s%s are drawn as one.\nNumbers at arrows count results.\n",
        size_, static_cast<unsigned>(options_.max_nodes),
        likeness_ == likeness::names    ? "one name"
        : likeness_ == likeness::digits ? "one name but for digits"
                                        : "all names",
        groups == kinds_.size() ? ""
        : bands_ == ~0U         ? " and depth"
                                : " and similar depth");
    begin_picture(to, options_, extent, text);

    for (std::uint32_t g = 0; g < groups; ++g) {
      group const& its = all[g];
      std::uint32_t const count = groups_.times(g);
      text.clear();
      look.clear();
      look.print("shape=ellipse");
      if (count > 1) {
        // As wide as it has tasks: the root of their number, for numbers reach far.
        unsigned root = 0;
        while ((root + 1) * (root + 1) * std::uint64_t{largest} <= std::uint64_t{count} * 900) ++root;
        look.print(", peripheries=2, width=%u.%u", 1 + root / 10, root % 10);
        text.print("%n \xc3\x97 ", count);
      }
      set_to_kind(graph_.task(its.first), count == 1 ? kind_name::own : tasks_[its.first].name);
      char const* const fill = color.of(label_.view(), options_);
      shorten(label_, longest_label);
      text.put(label_.view());
      if (its.levels > 1) {
        text.print(its.widest == 1 ? ", one after another" : ", %n levels, up to %n at once", its.levels, its.widest);
      }
      to.box({'k', g}, look.c_str(), text.view(), fill, text.view());
      data(to, text, {'v', g}, its.literals, true);
      data(to, text, {'d', g}, its.results, true);
    }
    for (std::uint32_t a = 0; a < arrows_.size(); ++a) {
      to.arrow({'k', static_cast<std::uint32_t>(arrows_[a] >> 32)}, {'k', static_cast<std::uint32_t>(arrows_[a])},
               arrows_.times(a));
    }
    data(to, text, {'v', groups}, values, false);
  }

 private:
  enum class likeness : unsigned char { names, digits, everything };
  enum class kind_name : unsigned char { own, without_digits, different };
  struct place {
    std::uint32_t kind, depth, group;
    kind_name name;
  };
  struct stretch {
    std::uint32_t not_first, last;  // depths
    std::uint32_t not_least, most;  // tasks in a twelfth of them
    bool steady;                    // about as many all the way
  };
  struct group {
    node_id first;
    std::uint32_t results, literals, levels, widest;
  };

  // Makes the kinds of all tasks.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN void find_kinds() {
    std::size_t const most = options_.max_nodes < 64 ? 64 : options_.max_nodes;
    counted_values names{pool_, size_};
    for (node_id n = 0; n < size_; ++n) tasks_[n].kind = names.count(set_to_kind(graph_.task(n), kind_name::own));
    if (names.size() <= most) {
      for (node_id n = 0; n < size_; ++n) kinds_.count(names[tasks_[n].kind]);
      return;
    }
    // What is left of each name without digits.
    auto* const left = pool_.take<std::uint32_t>(names.size());
    counted_values without_digits{pool_, names.size()};
    for (std::uint32_t seen = 0, n = 0; seen < names.size(); ++n) {
      if (tasks_[n].kind != seen) continue;  // they are numbered as they come
      left[seen++] = without_digits.count(set_to_kind(graph_.task(n), kind_name::without_digits));
    }
    for (std::uint32_t const fewest : {4U, 2U}) {
      auto const merged = [&](std::uint32_t name) { return without_digits.times(left[name]) >= fewest; };
      auto const hash = [&](std::uint32_t name) { return merged(name) ? without_digits[left[name]] : names[name]; };
      kinds_.clear();
      for (std::uint32_t name = 0; name < names.size(); ++name) kinds_.count(hash(name));
      if (kinds_.size() > most) continue;
      likeness_ = likeness::digits;
      kinds_.clear();
      for (node_id n = 0; n < size_; ++n) {
        place& its = tasks_[n];
        its.name = merged(its.kind) ? kind_name::without_digits : kind_name::own;
        its.kind = kinds_.count(hash(its.kind));
      }
      return;
    }
    likeness_ = likeness::everything;
    kinds_.clear();
    for (node_id n = 0; n < size_; ++n) {
      tasks_[n].name = kind_name::different;
      tasks_[n].kind = kinds_.count(0);
    }
  }

  // Leaves the name of the kind in label_; its hash.
  [[gnu::cold]] DALLY_FUNCTION std::uint64_t set_to_kind(node const& task, kind_name name) {
    std::uint64_t bits = 14695981039346656037U;  // FNV-1a
    if (name == kind_name::different) {
      label_.clear();
      label_.print("different");
      return bits;
    }
    set_to_label(label_, task);
    std::size_t size = 0;
    char before = '\0';
    for (char c : label_.view()) {
      if (name == kind_name::without_digits && c >= '0' && c <= '9') {
        c = '#';
        if (before == c) continue;
      }
      before = c;
      bits = (bits ^ static_cast<unsigned char>(c)) * 1099511628211U;
      label_.data()[size++] = c;
    }
    label_.shorten(size);
    return bits;
  }
  [[gnu::cold]] DALLY_FUNCTION_WITHIN bool fits(std::uint32_t most_arrows) const {
    return groups_.size() <= 64 && groups_.size() <= options_.max_nodes && arrows_.size() <= most_arrows;
  }
  // Divides each kind that is not steady into so many stretches, or fewer.
  [[gnu::cold]] DALLY_FUNCTION void divide(std::uint32_t bands) {
    bands_ = bands;
    groups_.clear();
    arrows_.clear();
    for (node_id n = 0; n < size_; ++n) {
      place& its = tasks_[n];
      stretch const& s = stretches_[its.kind];
      std::uint64_t const length = s.last - ~s.not_first + std::uint64_t{1};
      std::uint64_t band = s.steady ? 0 : its.depth - ~s.not_first;
      if (bands < length) band = band * bands / length;
      its.group = groups_.count(std::uint64_t{its.kind} << 32 | band);
      for (std::uint32_t const edge : graph_.edges(n)) {
        if ((edge & constant_edge) == 0) arrows_.count(std::uint64_t{tasks_[edge].group} << 32 | its.group);
      }
    }
  }

  // A box that counts literals or outputs, and its arrow from or to its group.
  [[gnu::cold]] DALLY_FUNCTION static void data(picture_sink& to, growing_text& text, box_name name,
                                                std::uint32_t count, bool grouped) {
    if (count == 0) return;
    bool const result = name.letter() == 'd';
    box_name const group{'k', name.number()};
    text.clear();
    text.print(count == 1 ? "%s" : "%ss: %n", result ? "result" : "value", count);
    to.box(name, result ? "shape=box, penwidth=2" : "shape=box", text.view(), nullptr, text.view());
    if (grouped) to.arrow(result ? group : name, result ? name : group, count);
  }

  scratch_pool pool_;
  growing_text label_;
  plan const& graph_;
  visualize_options const& options_;
  std::uint32_t size_;
  place* tasks_;
  counted_values kinds_;
  counted_values groups_;  // kind << 32 | stretch
  counted_values arrows_;  // group << 32 | group
  stretch* stretches_ = nullptr;
  likeness likeness_ = likeness::names;
  std::uint32_t bands_ = 0;
};

/// The picture that these options ask for.
[[gnu::cold]] DALLY_FUNCTION void describe(picture_sink& to, plan const& graph, visualize_options const& options) {
  if (option_rules const* const rules = heeded_rules.load(std::memory_order_relaxed)) rules->check(options);
  if (graph.size() <= options.max_nodes) {
    describe_tasks(to, graph, options);
  } else {
    collapsed_graph{graph, options}.describe(to);
  }
}

}  // namespace dally::detail
