// Random graphs against plain recursion: DALLY_TEST_GRAPHS of them, the seeds counted up from DALLY_TEST_SEED. A
// failure prints its seed; DALLY_TEST_SEED=<seed> DALLY_TEST_GRAPHS=1 runs that graph alone.

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/noted_tasks.hpp"
#include "support/random_graphs.hpp"
#include "support/schedulers.hpp"

using dally::delayed;
using dally::lazy;
using dally::tests::first_seed;
using dally::tests::graphs_to_try;

namespace {

using namespace dally::tests::noted;

int narrow(int id, std::int64_t a) { return ran().append(id), mixed(a, 1); }
std::int64_t widen(int id, int a) { return ran().append(id), std::int64_t{a} << 20; }
std::int64_t combine(int id, std::int64_t a, std::int64_t b) {
  return ran().append(id), (a ^ (b >> 3)) & 0xffff'ffff'ffff;
}
ints both(int id, ints a, ints b) {
  ran().append(id);
  a.insert(a.end(), b.begin(), b.end());
  a.resize(std::min<std::size_t>(a.size(), 24));
  return a;
}

// ---- a graph as data ------------------------------------------------------------------------------------------------

enum class operation {
  leaf,
  mix,
  narrow,
  length,
  fold,
  widen,
  combine,
  spell,
  concatenate,
  pick,
  append,
  both,
  gather
};
/// One call: what it does, to the results of which nodes.
struct call {
  operation what;
  std::vector<int> inputs;
  int plain;
};

/// The dull twin: values by plain recursion, each node once.
class recursion {
 public:
  using value = std::variant<int, std::int64_t, std::string, ints>;

  explicit recursion(std::vector<call> const& calls) : calls_{calls}, values_(calls.size()) {}

  template <typename T>
  T const& at(int id) {
    auto& known = values_[std::size_t(id)];
    if (!known) known = evaluate(id, calls_[std::size_t(id)]);
    return std::get<T>(*known);
  }

  /// The nodes that were asked for, and all they needed.
  [[nodiscard]] std::vector<int> needed() const {
    std::vector<int> ids;
    for (std::size_t i = 0; i < values_.size(); ++i)
      if (values_[i]) ids.push_back(static_cast<int>(i));
    return ids;
  }

 private:
  value evaluate(int id, call const& c) {
    auto number = [&](std::size_t i) { return at<int>(c.inputs[i]); };
    auto wide = [&](std::size_t i) { return at<std::int64_t>(c.inputs[i]); };
    auto text = [&](std::size_t i) { return at<std::string>(c.inputs[i]); };
    auto list = [&](std::size_t i) { return at<ints>(c.inputs[i]); };
    switch (c.what) {
      case operation::leaf:
        return leaf(id, c.plain);
      case operation::mix:
        return mix(id, number(0), number(1));
      case operation::narrow:
        return narrow(id, wide(0));
      case operation::length:
        return length(id, text(0));
      case operation::fold:
        return fold(id, list(0));
      case operation::widen:
        return widen(id, number(0));
      case operation::combine:
        return combine(id, wide(0), wide(1));
      case operation::spell:
        return spell(id, number(0));
      case operation::concatenate:
        return concatenate(id, text(0), text(1));
      case operation::pick:
        return pick_word(id, {{1, text(0)}, {3, text(1)}}, number(2));
      case operation::append:
        return append(id, list(0), number(1));
      case operation::both:
        return both(id, list(0), list(1));
      case operation::gather: {
        ints all;
        for (auto input : c.inputs) all.push_back(at<int>(input));
        return gather(id, all);
      }
    }
    return 0;
  }

  std::vector<call> const& calls_;
  std::vector<std::optional<value>> values_;
};

/// The same calls, recorded; safe to extend from several threads.
class recording {
 public:
  /// Records one more random call on results that are there.
  template <typename Random>
  void extend(Random& random) {
    auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    call next{};
    handle result;
    std::unique_lock hold{lock_};
    auto const id = static_cast<int>(calls_.size());
    next.plain = static_cast<int>(below(1000));
    next.what = choose(below(13));
    // Copies of the handles, so that recording itself runs outside the lock.
    std::vector<lazy<int>> numbers;
    std::vector<lazy<std::int64_t>> wides;
    std::vector<lazy<std::string>> texts;
    std::vector<lazy<ints>> lists;
    auto input = [&](auto const& from, auto& to) {
      auto const& [source, result_of_source] = from[below(from.size())];
      next.inputs.push_back(source);
      to.push_back(result_of_source);
    };
    switch (next.what) {
      case operation::leaf:
        break;
      case operation::mix:
        input(numbers_, numbers), input(numbers_, numbers);
        break;
      case operation::narrow:
        input(wides_, wides);
        break;
      case operation::length:
        input(texts_, texts);
        break;
      case operation::fold:
        input(lists_, lists);
        break;
      case operation::widen:
        input(numbers_, numbers);
        break;
      case operation::combine:
        input(wides_, wides), input(wides_, wides);
        break;
      case operation::spell:
        input(numbers_, numbers);
        break;
      case operation::concatenate:
        input(texts_, texts), input(texts_, texts);
        break;
      case operation::pick:
        input(texts_, texts), input(texts_, texts), input(numbers_, numbers);
        break;
      case operation::append:
        input(lists_, lists), input(numbers_, numbers);
        break;
      case operation::both:
        input(lists_, lists), input(lists_, lists);
        break;
      case operation::gather:
        for (std::size_t i = below(6); i > 0 && !numbers_.empty(); --i) input(numbers_, numbers);
        break;
    }
    // The place is taken now; other threads use it once the handle is there.
    calls_.push_back(next);
    hold.unlock();

    switch (next.what) {
      case operation::leaf:
        result = delayed(leaf)(id, next.plain);
        break;
      case operation::mix:
        result = delayed(mix)(id, numbers[0], numbers[1]);
        break;
      case operation::narrow:
        result = delayed(narrow)(id, wides[0]);
        break;
      case operation::length:
        result = delayed(length)(id, texts[0]);
        break;
      case operation::fold:
        result = delayed(fold)(id, lists[0]);
        break;
      case operation::widen:
        result = delayed(widen)(id, numbers[0]);
        break;
      case operation::combine:
        result = delayed(combine)(id, wides[0], wides[1]);
        break;
      case operation::spell:
        result = delayed(spell)(id, numbers[0]);
        break;
      case operation::concatenate:
        result = delayed(concatenate)(id, texts[0], texts[1]);
        break;
      case operation::pick:
        result = delayed(pick_word)(id, std::map<int, lazy<std::string>>{{1, texts[0]}, {3, texts[1]}}, numbers[0]);
        break;
      case operation::append:
        result = delayed(append)(id, lists[0], numbers[0]);
        break;
      case operation::both:
        result = delayed(both)(id, lists[0], lists[1]);
        break;
      case operation::gather:
        result = delayed(gather)(id, numbers);
        break;
    }

    hold.lock();
    if (auto* n = std::get_if<lazy<int>>(&result)) numbers_.emplace_back(id, *n);
    if (auto* w = std::get_if<lazy<std::int64_t>>(&result)) wides_.emplace_back(id, *w);
    if (auto* t = std::get_if<lazy<std::string>>(&result)) texts_.emplace_back(id, *t);
    if (auto* l = std::get_if<lazy<ints>>(&result)) lists_.emplace_back(id, *l);
  }

