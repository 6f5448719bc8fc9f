// What every scheduler promises: which tasks run, how often, on what, and what comes back.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch2.hpp"
#include "support/counted.hpp"
#include "support/schedulers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::tests::contains;
using dally::tests::counted;
using dally::tests::shared_counter;
using dally::tests::shared_log;

namespace {

int same(int x) { return x; }
int add(int x, int y) { return x + y; }
int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }
std::string text(char const* x) { return x; }

lazy<int> number(int x) { return delayed(same)(x); }

counted make_counted(int x) { return counted{x}; }
int value_of(counted const& x) { return x.value(); }

using ints = std::vector<int>;

/// What several threads did at once, without an assertion in any of them.
template <typename Work>
void on_threads(int how_many, Work const& work) {
  std::vector<std::thread> callers;
  for (int i = 0; i < how_many; ++i) callers.emplace_back([&work, i] { work(i); });
  for (auto& caller : callers) caller.join();
}

}  // namespace

// ---- what runs, and how often ---------------------------------------------------------------------------------------

DALLY_TEST_ON_EVERY_SCHEDULER("only what the outputs need runs, and exactly once") {
  shared_log ran;
  auto f = delayed([&ran](int id, ints const& inputs) {
    ran.append(id);
    return sum(inputs) + 1;
  });
  auto none = std::vector<lazy<int>>{};
  auto a = f(0, none), b = f(1, none);
  auto c = f(2, std::vector{a, b}), unused = f(3, std::vector{a, b});
  auto d = f(4, std::vector{a, c}), e = f(5, std::vector{c, d, a});
  auto beyond = f(6, std::vector{e, unused});
  CHECK(e.compute(scheduler) == 10);
  auto order = ran.values();
  auto position = [&](int id) { return std::find(order.begin(), order.end(), id); };
  CHECK(position(0) < position(2));
  CHECK(position(1) < position(2));
  CHECK(position(2) < position(4));
  CHECK(position(4) < position(5));
  std::sort(order.begin(), order.end());
  CHECK(order == ints{0, 1, 2, 4, 5});
}

DALLY_TEST_ON_EVERY_SCHEDULER("a diamond of 2^40 paths runs each of its nodes once") {
  shared_counter calls;
  auto twofold = delayed([&calls](std::int64_t x, std::int64_t y) {
    calls.add();
    return x + y;
  });
  lazy<std::int64_t> x{1};
  for (int i = 0; i < 40; ++i) x = twofold(x, x);
  CHECK(x.compute(scheduler) == std::int64_t{1} << 40);
  CHECK(calls.value() == 40);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a node with a thousand consumers runs once") {
  shared_counter calls;
  auto source = delayed([&calls] {
    calls.add();
    return 1;
  })();
  std::vector<lazy<int>> consumers;
  for (int i = 0; i < 1000; ++i) consumers.push_back(delayed(add)(source, i));
  CHECK(delayed(sum)(consumers).compute(scheduler) == 1000 + 999 * 500);
  CHECK(calls.value() == 1);
}

DALLY_TEST_ON_EVERY_SCHEDULER("shared nodes run once in one compute, and again in the next") {
  shared_counter calls;
  auto shared = delayed([&calls] {
    calls.add();
    return 10;
  })();
  auto x = shared + 1, y = shared + 2;
  CHECK(dally::compute(scheduler, x, y, shared) == std::tuple{11, 12, 10});
  CHECK(calls.value() == 1);
  CHECK(x.compute(scheduler) == 11);
  CHECK(y.compute(scheduler) == 12);
  CHECK(calls.value() == 3);
}

DALLY_TEST_ON_EVERY_SCHEDULER("calls that nobody computes never run") {
  shared_counter calls;
  {
    auto forgotten = delayed([&calls] { calls.add(); })();
    auto more = forgotten.then([&calls] { calls.add(); });
  }
  CHECK(number(1).compute(scheduler) == 1);
  CHECK(calls.value() == 0);
}

