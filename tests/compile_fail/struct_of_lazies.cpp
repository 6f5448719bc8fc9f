// expect-first 1: hidden_lazies.*1.*settings.*specialise dally::traversal for a struct of your own
// expect-first 2: hidden_lazies.*2.*settings.*specialise dally::traversal for a struct of your own
// expect-first 3: hidden_lazies.*1.*vector<settings.*specialise dally::traversal for a struct of your own
// expect-first 4: hidden_lazies.*1.*house.*specialise dally::traversal for a struct of your own

#include <dally/dally.hpp>

#include <string>
#include <vector>

struct settings {
  dally::lazy<int> level;
  int years;
};
struct house {
  std::string name;
  settings inside;
};
struct plain_settings {
  int level, years;
};

#ifdef DALLY_CONTROL
template <>
struct dally::traversal<settings> {
  using plain = plain_settings;
  static plain rebuild(settings const& s, auto&& value_of) { return {value_of(s.level), s.years}; }
  static void each(settings const& s, auto&& visit) { visit(s.level); }
};
#endif

int simulate(plain_settings const& s) { return s.level * s.years; }

int main() {
  dally::lazy<int> const level = 7;
  settings const lazies{level, 3};
#ifdef DALLY_CONTROL
  static_cast<void>(dally::delayed(simulate)(lazies));
  static_cast<void>(dally::delayed([](auto, auto const& s) { return s.level * s.years; })(1, lazies));
  static_cast<void>(dally::delayed([](auto const& all) { return all[0].level; })(std::vector{lazies}));
#elif CASE == 1
  static_cast<void>(dally::delayed(simulate)(lazies));
#elif CASE == 2
  static_cast<void>(dally::delayed([](auto, auto const& s) { return s.level * s.years; })(1, lazies));
#elif CASE == 3
  static_cast<void>(dally::delayed([](auto const& all) { return all[0].level; })(std::vector{lazies}));
#else
  static_cast<void>(dally::delayed([](auto const& h) { return h.inside.level * h.inside.years; })(house{"", lazies}));
#endif
  // A function of exactly that type wants the handles.
  static_cast<void>(dally::delayed([](settings const& s) { return s.years; })(dally::lazy{lazies}));
}
