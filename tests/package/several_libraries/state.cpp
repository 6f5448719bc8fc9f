// What a library notices of the process's state.

#include <latch>
#include <stdexcept>
#include <string_view>

#include "parts.hpp"

namespace {

int refuse(int x) {
  if (x > 0) throw std::runtime_error{"refused"};
  return x;
}

std::vector<std::thread::id> threads_of_tasks() {
  std::latch both{2};
  auto const task = dally::delayed([&both](int) {
    both.arrive_and_wait();
    return std::this_thread::get_id();
  });
  auto [first, second] = dally::compute(dally::threads{2}, task(1), task(2));
  return {first, second};
}

int fail() { return dally::delayed(refuse)(1).compute(); }

int misuse() {
  dally::lazy<int> const empty;
  return empty.compute();
}

bool last_failure_is(char const* name) {
  auto const failed = dally::last_failure();
  return failed && failed->name == std::string_view{name};
}

}  // namespace

library const& state_of(library& functions) {
  functions.threads_of_tasks = &threads_of_tasks;
  functions.fail = &fail;
  functions.misuse = &misuse;
  functions.last_failure_is = &last_failure_is;
  return functions;
}
