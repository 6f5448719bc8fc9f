// Random graphs of everything that can be recorded, against plain recursion: values that move only, tasks without a
// value, pure calls that are merged, graphs that grow while they run, calls that wait for others.
//
// DALLY_TEST_GRAPHS of them, the seeds counted up from DALLY_TEST_SEED. A failure prints its seed;
// DALLY_TEST_SEED=<seed> DALLY_TEST_GRAPHS=1 runs that graph alone.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/noted_tasks.hpp"
#include "support/random_graphs.hpp"
#include "support/schedulers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::tests::first_seed;
using dally::tests::graphs_to_try;
using dally::tests::shared_array;

namespace {

using namespace dally::tests::noted;

using box = std::unique_ptr<int>;

constexpr std::size_t most_nodes = 256;

/// What tasks without a value leave behind.
shared_array<std::atomic<int>>& cells() {
  static shared_array<std::atomic<int>> all{most_nodes};
  return all;
}

std::pair<int, std::string> divide(int id, int a) { return ran().append(id), std::pair{a / 7, std::to_string(a % 7)}; }

// Values that move only: read by many, taken by one.
box make_box(int id, int a) { return ran().append(id), std::make_unique<int>(a); }
int peek(int id, box const& b, int x) { return ran().append(id), mixed(*b, x); }
int compare(int id, box const& a, box const& b) { return ran().append(id), mixed(*a, *b); }
int open_box(int id, box b) { return ran().append(id), *b; }
box refill(int id, box&& b, int x) {
  ran().append(id);
  box mine = std::move(b);
  *mine = mixed(*mine, x);
  return mine;
}
int open_all(int id, std::vector<box> boxes) {
  ran().append(id);
  int result = 1;
  for (auto const& b : boxes) result = mixed(result, *b);
  return result;
}

// Without a value: what they did is seen by those that wait for them.
void note(int id, int cell, int a) {
  ran().append(id);
  cells()[std::size_t(cell)].store(a, std::memory_order_relaxed);
}
int noted(int id, int cell) {
  ran().append(id);
  return cells()[std::size_t(cell)].load(std::memory_order_relaxed);
}

// Pure: no id, so that calls can be equal; they note what they were given.
int pure_leaf(int x) { return ran().append(-1 - x), x; }
int pure_mix(int a, int b) {
  int const result = mixed(a, b);
  return ran().append(-10 - result), result;
}
int pure_length(std::string const& s) { return ran().append(-2'000'000 - int(s.size())), static_cast<int>(s.size()); }

// Graphs that grow: a task returns the lazy of its value.
lazy<int> grow(int id, int a, int depth) {
  ran().append(id);
  if (depth == 0) return a;
  switch (a % 4) {
    case 0:
      return lazy<int>{a + 1};
    case 1:
      return delayed(mix)(id, delayed(leaf)(id, a), delayed(leaf)(id, 3));
    case 2:
      return dally::flatten(delayed(grow)(id, delayed(mix)(id, a, 7), depth - 1));
    default:
      return dally::flatten(delayed(grow)(id, mixed(a, depth), depth - 1));
  }
}
/// What the lazy that grow returns computes to, by plain recursion.
int grown(int id, int a, int depth) {
  if (depth == 0) return a;
  switch (a % 4) {
    case 0:
      return a + 1;
    case 1:
      return mix(id, leaf(id, a), leaf(id, 3));
    case 2:
      a = mix(id, a, 7);
      break;
    default:
      a = mixed(a, depth);
      break;
  }
  ran().append(id);
  return grown(id, a, depth - 1);
}

// ---- the dull twin: values by plain recursion, each once a run ------------------------------------------------------

template <typename T>
class remembered {
 public:
  explicit remembered(std::function<T()> evaluate) : evaluate_{std::move(evaluate)} {}

  T const& value(int run) {
    if (run != run_) {
      value_ = evaluate_();
      run_ = run;
    }
    return *value_;
  }
  [[nodiscard]] std::function<T()> const& evaluate() const { return evaluate_; }

