// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <string>
#include <string_view>
#include <vector>

int main() {
  dally::lazy<std::string> text = std::string{"a b"};
#ifdef DALLY_CONTROL
  static_cast<void>(text.then([](std::string const& s) { return std::vector{s.substr(0, 1)}; }));
#else
  static_cast<void>(text.then([](std::string const& s) { return std::vector{std::string_view{s}.substr(0, 1)}; }));
#endif
}