DALLY_TEST_ON_EVERY_SCHEDULER("an empty handle is refused before anything runs") {
  shared_counter calls;
  auto counting = delayed([&calls](int x) {
    calls.add();
    return x;
  });
  auto x = counting(1), y = counting(2);
  lazy<int> empty;
  CHECK_THROWS_AS(dally::compute(scheduler, x, empty, y), dally::graph_error);
  CHECK_THROWS_AS(dally::compute(scheduler, std::vector{x, y, empty}), dally::graph_error);
  CHECK_THROWS_AS(dally::persist(scheduler, x, empty), dally::graph_error);
  CHECK_THROWS_AS(empty.compute(scheduler), dally::graph_error);
  CHECK_THROWS_AS(counting(empty), dally::graph_error);
  auto moved_on = std::move(y);
  CHECK_THROWS_AS((x + y).compute(scheduler), dally::graph_error);  // NOLINT: y has been moved from
  CHECK(calls.value() == 0);
  CHECK((x + moved_on).compute(scheduler) == 3);
}

// A call can take only what was recorded before it, and what is recorded does not change.
static_assert(!std::is_copy_assignable_v<dally::node> && !std::is_copy_constructible_v<dally::node>);

DALLY_TEST_ON_EVERY_SCHEDULER("no call can take its own result: binding a handle anew records over the old node") {
  auto x = number(1);
  auto const first = x;
  for (int i = 0; i < 10; ++i) {
    x = delayed(add)(x, x);
    x = delayed(sum)(std::vector{x, x});
    x += x;
  }
  CHECK(x.compute(scheduler) == 1 << 30);
  CHECK(first.compute(scheduler) == 1);
  CHECK(dally::prepare(x).planned().size() == 31);
  lazy<int> itself;
  CHECK_THROWS_AS(itself = delayed(add)(itself, 1), dally::graph_error);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a copy of a handle is another name for its task, and costs none") {
  shared_counter calls;
  auto x = delayed([&calls] {
    calls.add();
    return 5;
  })();
  auto alias = x;
  lazy<int> const of_alias{alias};
  CHECK(dally::prepare(x, alias, of_alias, std::vector{x, alias}).planned().size() == 1);
  CHECK(dally::compute(scheduler, x, alias, of_alias, alias + of_alias) == std::tuple{5, 5, 5, 10});
  CHECK(calls.value() == 1);
}

// ---- what comes back ------------------------------------------------------------------------------------------------

DALLY_TEST_ON_EVERY_SCHEDULER("compute returns values in the order of its arguments, and plain ones unchanged") {
  auto result = dally::compute(scheduler, number(3), 4, std::string{"five"}, number(6));
  static_assert(std::is_same_v<decltype(result), std::tuple<int, int, std::string, int>>);
  CHECK(result == std::tuple{3, 4, std::string{"five"}, 6});
  CHECK(dally::compute(scheduler, number(7)) == 7);
  CHECK(dally::compute({.scheduler = scheduler}, number(8), number(9)) == std::tuple{8, 9});
  CHECK(number(1).compute({.scheduler = scheduler}) == 1);
  static_assert(std::is_same_v<decltype(dally::compute()), std::tuple<>>);
  auto x = number(5);
  CHECK(dally::compute(scheduler, x, x) == std::tuple{5, 5});
}

DALLY_TEST_ON_EVERY_SCHEDULER("containers of lazies come back as containers of values") {
  std::vector<lazy<int>> several{number(1), number(2)};
  std::map<std::string, std::pair<lazy<int>, double>> table{{"a", {number(3), 0.5}}};
  auto [v, m, one, words] = dally::compute(scheduler, several, table, several[0], std::vector<std::string>{"plain"});
  CHECK(v == ints{1, 2});
  CHECK(m == std::map<std::string, std::pair<int, double>>{{"a", {3, 0.5}}});
  CHECK(one == 1);
  CHECK(words == std::vector<std::string>{"plain"});
  CHECK(dally::compute(scheduler, several) == ints{1, 2});
  CHECK(dally::compute(scheduler, std::vector<lazy<int>>{}).empty());
}

DALLY_TEST_ON_EVERY_SCHEDULER("collect and tree_reduce give what loops give") {
  std::vector<lazy<int>> several;
  for (int i = 0; i < 100; ++i) several.push_back(number(i));
  lazy<ints> collected = dally::collect(several);
  CHECK(collected.compute(scheduler).size() == 100);
  lazy<std::tuple<int, std::string>> both = dally::collect(std::tuple{number(1), delayed(text)("b")});
  CHECK(both.compute(scheduler) == std::tuple{1, std::string{"b"}});
  auto concatenate = [](std::string a, std::string const& b) { return a + b; };
  std::vector<lazy<std::string>> letters;
  for (char c = 'a'; c <= 'z'; ++c) letters.push_back(delayed([](char x) { return std::string(1, x); })(c));
  CHECK(dally::tree_reduce(letters, concatenate).compute(scheduler) == "abcdefghijklmnopqrstuvwxyz");
}

