// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <string>
#include <string_view>

int main() {
  std::string const text = "text";
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed([text]() { return std::string_view{text}; })());
#else
  static_cast<void>(dally::delayed([text]() mutable { return std::string_view{text}; })());
#endif
}
