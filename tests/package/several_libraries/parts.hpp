#pragma once

#include <dally/dally.hpp>

#include <thread>
#include <vector>

namespace parts {

inline int increment(int x) { return x + 1; }

/// In every library another function, of one name: what each keeps to itself.
struct scaled {
  int operator()(int x) const;
};

/// The sum of some tasks of this part.
dally::lazy<int> sum_of(std::vector<dally::lazy<int>> const& all);

}  // namespace parts

/// What each library offers.
struct library {
  dally::lazy<int> (*record)(dally::lazy<int> const& a, int b);         ///< (a + 1 + b) + b
  dally::lazy<int> (*scale)(dally::lazy<int> const& a);                 ///< a pure call: a * FACTOR
  int (*compute)(dally::lazy<int> const& x);                            ///< on what a scope says
  int (*compute_on_threads)(std::vector<dally::lazy<int>> const& all);  ///< their sum, on threads{3}
  std::vector<std::thread::id> (*threads_of_tasks)();  ///< of two tasks that wait for each other, on threads{2}
  int (*fail)();                                       ///< a task throws std::runtime_error
  int (*misuse)();                                     ///< dally throws graph_error
  bool (*last_failure_is)(char const* name);
};