DALLY_TEST_ON_EVERY_SCHEDULER("tasks without a value run, order others, and are std::monostate in a tuple") {
  shared_log ran;
  auto note = delayed([&ran](int id) { ran.append(id); });
  static_assert(std::is_same_v<decltype(note(1)), lazy<void>>);
  note(1).compute(scheduler);
  auto [n, nothing] = dally::compute(scheduler, number(5), note(2));
  static_assert(std::is_same_v<decltype(nothing), std::monostate>);
  CHECK(n == 5);
  auto after = note(3).then([&ran] {
    ran.append(4);
    return 6;
  });
  CHECK(after.compute(scheduler) == 6);
  lazy<void> all = dally::collect(std::vector{note(5), note(6)});
  all.then([&ran] { ran.append(7); }).compute(scheduler);
  auto order = ran.values();
  REQUIRE(order.size() == 7);
  CHECK(order.back() == 7);
  std::sort(order.begin(), order.end());
  CHECK(order == ints{1, 2, 3, 4, 5, 6, 7});
}

DALLY_TEST_ON_EVERY_SCHEDULER("a graph with no task returns its data") {
  CHECK(dally::compute(scheduler, lazy{1}, lazy{std::string{"two"}}) == std::tuple{1, std::string{"two"}});
  CHECK(dally::compute(scheduler, std::vector{lazy{3}, lazy{4}}) == ints{3, 4});
}

DALLY_TEST_ON_EVERY_SCHEDULER("what is persisted is not computed again") {
  shared_counter calls;
  auto costly = delayed([&calls](int x) {
    calls.add();
    return x;
  });
  auto x = costly(1);
  lazy<int> kept = x.persist(scheduler);
  CHECK(calls.value() == 1);
  CHECK((kept + kept).compute(scheduler) == 2);
  CHECK(kept.compute(scheduler) == 1);
  CHECK(calls.value() == 1);
  CHECK(x.compute(scheduler) == 1);
  CHECK(calls.value() == 2);
  auto [a, b] = dally::persist(scheduler, costly(3), costly(4));
  CHECK(calls.value() == 4);
  CHECK((a * b).compute(scheduler) == 12);
  CHECK(calls.value() == 4);
}

// ---- prepared graphs, and many callers ------------------------------------------------------------------------------

DALLY_TEST_ON_EVERY_SCHEDULER("a prepared graph runs anew each time, and outlives the handles it was made from") {
  shared_counter calls;
  auto prepared = [&] {
    auto x = delayed([&calls](int v) {
      calls.add();
      return std::to_string(v);
    })(5);
    return dally::prepare(x, x + x);
  }();
  for (int i = 1; i <= 10; ++i) {
    CHECK(prepared(scheduler) == std::tuple{std::string{"5"}, std::string{"55"}});
    CHECK(calls.value() == i);
  }
  auto one = dally::prepare(number(3) + 4);
  CHECK(one({.scheduler = scheduler}) == 7);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a prepared graph runs from several threads at once") {
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 50; ++i) parts.push_back(number(i) * 2);
  auto prepared = dally::prepare(delayed(sum)(parts));
  std::atomic<int> right{0};
  on_threads(4, [&](int) {
    for (int i = 0; i < 20; ++i) right += prepared(scheduler) == 2450;
  });
  CHECK(right == 80);
}

DALLY_TEST_ON_EVERY_SCHEDULER("several threads prepare the same graph at once, and each runs it") {
  std::vector<lazy<std::string>> words;
  for (int i = 0; i < 200; ++i) words.push_back(delayed([](int x) { return std::to_string(x % 10); })(number(i)));
  auto join = [](std::string a, std::string const& b) { return a + b; };
  auto const joined = dally::tree_reduce(words, join);
  auto const size = delayed([](std::string const& s) { return s.size(); })(joined);
  std::atomic<int> right{0};
  on_threads(6, [&](int) {
    for (int i = 0; i < 5; ++i) {
      auto const prepared = dally::prepare(joined, size, words[7]);
      auto const [text_of_all, length, seventh] = prepared(scheduler);
      right += text_of_all.substr(0, 12) == "012345678901" && length == 200 && seventh == "7";
    }
  });
  CHECK(right == 30);
}