 private:
  std::function<T()> evaluate_;
  std::optional<T> value_;
  int run_ = -1;
};

/// A lazy's value as the twin has it: of a box what is in it, of void nothing that matters.
template <typename T>
using plain = std::conditional_t<std::is_void_v<T> || std::is_same_v<T, box>, int, T>;

/// A recorded call and its twin.
template <typename T>
struct call {
  lazy<T> handle;
  std::shared_ptr<remembered<plain<T>>> twin;
  int node = 0;
  ints reads{};       // boxes that it reads
  bool takes{false};  // a box, by value
};

class random_graph {
 public:
  explicit random_graph(std::uint32_t seed) : random_{seed} {
    for (auto calls = 1 + below(100); calls > 0; --calls) extend();
  }
  random_graph(random_graph const&) = delete;
  random_graph& operator=(random_graph const&) = delete;

  /// Computes some random nodes and compares values, and the tasks that ran, with plain recursion.
  void check(dally::any_scheduler const& scheduler) {
    auto const n = some(numbers_);
    auto const t = some(texts_);
    auto const l = some(lists_);
    auto const v = some(voids_);
    std::vector<call<box>> b;  // an output is nobody else's, and is moved out once
    for (auto const& one : boxes_)
      if (b.size() < 3 && below(3) == 0 && takers_[index_of(one)] < 0) b.push_back(one);

    forget();
    auto const [numbers, texts, lists, voids, boxes] =
        dally::compute(scheduler, handles(n), handles(t), handles(l), handles(v), handles(b));
    auto executed = ran().values();
    ints contents;
    for (auto const& one : boxes) contents.push_back(*one);

    forget();
    CHECK(numbers == expected(n));
    CHECK(texts == expected(t));
    CHECK(lists == expected(l));
    CHECK(contents == expected(b));
    CHECK(voids.size() == expected(v).size());
    auto needed = ran().values();
    std::sort(executed.begin(), executed.end());
    std::sort(needed.begin(), needed.end());
    CHECK(executed == needed);
    ran().clear();
  }

 private:
  // ---- choosing ----

  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  template <typename T>
  call<T> input(std::vector<call<T>> const& from) {
    auto const& chosen = from[below(from.size())];
    inputs_.push_back(chosen.node);
    return chosen;
  }

  template <typename T>
  std::vector<call<T>> some(std::vector<call<T>> const& of) {
    std::vector<call<T>> chosen;
    for (auto i = below(5); i > 0 && !of.empty(); --i) chosen.push_back(of[below(of.size())]);
    return chosen;
  }

  template <typename T>
  static std::vector<lazy<T>> handles(std::vector<call<T>> const& chosen) {
    std::vector<lazy<T>> result;
    for (auto const& one : chosen) result.push_back(one.handle);
    return result;
  }

  template <typename T>
  std::vector<plain<T>> expected(std::vector<call<T>> const& chosen) {
    std::vector<plain<T>> result;
    for (auto const& one : chosen) result.push_back(value(one));
    return result;
  }

  template <typename T>
  plain<T> value(call<T> const& of) {
    return of.twin->value(run_);
  }

  /// Before a run, and before the twin's.
  void forget() {
    ++run_;
    ran().clear();
    for (std::size_t i = 0; i < cells().size(); ++i) cells()[i].store(-1, std::memory_order_relaxed);
  }

  // ---- boxes: which node reads and takes them, so that no reader depends on what must run after it ----

  std::size_t index_of(call<box> const& one) const { return static_cast<std::size_t>(box_of_.at(one.node)); }

  bool depends(int node, int on) const {
    std::vector<bool> seen(dependencies_.size());
    ints left{node};
    while (!left.empty()) {
      auto const next = left.back();
      left.pop_back();
      if (next == on) return true;
      if (seen[std::size_t(next)]) continue;
      seen[std::size_t(next)] = true;
      for (auto d : dependencies_[std::size_t(next)]) left.push_back(d);
    }
    return false;
  }

  bool may_read(ints const& boxes) const {
    for (auto b : boxes) {
      auto const taker = takers_[std::size_t(b)];
      if (taker < 0) continue;
      for (auto i : inputs_)
        if (depends(i, taker)) return false;
    }
    return true;
  }

  std::vector<call<box>> untaken() const {
    std::vector<call<box>> result;
    for (auto const& one : boxes_)
      if (takers_[index_of(one)] < 0) result.push_back(one);
    return result;
  }

  // ---- recording ----

