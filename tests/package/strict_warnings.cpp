// A user's program that sets strict warnings as errors and includes dally as any of its own headers: nothing that it
// asks the templates for may warn. It is compiled; what it computes is checked in passing.

#include <dally/dally.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using dally::delayed;
using dally::lazy;

int failures = 0;

template <class T>
void check(T const& found, T const& expected, int line) {
  if (found == expected) return;
  ++failures;
  std::printf("line %d: not what was expected\n", line);
}

int increment(int x) { return x + 1; }
int add(int x, int y) { return x + y; }
short narrow(short a, unsigned char b) { return static_cast<short>(a - b); }
std::pair<int, char> split(int x) { return {x / 2, static_cast<char>('a' + x % 2)}; }
std::unique_ptr<int> make(int x) { return std::make_unique<int>(x); }
int take(std::unique_ptr<int> p) { return *p; }
int look(std::unique_ptr<int> const& p) { return *p; }
int sum(std::vector<int> const& values) { return std::accumulate(values.begin(), values.end(), 0); }
int sum_all(std::map<std::string, std::vector<int>> const& groups) {
  int total = 0;
  for (auto const& [name, values] : groups) total += sum(values) + static_cast<int>(name.size());
  return total;
}
void nothing() {}
lazy<int> countdown(int n) {
  if (n == 0) return 7;
  return dally::flatten(delayed(countdown)(n - 1));
}

struct account {
  std::string owner = "Ada";
  int balance = 40;
  int plus(int more) const { return balance + more; }
};

struct pieces {
  std::vector<lazy<int>> all;
};
struct plain_pieces {
  std::vector<int> all;
};

// What is written for an archive of the user's own; nothing here crosses a process border.
struct settings {
  std::string name = "main";
  int level = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar.field("name", name);
    ar.field("level", level);
  }
};
settings load(int level) { return {"main", level}; }

float half(float x) { return x / 2; }
int channel(std::uint8_t red, std::int16_t green) { return red + green; }
std::string repeat(std::size_t n, char c) { return std::string(n, c); }
bool is_null(int const* p) { return p == nullptr; }
struct meters {
  meters(float v) : value{v} {}  // NOLINT: implicit
  float value;
};
float doubled(meters m) { return 2 * m.value; }
struct scale {
  float by = 2;
  float apply(float x, std::uint8_t times) const { return by * x * times; }
};
struct counter {
  int n = 0;
  int next() { return ++n; }
  int add(std::uint8_t more) { return n += more; }
};
struct stats {
  double mean, variance;
};

class counting final : public dally::observer {
 public:
  void task_finished(dally::run const& of, dally::task_record const& record) noexcept override {
    if (record.outcome == dally::outcome::done && record.node < of.size()) ++done;
  }
  unsigned done = 0;
};

struct depth_first {
  void run(dally::execution& job) const {
    auto const first = job.ready();
    std::vector<dally::node_id> ready(first.begin(), first.end());
    while (!ready.empty()) {
      auto const n = ready.back();
      ready.pop_back();
      job.step(n, [&](dally::node_id next) { ready.push_back(next); });
    }
  }
};

void recording() {
  auto const x = delayed(increment)(1);
  auto const named = delayed(increment, {.name = "next", .pure = true});
  auto const y = named(2) + named(2);
  check(delayed(add)(x, y).compute(), 8, __LINE__);
  check(delayed(dally::fn<add>)(x, 5).compute(), 7, __LINE__);
  check(delayed([](auto const& v) { return v * 2; })(x).compute(), 4, __LINE__);
  check(delayed([n = 1](int v) mutable { return n += v; })(x).compute(), 3, __LINE__);
  check(delayed(narrow)(short{3}, static_cast<unsigned char>(1)).compute(), short{2}, __LINE__);
  check(delayed(delayed([](int a) { return [a](int b) { return a - b; }; })(9))(4).compute(), 5, __LINE__);
  auto const owner = delayed([] { return account{}; })();
  check((owner->*&account::owner).compute(), std::string{"Ada"}, __LINE__);
  check(owner.call(&account::plus, 2).compute(), 42, __LINE__);
  auto const [half, letter] = delayed(split)(x + 5);
  check(half.compute(), 3, __LINE__);
  check(letter.compute(), 'b', __LINE__);
  check((delayed(make)(5).then(look)).compute(), 5, __LINE__);
  check((delayed(make)(5).then(take)).compute(), 5, __LINE__);
  int outside = 1;
  delayed([](int& v) { ++v; })(std::ref(outside)).compute();
  check(outside, 2, __LINE__);
  check(countdown(3).compute(), 7, __LINE__);
  auto const last = delayed(nothing)().then([] { return 1; });
  check(last.after(x).compute(), 1, __LINE__);
  auto const [first, second] = dally::wait_on(x, y);
  check((first + second).compute(), 8, __LINE__);
}

