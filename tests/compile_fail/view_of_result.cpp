// expect: result must not refer to what the task was given.*\.borrows = true

#include <dally/dally.hpp>

#include <string>
#include <string_view>

std::string load(int i) { return std::to_string(i); }
std::string_view first(std::string const& s) { return std::string_view{s}.substr(0, 1); }

int main() {
  auto text = dally::delayed(load)(7);
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(first, {.borrows = true})(text));
#else
  static_cast<void>(dally::delayed(first)(text));
#endif
}
