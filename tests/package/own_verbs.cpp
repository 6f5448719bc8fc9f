// A project's own generic functions, of names that dally uses too, called without a namespace on lazies: they are what
// is called, with arguments of every kind. dally's stay where the project says dally.
#include <dally/dally.hpp>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace app {

struct ours {};  // what each of these returns

// As general as can be, and so worse than most that could be found beside them.
#define APP_OWN(name)                       \
  template <class First, class... Rest>     \
  ours name(First const&, Rest const&...) { \
    return {};                              \
  }
APP_OWN(map)
APP_OWN(collect)
APP_OWN(flatten)
APP_OWN(tree_reduce)
APP_OWN(wait_on)
APP_OWN(compute)
APP_OWN(persist)
APP_OWN(prepare)
APP_OWN(visualize)
APP_OWN(to_dot)
APP_OWN(to_mermaid)
APP_OWN(print)
APP_OWN(format)
APP_OWN(add)
APP_OWN(reduce)
APP_OWN(transform)
APP_OWN(filter)
APP_OWN(zip)
APP_OWN(join)
APP_OWN(run)
APP_OWN(read)
APP_OWN(write)
APP_OWN(make)
APP_OWN(key)
APP_OWN(name)
APP_OWN(describe)
APP_OWN(hash)
APP_OWN(encode)
APP_OWN(decode)

template <class... Args>
bool all_ours(Args&&... args) {
  auto const is = []<class T>(T const&) { return std::is_same_v<T, ours>; };
  return is(map(args...)) && is(collect(args...)) && is(flatten(args...)) && is(tree_reduce(args...)) &&
         is(wait_on(args...)) && is(compute(args...)) && is(persist(args...)) && is(prepare(args...)) &&
         is(visualize(args...)) && is(to_dot(args...)) && is(to_mermaid(args...)) && is(print(args...)) &&
         is(format(args...)) && is(add(args...)) && is(reduce(args...)) && is(transform(args...)) &&
         is(filter(args...)) && is(zip(args...)) && is(join(args...)) && is(run(args...)) && is(read(args...)) &&
         is(write(args...)) && is(make(args...)) && is(key(args...)) && is(name(args...)) && is(describe(args...)) &&
         is(hash(args...)) && is(encode(args...)) && is(decode(args...));
}

bool test() {
  dally::lazy<int> x{1};
  dally::lazy<dally::lazy<int>> deep = dally::delayed([] { return dally::lazy{1}; })();
  std::vector<dally::lazy<int>> several{x, x};
  std::pair<dally::lazy<int>, dally::lazy<int>> pair{x, x};
  auto const twice = [](dally::lazy<int> const& y) { return y * 2; };
  dally::delayed const task{[](int y) { return y; }};
  return all_ours(x) && all_ours(deep) && all_ours(several) && all_ours(pair) && all_ours(twice, several) &&
         all_ours(task, several) && all_ours(task, x, x) && all_ours(several, twice) && all_ours(several, twice, x) &&
         all_ours(dally::compute_options{}, x) && all_ours(dally::threads{2}, x, several) &&
         all_ours(std::string{"x.dot"}, x) && all_ours(dally::visualize_options{}, x);
}

}  // namespace app

// dally's are there by their full names, one by one, and all at once.
namespace one_by_one {
using dally::compute;
using dally::map;
bool test() {
  return compute(dally::collect(map([](int x) { return x + 1; }, std::vector{1, 2}))) == std::vector{2, 3};
}
}  // namespace one_by_one
namespace all_at_once {
using namespace dally;
bool test() {
  return compute(collect(map([](int x) { return x + 1; }, std::vector{1, 2}))) == std::vector{2, 3};
}
}  // namespace all_at_once

int main() { return app::test() && one_by_one::test() && all_at_once::test() ? 0 : 1; }
