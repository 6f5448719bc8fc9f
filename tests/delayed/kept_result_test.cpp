// What is kept of what a task returns, and which results may refer to what the task was given.

#include <dally/dally.hpp>

#include <array>
#include <bitset>
#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <valarray>
#include <variant>
#include <vector>

#include "dally/core/borrowing.hpp"
#include "support/catch2.hpp"

using dally::compute;
using dally::delayed;
using dally::lazy;
using dally::synchronous;

namespace {

template <class T, class U>
inline constexpr bool is = std::is_same_v<T, U>;
template <class T>
inline constexpr bool borrows = dally::detail::borrows<T>();

using ints = std::vector<int>;
using reals = std::valarray<double>;

ints numbers(int n) { return ints(1000, n); }
reals samples(double x) { return reals(x, 1000); }
std::string line(int i) { return "a line of text that is too long for a small buffer, " + std::to_string(i); }

// ---- expressions, as libraries write them ---------------------------------------------------------------------------

/// Without any mark, bound to its operands by members that all can see.
struct ints_sum {
  ints const& a;
  ints const& b;
  operator ints() const {
    ints sum = a;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += b[i];
    return sum;
  }
};
/// By private members.
class ints_twice {
 public:
  explicit ints_twice(ints const& of) : of_{of} {}
  operator ints() const { return ints_sum{of_, of_}; }

 private:
  ints const& of_;
};
/// By pointers.
struct ints_again {
  ints const* of;
  operator ints() const { return *of; }
};

/// With eval(), whose result evaluates to itself.
struct image {
  ints pixels;
  image const& eval() const { return *this; }
};
class image_copy {
 public:
  explicit image_copy(image const& of) : of_{of} {}
  image eval() const { return of_; }
  operator image() const { return of_; }

 private:
  image const& of_;
};
image_copy operator+(image const& a, int) { return image_copy{a}; }

/// With an eval() that means something else.
struct formula {
  double x = 0;
  double eval() const { return x; }
};

/// Of which only its author knows.
class length_of {
 public:
  explicit length_of(ints const& of) : of_{&of} {}
  std::size_t size() const { return of_->size(); }

 private:
  ints const* of_;
};

// ---- types that borrow, and such as do not --------------------------------------------------------------------------

struct titled {
  std::shared_ptr<std::string> text;
  std::string_view title;
};
struct titles {
  std::vector<titles> below;
  std::string_view title;
};
struct tree {
  std::vector<tree> below;
  std::string title;
};
struct owned_constants {
  std::string const text;
  int const n;
};
struct named_reference {
  std::string const& text;
  std::string name;
};
class year {
 public:
  constexpr explicit year(long of) : of_{of} {}
  constexpr long count() const { return of_; }