// What a call made plainly does not warn of, with a literal that fits.
void literals() {
  check(delayed(half)(0.5).compute(), 0.25F, __LINE__);
  check(delayed(dally::fn<half>)(0.5).compute(), 0.25F, __LINE__);
  check(delayed(std::function<float(float)>{half})(0.5).compute(), 0.25F, __LINE__);
  check(delayed([](float const& x) { return x; })(0.5).compute(), 0.5F, __LINE__);
  check(delayed(delayed([] { return &half; })())(1).compute(), 0.5F, __LINE__);
  check(delayed(channel)(200, -3).compute(), 197, __LINE__);
  check(delayed(repeat)(3, 'x').compute(), std::string{"xxx"}, __LINE__);
  check(delayed(is_null)(nullptr).compute(), true, __LINE__);
  check(delayed(doubled)(0.5).compute(), 1.0F, __LINE__);
  auto const two = delayed([] { return scale{}; })();
  check(two.call(&scale::apply, 0.5, 3).compute(), 3.0F, __LINE__);
  auto const size = delayed([] { return std::string("hello"); })().call(&std::string::size);
  check((size > 3).compute() && (3 < size).compute() && (size == 5).compute() && (size != 4).compute(), true, __LINE__);
  check((size + 1).compute() * (size - 1).compute(), std::size_t{24}, __LINE__);
  check((size % 3 | 4).compute(), std::size_t{6}, __LINE__);
  lazy<float> level = 0.5F;
  check((level * 2).compute() + (level * 2.0F).compute(), 2.0F, __LINE__);
  check((level < 1).compute() && (level < 0.75).compute(), true, __LINE__);
  level *= 2;
  level += 0.25;
  check(level.compute(), 1.25F, __LINE__);
  lazy<std::uint8_t> small = std::uint8_t{3};
  small += 4;
  check(small.compute(), std::uint8_t{7}, __LINE__);
  check(delayed([] { return counter{}; })().call(&counter::next).compute(), 1, __LINE__);
  check(delayed([] { return counter{}; })().call(&counter::add, 5).compute(), 5, __LINE__);
  int const workers = 2;
  check(delayed(load)(3).compute(dally::threads{workers}).level, 3, __LINE__);
  check(delayed([](settings const& s) { return s.level; })(settings{"", 4}).compute(), 4, __LINE__);
  auto const [mean, variance] = delayed([] { return stats{1, 2}; })();
  check((mean + variance).compute(), 3.0, __LINE__);
}

void operators() {
  lazy x = 12;
  lazy<double> const real = 2.5;
  check((-x + 3 * x - x / 5 % 4).compute(), 22, __LINE__);
  check(((x & 6) | (x ^ 1) | ~x).compute(), -1, __LINE__);
  check((x << 2 >> 1).compute(), 24, __LINE__);
  check((x > 3 && !(x == 4) && x <= 12 && (x != 12 || x >= 0) && x < 99).compute(), true, __LINE__);
  check((real * 2 + x).compute(), 17.0, __LINE__);
  x += 3;
  x -= 1;
  x *= 2;
  x /= 4;
  x %= 4;
  x |= 8;
  x &= 14;
  x ^= 1;
  x <<= 2;
  x >>= 1;
  check(x.compute(), 22, __LINE__);
  auto const table = delayed([] { return std::vector<long>{1, 2, 3}; })();
  check(table[lazy<std::size_t>{1}].compute(), 2L, __LINE__);
  check(table[2].compute(), 3L, __LINE__);
}

