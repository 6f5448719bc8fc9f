// A library that records tasks and computes those of others.

#include <functional>

#include "parts.hpp"

namespace {

dally::lazy<int> record(dally::lazy<int> const& a, int b) {
  auto const more = dally::delayed([](int x, int y) { return x + y; })(dally::delayed(parts::increment)(a), b);
  return parts::sum_of({more, dally::lazy<int>{b}});
}

dally::lazy<int> scale(dally::lazy<int> const& a) { return dally::pure::delayed(parts::scaled{})(a); }

int compute(dally::lazy<int> const& x) { return x.compute(); }

int compute_on_threads(std::vector<dally::lazy<int>> const& all) {
  return parts::sum_of(all).compute(dally::threads{3});
}

}  // namespace

int parts::scaled::operator()(int x) const { return x * FACTOR; }

#define JOINED_(a, b) a##b
#define JOINED(a, b) JOINED_(a, b)

library const& state_of(library& functions);

extern "C" [[gnu::visibility("default")]] library const* JOINED(LIBRARY, _functions)() {
  static library functions{&record, &scale, &compute, &compute_on_threads, nullptr, nullptr, nullptr, nullptr};
  return &state_of(functions);
}