  /// Enters a recorded call, whose inputs were chosen since the last one, and its twin.
  template <typename T>
  call<T>& add(std::vector<call<T>>& to, lazy<T> handle, std::shared_ptr<remembered<plain<T>>> twin) {
    auto const node = static_cast<int>(dependencies_.size());
    dependencies_.push_back(std::exchange(inputs_, {}));
    if constexpr (std::is_same_v<T, box>) {
      box_of_[node] = static_cast<int>(takers_.size());
      takers_.push_back(-1);
      readers_.emplace_back();
    }
    return to.emplace_back(call<T>{std::move(handle), std::move(twin), node});
  }
  template <typename T, typename Evaluate>
    requires std::is_invocable_v<Evaluate>
  call<T>& add(std::vector<call<T>>& to, lazy<T> handle, Evaluate evaluate) {
    return add(to, std::move(handle), std::make_shared<remembered<plain<T>>>(std::move(evaluate)));
  }

  /// The call reads these boxes: it comes before whoever takes them.
  template <typename T>
  void reading(call<T>& reader, ints boxes) {
    for (auto b : boxes) {
      readers_[std::size_t(b)].push_back(reader.node);
      if (auto const taker = takers_[std::size_t(b)]; taker >= 0)
        dependencies_[std::size_t(taker)].push_back(reader.node);
    }
    reader.reads = std::move(boxes);
  }

  template <typename T>
  void taking(call<T>& taker, std::vector<call<box>> const& boxes) {
    for (auto const& b : boxes) {
      takers_[index_of(b)] = taker.node;
      for (auto reader : readers_[index_of(b)]) dependencies_[std::size_t(taker.node)].push_back(reader);
    }
    taker.takes = true;
  }

  /// A pure call: of equal ones all have the same twin, which evaluates once.
  void add_pure(lazy<int> handle, std::tuple<int, void const*, void const*, int> identity,
                std::function<int()> evaluate) {
    auto& twin = pure_[identity];
    if (!twin) twin = std::make_shared<remembered<int>>(std::move(evaluate));
    pure_numbers_.push_back(add(numbers_, std::move(handle), twin));
  }

  /// Some call recorded anew, to run after another. To wait for a box is to read it.
  template <typename T, typename U>
  void add_after(std::vector<call<T>>& of, std::vector<call<U>> const& others) {
    if (of.empty() || others.empty()) return;
    auto const again = of[below(of.size())];
    auto reads = again.reads;
    inputs_ = dependencies_[std::size_t(again.node)];
    auto const first = input(others);
    if constexpr (std::is_same_v<U, box>) reads.push_back(box_of_[first.node]);
    if (again.takes || !may_read(reads)) return;
    auto& made = add(of, again.handle.after(first.handle), [this, first, evaluate = again.twin->evaluate()] {
      value(first);
      return evaluate();
    });
    reading(made, std::move(reads));
  }