DALLY_TEST_ON_EVERY_SCHEDULER("twenty threads compute the same graph at once, each its own run") {
  shared_counter calls;
  auto leaf = delayed([&calls](int x) {
    calls.add();
    return x;
  });
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 30; ++i) parts.push_back(leaf(i));
  auto total = delayed(sum)(parts);
  std::atomic<int> right{0};
  on_threads(20, [&](int) { right += total.compute(scheduler) == 435; });
  CHECK(right == 20);
  CHECK(calls.value() == 600);
}

namespace {
int descend(int depth, dally::any_scheduler const* scheduler) {
  if (depth == 0) return 0;
  auto below = delayed(descend)(depth - 1, scheduler);
  return (below + 1).compute(*scheduler);
}
}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("compute inside of tasks works to a depth of 100") {
  CHECK(descend(100, &scheduler) == 100);
  std::vector<lazy<int>> several;
  for (int i = 0; i < 8; ++i) several.push_back(delayed(descend)(10, &scheduler));
  CHECK(delayed(sum)(several).compute(scheduler) == 80);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a task that holds a lock may compute, however many siblings want the lock") {
  std::mutex lock;
  auto guarded = delayed([&](int x) {
    std::lock_guard hold{lock};
    std::vector<lazy<int>> parts;
    for (int i = 0; i < 20; ++i) parts.push_back(delayed(add)(x, i));
    return delayed(sum)(parts).compute(scheduler);
  });
  std::vector<lazy<int>> several;
  for (int i = 0; i < 40; ++i) several.push_back(guarded(i));
  CHECK(delayed(sum)(several).compute(scheduler) == 20 * (39 * 20) + 40 * 190);
}

// ---- results: moved, copied, destroyed ------------------------------------------------------------------------------

DALLY_TEST_ON_EVERY_SCHEDULER("a chain of by-value tasks moves its value along") {
  counted::reset();
  auto plus_one = delayed([](counted x) { return counted{x.value() + 1}; });
  auto pass = delayed([](counted x) { return x; });
  auto x = delayed(make_counted)(0);
  for (int i = 0; i < 50; ++i) x = pass(plus_one(x));
  CHECK(x.compute(scheduler).value() == 50);
  CHECK(counted::copies() == 0);
  CHECK(counted::live() == 0);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a by-value task after readers gets the value itself, and readers never see it changed") {
  counted::reset();
  auto source = delayed(make_counted)(5);
  auto first = delayed(value_of)(source), second = delayed(value_of)(source);
  auto take = [](counted x, int a, int b) { return x.value() * 100 + a * 10 + b; };
  CHECK(delayed(take)(source, first, second).compute(scheduler) == 555);
  CHECK(counted::copies() == 0);

  auto empty = [](std::vector<int> v) {
    auto const size = static_cast<int>(v.size());
    v.clear();
    return size;
  };
  auto list = delayed([] { return ints(100, 1); })();
  std::vector<lazy<int>> consumers;
  for (int i = 0; i < 20; ++i) consumers.push_back(i % 2 == 0 ? delayed(empty)(list) : delayed(sum)(list));
  CHECK(dally::compute(scheduler, consumers) == ints(20, 100));
  CHECK(delayed([](ints a, ints b) { return a.size() + b.size(); })(list, list).compute(scheduler) == 200);
}

DALLY_TEST_ON_EVERY_SCHEDULER("an output survives by-value tasks, and results enter later graphs without a copy") {
  auto x = delayed(make_counted)(3);
  auto used = delayed([](counted c) { return c.value(); })(x);
  auto [value, number_of] = dally::compute(scheduler, x, used);
  CHECK(value.value() == 3);
  CHECK(number_of == 3);
  counted::reset();
  auto kept = x.persist(scheduler);
  CHECK(delayed(value_of)(kept).compute(scheduler) == 3);
  CHECK(delayed(value_of)(lazy{std::move(value)}).compute(scheduler) == 3);
  CHECK(counted::copies() == 0);
  CHECK(used.compute(scheduler) == 3);
}