 private:
  long const of_;
};
struct squares : std::ranges::view_interface<squares> {
  int n = 3;
  int const* begin() const { return &n; }
  int const* end() const { return &n + 1; }
};
struct rows : std::ranges::view_interface<rows> {
  int const* first = nullptr;
  int const* begin() const { return first; }
  int const* end() const { return first; }
};

namespace views = std::views;
using std::declval;
inline constexpr auto next = [](int x) { return x + 1; };

static_assert(borrows<std::string_view> && borrows<std::span<int>> && borrows<std::reference_wrapper<int>>);
static_assert(borrows<std::initializer_list<int>>);
static_assert(borrows<ints::iterator> && borrows<std::map<int, int>::const_iterator>);
static_assert(borrows<std::reverse_iterator<ints::iterator>> && borrows<std::back_insert_iterator<ints>>);
static_assert(borrows<decltype(declval<ints&>() | views::transform(next))>);
static_assert(borrows<decltype(declval<ints&>() | views::take(2) | views::reverse)>);
static_assert(borrows<decltype(declval<std::map<int, int>&>() | views::keys)>);
static_assert(borrows<decltype(declval<std::string&>() | views::split(' '))>);
static_assert(borrows<std::ranges::subrange<ints::iterator>> && borrows<rows>);
static_assert(borrows<decltype(views::single(std::string_view{}))>);
static_assert(borrows<dally::refs<int>>);
static_assert(borrows<std::vector<std::string_view>> && borrows<std::map<int, std::string_view>>);
static_assert(borrows<std::optional<std::span<int>>> && borrows<std::variant<int, std::string_view>>);
static_assert(borrows<std::pair<std::string_view, int>> && borrows<std::tuple<int, std::tuple<int&>>>);
static_assert(borrows<titled> && borrows<titles> && borrows<named_reference> && borrows<ints_sum>);
static_assert(borrows<ints_twice> && borrows<std::vector<image_copy>>);

static_assert(!borrows<int> && !borrows<char const*> && !borrows<int*>);
static_assert(!borrows<std::string> && !borrows<ints> && !borrows<std::vector<bool>> && !borrows<reals>);
static_assert(!borrows<std::array<int const, 3>> && !borrows<std::array<char, 3>>);
static_assert(!borrows<std::ranges::owning_view<ints>>);
static_assert(!borrows<decltype(declval<ints>() | views::transform(next))>);
static_assert(!borrows<decltype(declval<std::map<int, int>>() | views::keys)>);
static_assert(!borrows<decltype(views::iota(1, 5) | views::transform(next) | views::filter(next))>);
static_assert(!borrows<decltype(views::iota(1))> && !borrows<decltype(views::single(3))> && !borrows<squares>);
static_assert(!borrows<decltype(views::empty<int>)>);
static_assert(!borrows<std::unique_ptr<int>> && !borrows<std::shared_ptr<std::string>>);
static_assert(!borrows<std::function<int()>> && !borrows<decltype(next)>);
static_assert(!borrows<lazy<std::string_view>> && !borrows<std::vector<lazy<int>>>);
static_assert(!borrows<tree> && !borrows<owned_constants> && !borrows<year> && !borrows<formula>);
static_assert(!borrows<std::chrono::nanoseconds> && !borrows<dally::key>);

// The options that say `.borrows` are all of a task's.
static_assert(dally::detail::field_count<dally::task_options>() == 6,
              "a new field of task_options belongs into borrowing_task_options too, and into its others()");

}  // namespace

template <>
struct dally::owned_result<length_of> {
  using type = std::size_t;
  static std::size_t own(length_of const& r) { return r.size(); }
};

TEST_CASE("what an operator returns is kept as what the expression evaluates to", "[kept_result]") {
  auto a = delayed(samples)(1.5);
  auto sum = a * 2.0 + a;
  static_assert(is<decltype(sum), lazy<reals>>);
  CHECK(sum.compute(synchronous{})[999] == 4.5);
  static_assert(is<decltype(a > 1.0), lazy<std::valarray<bool>>>);
  static_assert(is<decltype(-a), lazy<reals>>);

  auto picture = delayed([](ints p) { return image{std::move(p)}; })(delayed(numbers)(3));
  auto copy = picture + 1;
  static_assert(is<decltype(copy), lazy<image>>);
  CHECK(copy.compute(synchronous{}).pixels == numbers(3));
}

TEST_CASE("so is what a function of the user's returns, whatever its inputs are held in", "[kept_result]") {
  struct model {
    reals a;
  };
  auto scaled = delayed([](double x) { return model{samples(x)}; })(2.0).then([](model const& m) { return m.a * 3.0; });
  static_assert(is<decltype(scaled), lazy<reals>>);
  CHECK(scaled.compute(synchronous{})[999] == 6.0);

  auto every_other = delayed(samples)(2.0).then([](reals&& all) { return all[std::slice(0, 500, 2)]; });
  static_assert(is<decltype(every_other), lazy<reals>>);
  CHECK(every_other.compute(synchronous{}).sum() == 1000.0);

  auto pair = delayed(samples)(2.0).then([](reals const& x) { return std::pair(x + x, 7); });
  static_assert(is<decltype(pair), lazy<std::pair<reals, int>>>);
  CHECK(pair.compute(synchronous{}).first[999] == 4.0);

  auto bit = delayed([] { return std::vector<bool>(70, true); })().then([](std::vector<bool>&& v) { return v[69]; });
  static_assert(is<decltype(bit), lazy<bool>>);
  CHECK(bit.compute(synchronous{}));
  auto set_bit = delayed([] { return std::bitset<70>{1}; })().then([](std::bitset<70>&& b) { return b[69]; });
  static_assert(is<decltype(set_bit), lazy<bool>>);
  CHECK(!set_bit.compute(synchronous{}));
}