  void extend() {
    inputs_.clear();
    auto const id = static_cast<int>(dependencies_.size());
    auto const plain_number = static_cast<int>(below(1000));
    if (numbers_.empty()) {
      add(numbers_, delayed(leaf)(id, plain_number), [=] { return leaf(id, plain_number); });
      return;
    }
    switch (below(33)) {
      case 0:
        add(numbers_, delayed(leaf)(id, plain_number), [=] { return leaf(id, plain_number); });
        break;
      case 1:
      case 2: {
        auto a = input(numbers_), b = input(numbers_);
        add(numbers_, delayed(mix)(id, a.handle, b.handle), [=, this] { return mix(id, value(a), value(b)); });
        break;
      }
      case 3: {
        add(numbers_, lazy<int>{plain_number}, [=] { return plain_number; });
        break;
      }
      case 4: {
        auto a = input(numbers_), b = input(numbers_);
        add(numbers_, (a.handle + b.handle) % 1'000'003, [=, this] { return (value(a) + value(b)) % 1'000'003; });
        break;
      }
      case 5: {
        auto a = input(numbers_);
        add(texts_, delayed(spell)(id, a.handle), [=, this] { return spell(id, value(a)); });
        break;
      }
      case 6: {
        if (texts_.empty()) break;
        auto a = input(texts_), b = input(texts_);
        add(texts_, delayed(concatenate)(id, a.handle, b.handle),
            [=, this] { return concatenate(id, value(a), value(b)); });
        break;
      }
      case 7: {
        if (texts_.empty()) break;
        auto a = input(texts_), b = input(texts_);
        auto which = input(numbers_);
        add(texts_,
            delayed(pick_word)(id, std::map<int, lazy<std::string>>{{1, a.handle}, {3, b.handle}}, which.handle),
            [=, this] { return pick_word(id, {{1, value(a)}, {3, value(b)}}, value(which)); });
        break;
      }
      case 8: {
        if (texts_.empty()) break;
        auto a = input(texts_);
        add(numbers_, delayed(length)(id, a.handle), [=, this] { return length(id, value(a)); });
        break;
      }
      case 9: {
        std::vector<call<int>> of;
        for (auto i = below(6); i > 0; --i) of.push_back(input(numbers_));
        add(lists_, delayed(gather)(id, handles(of)), [=, this] { return gather(id, expected(of)); });
        break;
      }
      case 10: {
        if (lists_.empty()) break;
        auto a = input(lists_);
        auto x = input(numbers_);
        add(lists_, delayed(append)(id, a.handle, x.handle), [=, this] { return append(id, value(a), value(x)); });
        break;
      }
      case 11: {
        if (lists_.empty()) break;
        auto a = input(lists_);
        add(numbers_, delayed(fold)(id, a.handle), [=, this] { return fold(id, value(a)); });
        break;
      }
      case 12: {
        std::vector<call<int>> of{input(numbers_), input(numbers_)};
        add(lists_, dally::collect(handles(of)), [=, this] { return expected(of); });
        break;
      }
      case 13: {
        auto a = input(numbers_);
        auto both =
            std::make_shared<remembered<std::pair<int, std::string>>>([=, this] { return divide(id, value(a)); });
        auto [quotient, rest] = delayed(divide)(id, a.handle);
        auto const& first = add(numbers_, quotient, [=, this] { return both->value(run_).first; });
        inputs_ = dependencies_[std::size_t(first.node)];
        add(texts_, rest, [=, this] { return both->value(run_).second; });
        break;
      }
      case 14:
      case 15:
      case 16: {
        auto a = input(numbers_);
        add(boxes_, delayed(make_box)(id, a.handle), [=, this] { return *make_box(id, value(a)); });
        break;
      }
      case 17:
      case 18: {
        if (boxes_.empty()) break;
        auto a = input(boxes_);
        auto x = input(numbers_);
        ints const read{box_of_[a.node]};
        if (!may_read(read)) break;
        reading(add(numbers_, delayed(peek)(id, a.handle, x.handle),
                    [=, this] { return peek(id, std::make_unique<int>(value(a)), value(x)); }),
                read);
        break;
      }
      case 19: {
        if (boxes_.empty()) break;
        auto a = input(boxes_), b = input(boxes_);
        ints const read{box_of_[a.node], box_of_[b.node]};
        if (!may_read(read)) break;
        reading(
            add(numbers_, delayed(compare)(id, a.handle, b.handle),
                [=, this] { return compare(id, std::make_unique<int>(value(a)), std::make_unique<int>(value(b))); }),
            read);
        break;
      }
      case 20: {
        auto const free = untaken();
        if (free.empty()) break;
        auto a = input(free);
        taking(add(numbers_, delayed(open_box)(id, a.handle),
                   [=, this] { return open_box(id, std::make_unique<int>(value(a))); }),
               {a});
        break;
      }
      case 21: {
        auto const free = untaken();
        if (free.empty()) break;
        auto a = input(free);
        auto x = input(numbers_);
        taking(add(boxes_, delayed(refill)(id, a.handle, x.handle),
                   [=, this] { return *refill(id, std::make_unique<int>(value(a)), value(x)); }),
               {a});
        break;
      }
      case 22: {
        auto free = untaken();
        if (free.empty()) break;
        free.resize(1 + below(std::min<std::size_t>(free.size(), 3)));
        for (auto const& one : free) inputs_.push_back(one.node);
        taking(add(numbers_, delayed(open_all)(id, handles(free)),
                   [=, this] {
                     std::vector<box> boxes;
                     for (int content : expected(free)) boxes.push_back(std::make_unique<int>(content));
                     return open_all(id, std::move(boxes));
                   }),
               free);
        break;
      }
      case 23:
      case 24: {
        // A task without a value, and one that sees what it did.
        auto a = input(numbers_);
        auto const writer =
            add(voids_, delayed(note)(id, id, a.handle), [=, this] { return note(id, id, value(a)), 0; });
        inputs_.push_back(writer.node);
        if (below(2) == 0) {
          add(numbers_, writer.handle.then(noted, id + 1, id), [=, this] { return value(writer), noted(id + 1, id); });
        } else {
          add(numbers_, delayed(noted)(id + 1, id).after(writer.handle),
              [=, this] { return value(writer), noted(id + 1, id); });
        }
        break;
      }
      case 25: {
        if (voids_.empty()) break;
        std::vector<call<void>> all{input(voids_), input(voids_)};
        add(voids_, dally::collect(handles(all)), [=, this] { return expected(all), 0; });
        break;
      }
      case 26: {
        // Few different arguments, so that many calls are equal.
        auto const x = plain_number % 4;
        add_pure(delayed(pure_leaf, {.name = "pure_leaf", .pure = true})(x), {0, nullptr, nullptr, x},
                 [=] { return pure_leaf(x); });
        break;
      }
      case 27:
      case 28: {
        // Of pure calls mostly, of which there are few different ones.
        auto const& from = pure_numbers_.empty() || below(4) == 0 ? numbers_ : pure_numbers_;
        auto a = input(from), b = input(from);
        add_pure(delayed(pure_mix, {.pure = true})(a.handle, b.handle), {1, a.twin.get(), b.twin.get(), 0},
                 [=, this] { return pure_mix(value(a), value(b)); });
        break;
      }
      case 29: {
        if (texts_.empty()) break;
        auto a = input(texts_);
        add_pure(delayed(pure_length, {.pure = true})(a.handle), {2, a.twin.get(), nullptr, 0},
                 [=, this] { return pure_length(value(a)); });
        break;
      }
      case 30: {
        auto a = input(numbers_);
        auto const depth = static_cast<int>(below(4));
        auto grower = std::make_shared<remembered<int>>([=, this] { return ran().append(id), value(a); });
        auto growing = delayed(grow)(id, a.handle, depth);
        add(numbers_, dally::flatten(growing), [=, this] { return grown(id, grower->value(run_), depth); });
        break;
      }
      default:
        switch (below(7)) {
          case 0:
            return add_after(numbers_, numbers_);
          case 1:
            return add_after(numbers_, voids_);
          case 2:
            return add_after(texts_, lists_);
          case 3:
            return add_after(lists_, boxes_);
          case 4:
            return add_after(boxes_, numbers_);
          case 5:
            return add_after(voids_, texts_);
          default: {
            if (texts_.empty()) break;
            auto a = input(numbers_);
            auto b = input(texts_);
            auto const waited_for = inputs_;
            auto [same_a, same_b] = dally::wait_on(a.handle, b.handle);
            add(numbers_, same_a, [=, this] { return value(b), value(a); });
            inputs_ = waited_for;
            add(texts_, same_b, [=, this] { return value(a), value(b); });
          }
        }
    }
  }

  std::mt19937 random_;
  int run_ = 0;
  ints inputs_;                     // of the call that is being recorded
  std::vector<ints> dependencies_;  // of each node, and the readers that it must come after
  std::map<int, int> box_of_;       // the box that a node makes
  ints takers_;                     // of each box, or -1
  std::vector<ints> readers_;       // of each box
  std::map<std::tuple<int, void const*, void const*, int>, std::shared_ptr<remembered<int>>> pure_;
  std::vector<call<int>> numbers_, pure_numbers_;
  std::vector<call<std::string>> texts_;
  std::vector<call<ints>> lists_;
  std::vector<call<box>> boxes_;
  std::vector<call<void>> voids_;
};

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("random graphs of mixed types give what plain recursion gives, and run nothing else") {
  auto const graphs = graphs_to_try(300);
  for (std::uint32_t i = 0; i < graphs; ++i) {
    auto const seed = first_seed() + i;
    CAPTURE(seed);
    random_graph graph{seed};
    graph.check(scheduler);
    graph.check(scheduler);
  }
}
