#include "dally/serialize/compiled_late.hpp"

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <string>

#include "processes/recorded_elsewhere.hpp"
#include "support/catch2.hpp"

using dally::delayed;
using dally::process_pool;
using dally::processes;
using dally::tests::contains;
using dally::tests::seen;
using dally::tests::unseen;

TEST_CASE("what travels by a serialize function does so where a file with processes records it", "[compiled_late]") {
  auto const twice = [](seen const& s) { return seen{2 * s.n}; };
  CHECK(delayed(twice)(seen{4}).compute(processes{2}).n == 8);
  process_pool const pool{1};
  CHECK(delayed(twice)(seen{4}).compute(pool).n == 8);
  // The other file's tasks return the same type.
  CHECK(dally::tests::make_seen(5).compute(processes{1}).n == 5);
  CHECK(delayed(twice)(dally::tests::make_seen(5)).compute(processes{1}).n == 10);
}

TEST_CASE("what no file with processes records is refused before anything runs, with the cure", "[compiled_late]") {
  try {
    dally::tests::make_unseen(3).compute(processes{1});
    FAIL("nothing was thrown");
  } catch (dally::not_serializable const& e) {
    std::string const text = e.what();
    CHECK_THAT(text, contains("recorded_elsewhere_test.cpp"));
    CHECK_THAT(text, contains("unseen"));
    CHECK_THAT(text, contains("include <dally/processes.hpp> in the file that records the task"));
  }
  process_pool const pool{1};
  try {
    dally::tests::look_at_unseen(unseen{3}).compute(pool);
    FAIL("nothing was thrown");
  } catch (dally::not_serializable const& e) {
    std::string const text = e.what();
    CHECK_THAT(text, contains("its callable or an argument"));
    CHECK_THAT(text, contains("include <dally/processes.hpp>"));
  }
  // Its result is a number, and processes inherit the argument.
  CHECK(dally::tests::look_at_unseen(unseen{3}).compute(processes{1}) == 3);
  CHECK(dally::tests::make_unseen(3).compute(dally::threads{2}).n == 3);
}