DALLY_TEST_ON_EVERY_SCHEDULER(
    "a persisted value is shared by later graphs, also of several threads, and never copied") {
  auto kept = delayed(make_counted)(3).persist(scheduler);
  counted::reset();
  CHECK(counted::live() == 1);
  auto plus = delayed([](counted const& x, int i) { return x.value() + i; });
  std::atomic<int> right{0};
  on_threads(4, [&](int t) {
    for (int i = 0; i < 10; ++i) {
      right += dally::compute(scheduler, plus(kept, t) + plus(kept, i), plus(kept, 0)) == std::tuple{6 + t + i, 3};
    }
  });
  CHECK(right == 40);
  auto again = kept.persist(scheduler);
  CHECK(dally::same_node(again, kept));
  CHECK(dally::prepare(plus(again, 1))(scheduler) == 4);
  CHECK(counted::copies() == 0);
  CHECK(counted::live() == 1);
  // Whoever wants a value of its own gets a copy, so that the kept one stays whole.
  CHECK(delayed([](counted x) { return x.value(); })(kept).compute(scheduler) == 3);
  CHECK(counted::copies() == 1);
  CHECK(delayed(value_of)(kept).compute(scheduler) == 3);
}

DALLY_TEST_ON_EVERY_SCHEDULER("move-only results have any number of readers and one taker, which runs last") {
  shared_log ran;
  auto box = delayed([](int x) { return std::make_unique<int>(x); })(9);
  CHECK(*box.compute(scheduler) == 9);
  auto take = delayed([&ran](std::unique_ptr<int> p) {
    ran.append(-1);
    return *p;
  });
  auto read = delayed([&ran](std::unique_ptr<int> const& p, int id) {
    ran.append(id);
    return *p + id;
  });
  auto taken = take(box);  // recorded first, runs last
  std::vector<lazy<int>> values{taken};
  for (int i = 0; i < 10; ++i) values.push_back(read(box, i));
  CHECK(dally::compute(scheduler, values) == ints{9, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18});
  REQUIRE(ran.values().size() == 11);
  CHECK(ran.values().back() == -1);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a move-only result that is wanted twice is refused before anything runs") {
  shared_counter calls;
  auto box = delayed(
      [&calls] {
        calls.add();
        return std::make_unique<int>(1);
      },
      {.name = "boxed"})();
  auto take = delayed([](std::unique_ptr<int> p) { return *p; }, {.name = "taker"});
  auto read = delayed([](std::unique_ptr<int> const& p, int) { return *p; });
  auto both = delayed([](std::unique_ptr<int> const& p, std::unique_ptr<int> q) { return *p + *q; });
  CHECK_THROWS_AS((take(box) + take(box)).compute(scheduler), dally::graph_error);
  CHECK_THROWS_WITH((take(box) + take(box)).compute(scheduler), contains("taker") && contains("boxed"));
  CHECK_THROWS_AS(dally::compute(scheduler, box, take(box)), dally::graph_error);
  CHECK_THROWS_AS(read(box, take(box)).compute(scheduler), dally::graph_error);
  CHECK_THROWS_AS(both(box, box).compute(scheduler), dally::graph_error);
  CHECK_THROWS_AS(take(lazy{std::make_unique<int>(2)}).compute(scheduler), dally::graph_error);
  CHECK(calls.value() == 0);
  CHECK_THROWS_AS(take(box.persist(scheduler)).compute(scheduler), dally::graph_error);
  CHECK(calls.value() == 1);
}

DALLY_TEST_ON_EVERY_SCHEDULER(
    "a container of move-only values moves only, too: one taker, which runs last, and no second") {
  using boxes = std::vector<std::unique_ptr<int>>;
  shared_counter calls;
  auto made = delayed(
      [&calls] {
        calls.add();
        boxes all;
        all.push_back(std::make_unique<int>(7));
        return all;
      },
      {.name = "boxed"})();
  auto take = delayed([](boxes b) { return *b.at(0); }, {.name = "taker"});
  auto read = delayed([](boxes const& b) { return *b.at(0); });
  CHECK_THROWS_AS((take(made) + take(made)).compute(scheduler), dally::graph_error);
  CHECK_THROWS_WITH((take(made) + take(made)).compute(scheduler), contains("taker") && contains("boxed"));
  CHECK_THROWS_AS(dally::compute(scheduler, made, take(made)), dally::graph_error);
  CHECK(calls.value() == 0);
  auto taken = take(made);  // recorded first, runs last
  std::vector<lazy<int>> values{taken};
  for (int i = 0; i < 10; ++i) values.push_back(read(made));
  CHECK(dally::compute(scheduler, values) == ints(11, 7));
  CHECK_THROWS_AS(take(made.persist(scheduler)).compute(scheduler), dally::graph_error);
}

