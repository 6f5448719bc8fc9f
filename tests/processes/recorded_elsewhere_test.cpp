// A file that records tasks and does not include <dally/processes.hpp>.

#include "processes/recorded_elsewhere.hpp"

#include <string>
#include <vector>

#include "support/catch2.hpp"

namespace dally::tests {

lazy<unseen> make_unseen(int n) {
  return delayed([](int number) { return unseen{number}; })(n);
}
lazy<int> look_at_unseen(unseen const& u) {
  return delayed([](unseen const& seen_now) { return seen_now.n; })(u);
}
lazy<seen> make_seen(int n) {
  return delayed([](int number) { return seen{number}; })(n);
}

}  // namespace dally::tests

using dally::delayed;
using dally::tests::settings;

TEST_CASE("a serialize function for another archive is no obstacle without processes", "[compiled_late]") {
  auto const made = delayed([](int level) { return settings{"main", level}; })(3);
  CHECK(made.compute(dally::threads{2}).level == 3);
  CHECK(made.then([](settings const& s) { return s.level + 1; }).compute() == 4);
  CHECK(delayed([](settings const& s) { return s.level; })(settings{"here", 5}).compute() == 5);
  CHECK(delayed([s = settings{"held", 6}] { return s.level; })().compute() == 6);
  CHECK(dally::lazy{settings{"literal", 7}}.compute().level == 7);
  auto const all = delayed([](int n) { return std::vector<settings>(static_cast<std::size_t>(n)); })(4);
  CHECK(all.compute().size() == 4);
  CHECK(made.persist().compute().name == "main");
}
