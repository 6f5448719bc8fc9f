#include "dally/core/count.hpp"

#include <cstddef>
#include <limits>

#include "dally/core/error.hpp"
#include "dally/pool/thread_pool.hpp"
#include "dally/schedulers/process_options.hpp"
#include "dally/schedulers/processes.hpp"
#include "dally/schedulers/shuffled.hpp"
#include "dally/schedulers/threads.hpp"
#include "support/catch2.hpp"

using dally::count;
using dally::tests::contains;

TEST_CASE("a number of workers is of any integer type", "[count]") {
  int const number = 3;
  std::size_t const size = 3;
  short const small = 3;
  CHECK(dally::threads{number}.workers() == 3);
  CHECK(dally::threads{size}.workers() == 3);
  CHECK(dally::threads{small}.workers() == 3);
  CHECK(dally::thread_pool{number}.size() == 3);
  CHECK(dally::processes{number}.workers() == 3);
  CHECK(dally::processes{dally::process_options{.workers = number}}.workers() == 3);
  CHECK(dally::processes{dally::process_options{.workers = size}}.workers() == 3);
  CHECK_NOTHROW(dally::shuffled{number});
}

TEST_CASE("a number of workers that makes no sense is told as it was given", "[count]") {
  int const negative = -3;
  std::size_t const huge = std::numeric_limits<std::size_t>::max();
  CHECK_THROWS_WITH(dally::threads{negative}, contains("threads{-3}: between 1 and 4096 workers are allowed"));
  CHECK_THROWS_WITH(dally::threads{0}, contains("threads{0}: between 1 and 4096"));
  CHECK_THROWS_AS(dally::threads{huge}, dally::config_error);
  CHECK_THROWS_AS(dally::threads{4'294'967'298}, dally::config_error);  // 2 more than fit in 32 bits
  CHECK_THROWS_WITH(dally::thread_pool{negative}, contains("a pool of -3 workers: between 1 and 4096"));
  CHECK_THROWS_WITH(dally::processes{negative}, contains("processes{-3}: between 1 and 4096"));
  CHECK_THROWS_WITH(dally::processes{dally::process_options{.workers = negative}}, contains(".workers = -3"));
}

TEST_CASE("a count keeps what it was made of", "[count]") {
  STATIC_REQUIRE(count{-1}.number() == -1);
  STATIC_REQUIRE(!count{-1}.between(0, 10));
  STATIC_REQUIRE(count{5U}.between(5, 5));
  STATIC_REQUIRE(!count{6}.between(1, 5));
  STATIC_REQUIRE(unsigned{count{7}} == 7);
}
