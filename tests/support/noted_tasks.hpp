#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/shared.hpp"

/// Tasks for random graphs. Each notes the id that it is given, in this process or in a forked one, and none overflows.
namespace dally::tests::noted {

using ints = std::vector<int>;

/// The ids of the tasks that ran, in their order.
inline shared_log& ran() {
  static shared_log log;
  return log;
}

inline int mixed(std::int64_t a, std::int64_t b) {
  return static_cast<int>((std::uint64_t(a) * 2654435761u + std::uint64_t(b) * 40503u) % 1'000'003);
}

inline int leaf(int id, int x) { return ran().append(id), x; }
inline int mix(int id, int a, int b) { return ran().append(id), mixed(a, b); }
inline int length(int id, std::string const& s) { return ran().append(id), static_cast<int>(s.size()); }
inline int fold(int id, ints const& v) {
  ran().append(id);
  int result = 0;
  for (int x : v) result = mixed(result, x);
  return result;
}
inline std::string spell(int id, int a) { return ran().append(id), std::to_string(a); }
inline std::string concatenate(int id, std::string a, std::string const& b) {
  ran().append(id);
  a += b;
  a.resize(std::min<std::size_t>(a.size(), 48));
  return a;
}
inline std::string pick_word(int id, std::map<int, std::string> const& words, int which) {
  ran().append(id);
  auto at = words.lower_bound(which % 4);
  return at == words.end() ? "none" : at->second;
}
inline ints append(int id, ints v, int x) {
  ran().append(id);
  v.push_back(x);
  if (v.size() > 24) v.erase(v.begin(), v.begin() + 12);
  return v;
}
inline ints gather(int id, ints of) { return ran().append(id), of; }

}  // namespace dally::tests::noted
