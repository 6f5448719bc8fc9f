// The stages of a graph's life, made visible: what is recorded, how it is planned, what a run does. This program draws
// the picture of docs/how-it-works.md: with an argument, it draws its graph there.

#include <dally/dally.hpp>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

using words = std::vector<std::string>;

words load(char const* text) {
  words all;
  std::istringstream in{text};
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

std::size_t count(words const& all) { return all.size(); }

words merge(words first, words const& second) {  // by value: what nobody else takes is moved in
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::string report(words const& all, std::size_t of_first) {
  return fmt::format("{} words, {} of them in the first text", all.size(), of_first);
}

/// Tells what happens, in the order in which it does.
class narrator final : public dally::observer {
 public:
  void run_started(dally::run const& of) noexcept override { fmt::print("a run of {} tasks\n", of.size()); }
  void task_finished(dally::run const& of, dally::task_record const& task) noexcept override {
    fmt::print("  {}: {} {}\n", task.node, of.name(task.node), task.outcome);
  }
};

int main(int argc, char** argv) {
  auto first = dally::delayed(load)("to be or not");
  auto second = dally::delayed(load)("to be");
  auto all = dally::delayed(merge)(first, second);
  auto summary = dally::delayed(report)(all, dally::delayed(count)(first));

  if (argc > 1) summary.visualize(argv[1]);

  narrator tell;
  fmt::print("{}\n", summary.compute({.scheduler = dally::synchronous{}, .observers = {&tell}}));
}

// Output:
//   a run of 5 tasks
//     0: load done
//     1: load done
//     2: merge done
//     3: count done
//     4: report done
//   6 words, 4 of them in the first text
