// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <string>
#include <string_view>

struct document {
  std::string text;
  std::string_view title() const { return text; }
};

int main() {
  auto d = dally::delayed([] { return document{"text"}; })();
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(&document::title, {.borrows = true})(d));
#else
  static_cast<void>(d.call(&document::title));
#endif
}