  /// Computes some random nodes and compares values, and the tasks that ran, with plain recursion.
  template <typename Random>
  void check(Random& random, dally::any_scheduler const& scheduler) const {
    auto const n = some(numbers_, random);
    auto const w = some(wides_, random);
    auto const t = some(texts_, random);
    auto const l = some(lists_, random);
    ran().clear();
    auto const [numbers, wides, texts, lists] =
        dally::compute(scheduler, handles(n), handles(w), handles(t), handles(l));
    auto executed = ran().values();
    std::sort(executed.begin(), executed.end());

    recursion twin{calls_};
    ran().clear();
    CHECK(numbers == expected<int>(n, twin));
    CHECK(wides == expected<std::int64_t>(w, twin));
    CHECK(texts == expected<std::string>(t, twin));
    CHECK(lists == expected<ints>(l, twin));
    CHECK(executed == twin.needed());
    ran().clear();
  }

 private:
  using handle = std::variant<lazy<int>, lazy<std::int64_t>, lazy<std::string>, lazy<ints>>;
  template <typename T>
  using handles_of = std::vector<std::pair<int, lazy<T>>>;

  /// An operation whose inputs are there; the first nodes lay the ground for the others.
  operation choose(std::size_t wanted) const {
    if (numbers_.empty()) return operation::leaf;
    auto const what = static_cast<operation>(wanted);
    switch (what) {
      case operation::narrow:
      case operation::combine:
        return wides_.empty() ? operation::widen : what;
      case operation::length:
      case operation::concatenate:
      case operation::pick:
        return texts_.empty() ? operation::spell : what;
      case operation::fold:
      case operation::append:
      case operation::both:
        return lists_.empty() ? operation::gather : what;
      default:
        return what;
    }
  }

  template <typename T, typename Random>
  static handles_of<T> some(handles_of<T> const& of, Random& random) {
    handles_of<T> chosen;
    for (auto i = random() % 3; i > 0 && !of.empty(); --i) chosen.push_back(of[random() % of.size()]);
    return chosen;
  }

  template <typename T>
  static std::vector<lazy<T>> handles(handles_of<T> const& chosen) {
    std::vector<lazy<T>> result;
    for (auto const& one : chosen) result.push_back(one.second);
    return result;
  }

  template <typename T>
  static std::vector<T> expected(handles_of<T> const& chosen, recursion& twin) {
    std::vector<T> result;
    for (auto const& one : chosen) result.push_back(twin.at<T>(one.first));
    return result;
  }

  std::mutex lock_;
  std::vector<call> calls_;
  handles_of<int> numbers_;
  handles_of<std::int64_t> wides_;
  handles_of<std::string> texts_;
  handles_of<ints> lists_;
};

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("random graphs give what plain recursion gives, and run nothing else") {
  auto const graphs = graphs_to_try(300);
  for (std::uint32_t i = 0; i < graphs; ++i) {
    auto const seed = first_seed() + i;
    CAPTURE(seed);
    std::mt19937 random{seed};
    recording graph;
    for (auto nodes = 1 + random() % 120; nodes > 0; --nodes) graph.extend(random);
    graph.check(random, scheduler);
    graph.check(random, scheduler);
  }
}

DALLY_TEST_ON_EVERY_SCHEDULER("graphs that four threads recorded on shared handles give what plain recursion gives") {
  auto const graphs = graphs_to_try(300) / 10 + 1;
  for (std::uint32_t i = 0; i < graphs; ++i) {
    auto const seed = first_seed() + i;
    CAPTURE(seed);
    std::mt19937 random{seed};
    recording graph;
    for (int nodes = 0; nodes < 10; ++nodes) graph.extend(random);
    std::vector<std::thread> threads;
    for (std::uint32_t t = 0; t < 4; ++t) {
      threads.emplace_back([&graph, seed, t] {
        std::mt19937 own{seed * 4 + t};
        for (int nodes = 0; nodes < 100; ++nodes) graph.extend(own);
      });
    }
    for (auto& thread : threads) thread.join();
    graph.check(random, scheduler);
    graph.check(random, scheduler);
  }
}
