// expect-first 1: reference_to_what_cannot_be_copied.*ostream.*return void, or a pointer
// expect-first 2: reference_to_what_cannot_be_copied.*unique_ptr.*return void, or a pointer
// expect-first 3: reference_to_what_cannot_be_copied.*unknown.*return void, or a pointer

#include <dally/dally.hpp>

#include <functional>
#include <iostream>
#include <memory>
#include <vector>

struct unknown {
  virtual ~unknown() = default;
  virtual int f() const = 0;
};
#ifdef DALLY_CONTROL
void print_line(std::ostream& out, int x) { out << x << '\n'; }
int first_of(std::vector<std::unique_ptr<int>> const& all) { return *all[0]; }
unknown const* same(unknown const* u) { return u; }
#else
std::ostream& print_line(std::ostream& out, int x) { return out << x << '\n'; }
std::unique_ptr<int> const& first_of(std::vector<std::unique_ptr<int>> const& all) { return all[0]; }
unknown const& same(unknown const* u) { return *u; }
#endif

int main() {
#if CASE == 1 || defined DALLY_CONTROL
  static_cast<void>(dally::delayed(print_line)(std::ref(std::cout), 3));
#endif
#if CASE == 2 || defined DALLY_CONTROL
  auto all = dally::delayed([](int n) { return std::vector<std::unique_ptr<int>>(static_cast<std::size_t>(n)); })(3);
  static_cast<void>(dally::delayed(first_of)(all));
#endif
#if CASE == 3 || defined DALLY_CONTROL
  static_cast<void>(dally::delayed(same)(static_cast<unknown const*>(nullptr)));
#endif
}
