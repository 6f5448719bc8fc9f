// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <string>
#include <string_view>

std::string_view first(std::string const& s) { return std::string_view{s}.substr(0, 1); }

int main() {
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(first)(std::string{"text"}));
#else
  static_cast<void>(dally::delayed(first)("text"));
#endif
}
