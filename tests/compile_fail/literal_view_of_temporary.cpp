// expect: would refer to a temporary that ends here
// expect-clang: deleted

#include <dally/dally.hpp>

#include <string>
#include <string_view>

int main() {
#ifdef DALLY_CONTROL
  std::string const text = "text";
  dally::lazy<std::string_view> view{text};
#else
  dally::lazy<std::string_view> view{std::string{"text"}};
#endif
  static_cast<void>(view);
}
