// A stop request, or Ctrl-C while a stop_on_interrupt lives, cancels a run: tasks that run finish, the others are not
// called, and compute throws dally::cancelled. The graph can be computed again.

#include <dally/dally.hpp>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <stop_token>

#include <fmt/format.h>

using number = std::uint64_t;

std::atomic<int> steps = 0;

number collatz(number n) {
  ++steps;
  return n % 2 == 0 ? n / 2 : 3 * n + 1;
}

/// 111 steps from 27 down to 1, and after the 50th a call of `signal`, which stands for a clock or an impatient user.
template <class Signal>
dally::lazy<number> chain(Signal signal) {
  dally::lazy n = number{27};
  for (int i = 0; i < 50; ++i) n = n.then(collatz);
  n = n.then([signal](number value) {
    signal();
    return value;
  });
  for (int i = 50; i < 111; ++i) n = n.then(collatz);
  return n;
}

void report(dally::lazy<number> const& x, dally::compute_options const& options) {
  steps = 0;
  try {
    auto value = x.compute(options);
    fmt::print("{} after {} steps\n", value, steps.load());
  } catch (dally::cancelled const&) {
    fmt::print("cancelled after {} steps\n", steps.load());
  }
}

int main() {
  std::stop_source source;
  auto stopping = chain([&source] { source.request_stop(); });
  report(stopping, {.scheduler = dally::threads{2}, .stop = source.get_token()});
  report(stopping, {.scheduler = dally::threads{2}});  // the same graph, and nobody listens

  auto interrupted = chain([] { std::raise(SIGINT); });  // as Ctrl-C does
  dally::stop_on_interrupt guard;
  report(interrupted, {.scheduler = dally::threads{2}});
  report(chain([] {}), {.scheduler = dally::threads{2}});
}

// Output:
//   cancelled after 50 steps
//   1 after 111 steps
//   cancelled after 50 steps
//   1 after 111 steps