DALLY_TEST_ON_EVERY_SCHEDULER("a result is destroyed as soon as its last consumer has finished") {
  std::atomic<int> most{0};
  auto plus_one = delayed([&most](counted const& x) {
    counted next{x.value() + 1};
    auto const live = counted::live();
    for (auto seen = most.load(); seen < live && !most.compare_exchange_weak(seen, live);) {
    }
    return next;
  });
  auto x = delayed(make_counted)(0);
  for (int i = 0; i < 500; ++i) x = plus_one(x);
  CHECK(delayed(value_of)(x).compute(scheduler) == 500);
  // The task's input and its result, and what the task before may be about to give back.
  CHECK(most <= 3);
  CHECK(counted::live() == 0);
}

DALLY_TEST_ON_EVERY_SCHEDULER("after compute only the outputs are left") {
  std::vector<lazy<counted>> parts;
  for (int i = 0; i < 100; ++i) parts.push_back(delayed(make_counted)(i));
  auto count = [](std::vector<counted> const& all) { return all.size(); };
  CHECK(delayed(count)(parts).compute(scheduler) == 100);
  CHECK(counted::live() == 0);
  {
    auto [two, size] = dally::compute(scheduler, parts[2], delayed(count)(parts));
    CHECK(two.value() == 2);
    CHECK(counted::live() == 1);
  }
  {
    auto kept = parts[3].persist(scheduler);
    CHECK(counted::live() == 1);
  }
  CHECK(counted::live() == 0);
}

// ---- observers ------------------------------------------------------------------------------------------------------

namespace {

class recorder : public dally::observer {
 public:
  void run_started(dally::run const& started) noexcept override {
    std::lock_guard hold{lock_};
    sizes_.push_back(static_cast<std::size_t>(started.size()));
  }
  void task_started(dally::run const&, dally::node_id node, unsigned worker) noexcept override {
    std::lock_guard hold{lock_};
    ++started_[node];
    workers_.insert(worker);
  }
  void task_finished(dally::run const& in, dally::task_record const& record) noexcept override {
    std::lock_guard hold{lock_};
    ++finished_[record.node];
    names_.emplace_back(in.name(record.node));
    orderly_ = orderly_ && started_.contains(record.node) && record.start <= record.end;
  }
  void run_finished(dally::run const&, dally::outcome) noexcept override {
    std::lock_guard hold{lock_};
    ++runs_finished_;
  }

  std::mutex lock_;
  std::vector<std::size_t> sizes_;
  std::map<dally::node_id, int> started_, finished_;
  std::vector<std::string> names_;
  std::set<unsigned> workers_;
  bool orderly_ = true;
  int runs_finished_ = 0;
};

}  // namespace

DALLY_TEST_ON_EVERY_SCHEDULER("an observer sees every task once, started before it ended") {
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 40; ++i) parts.push_back(delayed(same, {.name = "leaf"})(i));
  auto total = delayed(sum, {.name = "total"})(parts);
  recorder seen, second;
  CHECK(total.compute({.scheduler = scheduler, .observers = {&seen, &second}}) == 780);
  CHECK(seen.sizes_.size() == 1);
  CHECK(seen.runs_finished_ == 1);
  CHECK(seen.orderly_);
  CHECK(seen.started_.size() == 41);
  CHECK(seen.started_ == seen.finished_);
  CHECK(seen.finished_ == second.finished_);
  CHECK(std::all_of(seen.finished_.begin(), seen.finished_.end(), [](auto const& n) { return n.second == 1; }));
  CHECK(std::count(seen.names_.begin(), seen.names_.end(), "leaf") == 40);
  CHECK(std::count(seen.names_.begin(), seen.names_.end(), "total") == 1);
}

DALLY_TEST_ON_EVERY_SCHEDULER("an observer is not told of the runs that tasks start, nor of the next run") {
  auto inner = delayed([&scheduler] { return (number(1) + number(2)).compute(scheduler); });
  recorder seen;
  CHECK((inner() + inner()).compute({.scheduler = scheduler, .observers = {&seen}}) == 6);
  CHECK(inner().compute(scheduler) == 3);
  CHECK(seen.sizes_.size() == 1);
  CHECK(seen.finished_.size() == 3);
}

namespace {

/// What the caller wants its tasks to see, on whatever thread they run.
thread_local std::string const* context = nullptr;

/// Hands a context to each task, on the thread that runs it.
class context_giver : public dally::observer {
 public:
  explicit context_giver(std::string given) : given_{std::move(given)} {}
  void task_started(dally::run const&, dally::node_id, unsigned) noexcept override { context = &given_; }

