// Word counts of many files: each file is read and counted on its own, and a tree of merges makes one table of all. The
// files are the C++ sources below the directory that is given, else those of this directory.

#include <dally/dally.hpp>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <numeric>
#include <source_location>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace fs = std::filesystem;
using word_counts = std::unordered_map<std::string, int>;

std::vector<fs::path> sources_below(fs::path const& directory) {
  std::vector<fs::path> files;
  for (auto const& entry : fs::recursive_directory_iterator{directory}) {
    auto suffix = entry.path().extension();
    if (entry.is_regular_file() && (suffix == ".cpp" || suffix == ".hpp")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

word_counts count_words(fs::path const& file) {
  std::ifstream in{file};
  std::string const text{std::istreambuf_iterator{in}, {}};
  auto in_word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  word_counts counts;
  for (auto at = text.begin(); (at = std::find_if(at, text.end(), in_word)) != text.end();) {
    auto end = std::find_if_not(at, text.end(), in_word);
    ++counts[std::string{at, end}];
    at = end;
  }
  return counts;
}

// By value: the left table is moved in, added to and handed on; no table is ever copied.
word_counts merged(word_counts all, word_counts const& more) {
  for (auto const& [word, count] : more) all[word] += count;
  return all;
}

std::vector<std::pair<int, std::string>> most_frequent(word_counts const& counts) {
  std::vector<std::pair<int, std::string>> words;
  for (auto const& [word, count] : counts) words.emplace_back(count, word);
  std::ranges::partial_sort(words, words.begin() + std::min(std::ssize(words), std::ptrdiff_t{3}), std::greater{});
  words.resize(std::min(words.size(), std::size_t{3}));
  return words;
}

int main(int argc, char** argv) {
  fs::path const here = fs::absolute(std::source_location::current().file_name()).parent_path();
  fs::path const directory = argc > 1 ? argv[1] : here;
  if (!fs::is_directory(directory)) {
    fmt::print(stderr, "text_pipeline: {} is no directory; give one that has .cpp or .hpp files below it\n",
               directory.string());
    return 2;
  }
  auto const files = sources_below(directory);

  auto counts = dally::tree_reduce(dally::map(count_words, files), merged, word_counts{});
  auto [all, top] = dally::compute(counts, counts.then(most_frequent));  // the shared part runs once

  auto one_by_one = std::transform_reduce(files.begin(), files.end(), word_counts{}, merged, count_words);
  fmt::print("{} files, {} words\n", files.size(), all.size());
  for (auto const& [count, word] : top) fmt::print("{:6} {}\n", count, word);
  fmt::print("{} what a loop counts\n", all == one_by_one ? "exactly" : "not");
}

// Output:
//   ... files, ... words
//   ... ...
//   ... ...
//   ... ...
//   exactly what a loop counts
