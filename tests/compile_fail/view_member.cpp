// expect: result must not refer to what the task was given

#include <dally/dally.hpp>

#include <memory>
#include <string>
#include <string_view>

struct titled {
  std::shared_ptr<std::string> text;
  std::string_view title;
};

int main() {
  auto t = dally::delayed([] { return titled{}; })();
#ifdef DALLY_CONTROL
  static_cast<void>(t->*&titled::text);
#else
  static_cast<void>(t->*&titled::title);
#endif
}