void containers() {
  std::vector<lazy<int>> const output = dally::map(increment, std::vector{1, 2, 3});
  check(delayed(sum)(output).compute(), 9, __LINE__);
  check(std::accumulate(output.begin(), output.end(), lazy{0}).compute(), 9, __LINE__);
  check(dally::tree_reduce(output, std::plus{}).compute(), 9, __LINE__);
  check(dally::tree_reduce(output, add, 1).compute(), 10, __LINE__);
  check(dally::collect(output).then(sum).compute(), 9, __LINE__);
  std::map<std::string, std::vector<lazy<int>>> const groups{{"a", output}, {"bc", {output[0], 1}}};
  check(delayed(sum_all)(groups).compute(), 15, __LINE__);
  std::unordered_map<int, lazy<int>> const hashed{{1, output[1]}};
  check(dally::compute(hashed).at(1), 3, __LINE__);
  check(dally::compute(std::deque{output[0]}).front(), 2, __LINE__);
  check(dally::compute(std::list{output[0]}).front(), 2, __LINE__);
  check(dally::compute(std::array{output[0], output[1]})[1], 3, __LINE__);
  check(dally::compute(std::optional{output[2]}).value(), 4, __LINE__);
  check(std::get<1>(dally::compute(std::tuple{output[0], std::pair{1, output[2]}})).second, 4, __LINE__);
}

void running() {
  auto const x = delayed(increment)(1);
  auto const y = x * 2;
  counting count;
  std::stop_source source;
  check(y.compute(dally::threads{2}), 4, __LINE__);
  check(y.compute(dally::synchronous{}), 4, __LINE__);
  check(y.compute(dally::shuffled{3}), 4, __LINE__);
  check(y.compute(depth_first{}), 4, __LINE__);
  check(y.compute({.scheduler = dally::threads{2}, .observers = {&count}, .stop = source.get_token()}), 4, __LINE__);
  check(count.done, 2U, __LINE__);
  check(dally::compute(dally::threads{2}, x, y, 'c'), std::tuple{2, 4, 'c'}, __LINE__);
  check(dally::compute({.scheduler = dally::synchronous{}}, x, std::vector{y}), std::tuple{2, std::vector{4}},
        __LINE__);
  check(y.persist().compute(), 4, __LINE__);
  auto const [kept, also] = dally::persist(x, y);
  check((kept + also).compute(), 6, __LINE__);
  auto const again = dally::prepare(x, y);
  check(again(), again(dally::threads{2}), __LINE__);
  dally::thread_pool pool{2};
  dally::scoped_scheduler const guard{dally::threads{pool}};
  dally::stop_on_interrupt const interrupt;
  try {
    delayed([](int v) -> int { throw v; })(5).compute();
  } catch (int thrown) {
    check(thrown, 5, __LINE__);
  }
  check(dally::last_failure().has_value(), true, __LINE__);
  source.request_stop();
  try {
    check(y.compute({.stop = source.get_token()}), 0, __LINE__);
  } catch (dally::cancelled const&) {
  }
  check(x.key() == y.key() || dally::same_node(x, y) || x.name() == y.name(), false, __LINE__);
  check(dally::to_dot(x, y).empty(), false, __LINE__);
  check(dally::to_dot({.max_nodes = 1, .color = dally::coloring::kind}, x, y).empty(), false, __LINE__);
  check(fmt::format("{}", x.key()).starts_with("increment-"), true, __LINE__);
}

}  // namespace

template <>
struct dally::traversal<pieces> {
  using plain = plain_pieces;
  static plain rebuild(pieces const& p, auto&& value_of) { return {value_of(p.all)}; }
  static void each(pieces const& p, auto&& visit) { visit(p.all); }
};

int main() {
  recording();
  literals();
  operators();
  containers();
  running();
  pieces const own{dally::map(increment, std::vector{1, 2})};
  check(delayed([](plain_pieces const& p) { return sum(p.all); })(own).compute(), 5, __LINE__);
  return failures;
}
