// expect-first 1: too_few_arguments.*2.*1.*default arguments are not known.*wrap the call in a lambda
// expect-first-clang 1: too_few_arguments<2, 1>.*default arguments are not known.*wrap the call in a lambda
// expect-first 2: too_many_arguments.*2.*3.*leave some out
// expect-first 3: argument_does_not_convert.*2.*basic_string.*int.*convert it in a lambda
// expect-first 4: array_becomes_pointer.*1.*take and pass a std::array, or pass std::cref
// expect-first 5: number_for_pointer.*1.*pass nullptr
// expect-first 6: hidden_lazies.*1.*span.*vector, array, deque
// expect-first 7: moved_for_const_reference.*1.*dog.*animal.*take the parameter by value
// expect-first 8: arguments_do_not_fit.*basic_string.*int.*results are passed as T const&
// expect-first 9: too_many_arguments.*0.*1.*leave some out
// expect-first 10: no_object.*delayed\(&S::member\)\(object, arguments\.\.\.\)
// expect-first 11: argument_does_not_convert.*1.*vector<int>.*map<

#include <dally/dally.hpp>

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

int scale(int x, int by = 10) { return x * by; }
int first_of(int const (&a)[3]) { return a[0]; }
bool is_null(int const* p) { return p == nullptr; }
int count(std::vector<int> const& v) { return static_cast<int>(v.size()); }
int names(std::map<int, int> const& m) { return static_cast<int>(m.size()); }
struct animal {
  virtual ~animal() = default;
};
struct dog : animal {};
std::unique_ptr<dog> make() { return std::make_unique<dog>(); }
bool look(std::unique_ptr<animal> const& p) { return p != nullptr; }
struct account {
  int balance() const { return 3; }
};

int main() {
  using dally::delayed;
  [[maybe_unused]] static int const numbers[3] = {1, 2, 3};
  [[maybe_unused]] std::vector<dally::lazy<int>> lazies(2, dally::lazy<int>{1});
  [[maybe_unused]] dally::lazy<account> const ours = account{};
  [[maybe_unused]] dally::lazy<std::string> const text = std::string{"text"};
#ifdef DALLY_CONTROL
  static_cast<void>(delayed([](int x) { return scale(x); })(4));
  static_cast<void>(delayed(scale)(1, 2));
  static_cast<void>(delayed([](int x, std::string const& by) { return scale(x, std::stoi(by)); })(1, text));
  static_cast<void>(delayed(first_of)(std::cref(numbers)));
  static_cast<void>(delayed(is_null)(nullptr));
  static_cast<void>(delayed(count)(lazies));
  static_cast<void>(delayed([](std::unique_ptr<animal> p) { return look(p); })(delayed(make)()));
  static_cast<void>(text + "1");
  static_cast<void>(ours.call(&account::balance));
  static_cast<void>(delayed(&account::balance)(ours));
#elif CASE == 1
  static_cast<void>(delayed(scale)(4));
#elif CASE == 2
  static_cast<void>(delayed(scale)(1, 2, 3));
#elif CASE == 3
  static_cast<void>(delayed(scale)(1, text));
#elif CASE == 4
  static_cast<void>(delayed(first_of)(numbers));
#elif CASE == 5
  static_cast<void>(delayed(is_null)(0));
#elif CASE == 6
  static_cast<void>(delayed(count)(std::span(lazies)));
#elif CASE == 7
  static_cast<void>(delayed(look)(delayed(make)()));
#elif CASE == 8
  static_cast<void>(text + 1);
#elif CASE == 9
  static_cast<void>(ours.call(&account::balance, 1));
#elif CASE == 10
  static_cast<void>(delayed(&account::balance)());
#else
  static_cast<void>(delayed(names)(lazies));
#endif
}