TEST_CASE("an expression without a mark is kept as the one input that it converts to", "[kept_result]") {
  auto a = delayed(numbers)(1);
  auto b = delayed(numbers)(2);
  auto sum = delayed([](ints const& x, ints const& y) { return ints_sum{x, y}; })(a, b);
  static_assert(is<decltype(sum), lazy<ints>>);
  CHECK(sum.compute(synchronous{}) == numbers(3));
  auto twice = b.then([](ints const& x) { return ints_twice{x}; });
  static_assert(is<decltype(twice), lazy<ints>>);
  CHECK(twice.compute(synchronous{}) == numbers(4));
  auto again = b.then([](ints const& x) { return ints_again{&x}; });
  static_assert(is<decltype(again), lazy<ints>>);
  CHECK(again.compute(synchronous{}) == numbers(2));
}

TEST_CASE("owned_result says what a type is kept as", "[kept_result]") {
  auto length = delayed(numbers)(1).then([](ints const& x) { return length_of{x}; });
  static_assert(is<decltype(length), lazy<std::size_t>>);
  CHECK(length.compute(synchronous{}) == 1000);
}

TEST_CASE("values that cannot be assigned to, closures and what only looks like an expression are kept as they are",
          "[kept_result]") {
  auto constants = delayed(line)(1).then([](std::string const& s) { return owned_constants{s, 2}; });
  CHECK(constants.compute(synchronous{}).text == line(1));
  auto date = lazy{1815L}.then([](long y) { return year{y}; });
  static_assert(is<decltype(date), lazy<year>>);
  CHECK(date.compute(synchronous{}).count() == 1815);
  auto worth = delayed(numbers)(1).then([](ints const&) { return formula{2.5}; });
  static_assert(is<decltype(worth), lazy<formula>>);
  auto closure = delayed(numbers)(4).then([](ints const& x) { return [n = x[0]](int m) { return n + m; }; });
  CHECK(closure.compute(synchronous{})(3) == 7);
}

TEST_CASE("a view may be a result where what it refers to is recorded, referenced, or said to live on",
          "[kept_result]") {
  auto head = [](std::string const& s) { return std::string_view{s}.substr(0, 6); };
  auto length = [](std::string_view v) { return v.size(); };

  CHECK(delayed(head)(line(1)).then(length).compute(synchronous{}) == 6);
  std::string const mine = line(2);
  CHECK(delayed(head)(std::ref(mine)).compute(synchronous{}) == "a line");
  CHECK(delayed([] { return std::string_view{"literal"}; })().compute(synchronous{}) == "literal");

  auto text = delayed(line)(3);
  auto borrowed = delayed(head, {.borrows = true})(text);
  CHECK(std::get<1>(compute(synchronous{}, text, borrowed.then(length))) == 6);
  auto named = text.then(delayed(head, {.name = "head", .borrows = true}));
  CHECK(named.name() == "head");
  auto pure = dally::pure::delayed(head, {.borrows = true});
  CHECK(same_node(pure(text), pure(text)));
}

TEST_CASE("a view of a view, a name for a number, and a part of what holds nothing but views need no word",
          "[kept_result]") {
  auto head = [](std::string const& s) { return std::string_view{s}; };
  auto words = delayed(head)(line(1));
  CHECK(words.then([](std::string_view v) { return v.substr(2, 4); }).compute(synchronous{}) == "line");
  CHECK(lazy{0}.then([](int i) { return i == 0 ? std::string_view{"zero"} : "more"; }).compute(synchronous{}) ==
        "zero");

  auto cut = delayed([](std::string const& s) { return std::pair{std::string_view{s}.substr(2, 4), 1}; })(line(1));
  auto [word, count] = cut;
  CHECK(word.compute(synchronous{}) == "line");
  auto all = delayed([](std::string const& s) { return std::vector{std::string_view{s}.substr(2, 4)}; })(line(1));
  CHECK(all[0].compute(synchronous{}) == "line");
  CHECK(dally::collect(std::vector{word, words}).compute(synchronous{})[0] == "line");
}