 private:
  std::string given_;
};

/// What the task was given, which the next one on this thread will not find.
std::string take_context(int) {
  auto const* const given = std::exchange(context, nullptr);
  return given != nullptr ? *given : "none";
}

}  // namespace

DALLY_TEST_ON_EVERY_LOCAL_SCHEDULER(
    "task_started is told on the thread of the task, just before it: tasks see a caller's context") {
  std::vector<lazy<std::string>> tasks;
  for (int i = 0; i < 100; ++i) tasks.push_back(delayed(take_context)(number(i)));
  CHECK(dally::compute(scheduler, tasks) == std::vector<std::string>(100, "none"));
  // The threads are there now; what one run gives them is not what the next one gives.
  for (auto const* const given : {"first", "second"}) {
    context_giver giver{given};
    CHECK(dally::compute({.scheduler = scheduler, .observers = {&giver}}, tasks) ==
          std::vector<std::string>(100, given));
  }
  context = nullptr;
}

// ---- order ----------------------------------------------------------------------------------------------------------

TEST_CASE("synchronous runs small graphs on the caller, in the order of recording", "[schedulers][synchronous]") {
  std::vector<int> order;
  std::vector<std::thread::id> where;
  auto note = delayed([&](int id, int) {
    order.push_back(id);
    where.push_back(std::this_thread::get_id());
    return id;
  });
  std::vector<lazy<int>> leaves, others;
  for (int i = 0; i < 50; ++i) leaves.push_back(note(i, 0));
  for (int i = 50; i < 100; ++i) others.push_back(note(i, leaves[static_cast<std::size_t>(99 - i)]));
  ints expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  for (int run = 0; run < 2; ++run) {
    order.clear();
    CHECK(delayed(sum)(others).compute(dally::synchronous{}) == 75 * 50 - 25);
    CHECK(order == expected);
  }
  CHECK(std::all_of(where.begin(), where.end(), [](auto id) { return id == std::this_thread::get_id(); }));
}

TEST_CASE("synchronous runs every graph in exactly the plan's order, each time", "[schedulers][synchronous]") {
  struct order_of_tasks : dally::observer {
    void task_started(dally::run const& in, dally::node_id n, unsigned) noexcept override {
      ids.push_back(n);
      keys.push_back(in.key(n));
    }
    std::vector<dally::node_id> ids;
    std::vector<dally::key> keys;
  };
  auto join = [](std::string const& a, std::string const& b) { return a + b; };
  std::vector<lazy<std::string>> words;
  for (int i = 0; i < 40; ++i) words.push_back(delayed([](int x) { return std::to_string(x); })(number(i)));
  for (std::size_t i = 0; i < 160; ++i) words.push_back(delayed(join)(words[i * 7 % 40], words[i]));
  auto const prepared = dally::prepare(dally::tree_reduce(words, join));
  order_of_tasks seen, again;
  prepared({.scheduler = dally::synchronous{}, .observers = {&seen}});
  prepared({.scheduler = dally::synchronous{}, .observers = {&again}});
  std::vector<dally::node_id> expected(prepared.planned().size());
  std::iota(expected.begin(), expected.end(), 0U);
  CHECK(seen.ids == expected);
  CHECK(seen.keys == again.keys);
  // The plan's order is not that of recording here: results that own memory are used up early.
  bool recorded_order = true;
  for (std::size_t n = 0; n + 1 < expected.size(); ++n) {
    auto const number_of = [&](std::size_t i) {
      return prepared.planned().task(static_cast<dally::node_id>(i)).number();
    };
    recorded_order = recorded_order && number_of(n) < number_of(n + 1);
  }
  CHECK(!recorded_order);
}

TEST_CASE("shuffled runs in the order that its seed says", "[schedulers][shuffled]") {
  auto order_of = [](unsigned seed) {
    std::vector<int> order;
    auto note = delayed([&](int id) {
      order.push_back(id);
      return id;
    });
    std::vector<lazy<int>> leaves;
    for (int i = 0; i < 50; ++i) leaves.push_back(note(i));
    dally::compute(dally::shuffled{seed}, delayed(sum)(leaves));
    return order;
  };
  CHECK(order_of(1) == order_of(1));
  CHECK(order_of(1) != order_of(2));
}
