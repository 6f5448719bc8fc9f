#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <latch>
#include <limits>
#include <vector>

#include "dally/dally.hpp"
#include "support/catch2.hpp"

// The linker sends this program's calls of pthread_create here: --wrap, see tests/CMakeLists.txt.
extern "C" {
int __real_pthread_create(pthread_t*, pthread_attr_t const*, void* (*)(void*), void*);
int __wrap_pthread_create(pthread_t*, pthread_attr_t const*, void* (*)(void*), void*);
}

namespace {

std::atomic<int> allowed{std::numeric_limits<int>::max()};

struct allowing {
  explicit allowing(int threads) { allowed = threads; }
  ~allowing() { allowed = std::numeric_limits<int>::max(); }
};

int sum_of_squares(dally::thread_pool& pool) {
  std::vector<dally::lazy<int>> squares;
  for (int i = 0; i < 200; ++i) squares.push_back(dally::delayed([](int x) { return x * x; })(i));
  return dally::tree_reduce(squares, [](int a, int b) { return a + b; }).compute(dally::threads{pool});
}

}  // namespace

int __wrap_pthread_create(pthread_t* thread, pthread_attr_t const* attributes, void* (*body)(void*), void* argument) {
  if (allowed.fetch_sub(1) <= 0) return EAGAIN;
  return __real_pthread_create(thread, attributes, body, argument);
}

TEST_CASE("threads that the system refuses are done without, in the end by the caller alone", "[thread_pool]") {
  for (unsigned granted = 0; granted <= 3; ++granted) {
    CAPTURE(granted);
    dally::thread_pool pool{4};
    {
      allowing const some{static_cast<int>(granted)};
      for (int run = 0; run < 20; ++run) CHECK(sum_of_squares(pool) == 2'646'700);
      CHECK(pool.started() <= granted);
    }
    for (int run = 0; run < 5; ++run) CHECK(sum_of_squares(pool) == 2'646'700);
  }
}

TEST_CASE("a pool asks again for threads that were refused once", "[thread_pool]") {
  dally::thread_pool pool{2};
  {
    allowing const none{0};
    CHECK(sum_of_squares(pool) == 2'646'700);
    CHECK(pool.started() == 0);
  }
  std::latch both{2};
  auto meet = dally::delayed([&both](int x) {
    both.arrive_and_wait();
    return x;
  });
  CHECK((meet(1) + meet(2)).compute(dally::threads{pool}) == 3);
  CHECK(pool.started() == 1);
}
