#pragma once

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <istream>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace support {

/// A task of a recorded graph.
struct dag_task {
  std::string name;                 ///< no white space in it
  std::string kind;                 ///< group of like tasks
  double seconds = 0;               ///< run time
  std::uint64_t bytes = 0;          ///< size of its output
  std::vector<std::uint32_t> deps;  ///< tasks whose outputs it needs, ascending, all before it
};

/// A recorded graph: its tasks by id, in a topological order, and the header's lines but for the first.
struct dag {
  std::vector<std::pair<std::string, std::string>> header;
  std::vector<dag_task> tasks;

  /// The header's value for a key, or "".
  [[nodiscard]] std::string_view about(std::string_view key) const {
    for (auto const& [known, value] : header)
      if (known == key) return value;
    return {};
  }
  [[nodiscard]] std::size_t edges() const {
    std::size_t count = 0;
    for (auto const& task : tasks) count += task.deps.size();
    return count;
  }
  /// All run times together.
  [[nodiscard]] double work_seconds() const {
    double sum = 0;
    for (auto const& task : tasks) sum += task.seconds;
    return sum;
  }
  /// The longest way through the graph: no number of workers is faster.
  [[nodiscard]] double critical_path_seconds() const {
    std::vector<double> end(tasks.size());
    double longest = 0;
    for (std::size_t id = 0; id < tasks.size(); ++id) {
      for (auto dep : tasks[id].deps) end[id] = std::max(end[id], end[dep]);
      end[id] += tasks[id].seconds;
      longest = std::max(longest, end[id]);
    }
    return longest;
  }
  /// How many tasks need each task; those that none needs are the graph's results.
  [[nodiscard]] std::vector<std::uint32_t> consumers() const {
    std::vector<std::uint32_t> counts(tasks.size());
    for (auto const& task : tasks)
      for (auto dep : task.deps) ++counts[dep];
    return counts;
  }
};

/// A file that is not in the format `dag 1`; the text names the file, the line and what was expected there.
class dag_error : public std::runtime_error {
 public:
  dag_error(std::string const& file, std::size_t line, std::string const& what)
      : std::runtime_error{line == 0 ? fmt::format("{}: {}", file, what)
                                     : fmt::format("{}: line {}: {}", file, line, what)},
        line_{line} {}

  /// Counted from 1; 0 where the file could not be read at all.
  [[nodiscard]] std::size_t line() const { return line_; }

 private:
  std::size_t line_;
};

namespace detail {

/// Reads one file, line by line.
class dag_reader {
 public:
  dag_reader(std::istream& in, std::string file) : in_{in}, file_{std::move(file)} {}

  dag read() {
    if (!next_line()) throw dag_error{file_, 1, "expected \"# dag 1\", but the file is empty"};
    if (text_ != "# dag 1") fail(fmt::format("expected \"# dag 1\", got {}", quoted(text_)));
    bool more = next_line();
    for (; more && text_.starts_with('#'); more = next_line()) read_header();
    for (; more; more = next_line()) read_task();
    ++line_;  // where more was expected
    if (read_.tasks.empty()) fail("expected a task, but the file ends");
    check_count("tasks", read_.tasks.size());
    check_count("edges", read_.edges());
    return std::move(read_);
  }

 private:
  /// A line without its end, which may be LF, CR LF or that of the file; false if there is none.
  bool next_line() {
    if (!std::getline(in_, line_text_)) {
      if (in_.bad()) throw dag_error{file_, 0, "cannot be read"};
      return false;
    }
    text_ = line_text_;
    if (text_.ends_with('\r')) text_.remove_suffix(1);
    ++line_;
    return true;
  }

  void read_header() {
    auto const colon = text_.find(": ");
    if (!text_.starts_with("# ") || colon == text_.npos || colon == 2)
      fail(fmt::format("expected a header line \"# key: value\", got {}", quoted(text_)));
    read_.header.emplace_back(text_.substr(2, colon - 2), text_.substr(colon + 2));
  }

  void read_task() {
    auto const id = read_.tasks.size();
    auto columns = split(text_, '\t');
    if (columns.size() != 6) {
      fail(fmt::format("expected 6 columns separated by tabs (id, name, kind, seconds, bytes, deps), got {}: {}",
                       text_.empty() ? 0 : columns.size(), quoted(text_)));
    }
    if (id > std::numeric_limits<std::uint32_t>::max()) fail("expected no more tasks: ids have 32 bits");
    if (number<std::uint64_t>(columns[0], "id", "a whole number") != id)
      fail(fmt::format("id: expected {}, the ids ascend by one from 0; got {}", id, quoted(columns[0])));
    auto& task = read_.tasks.emplace_back();
    task.name = word(columns[1], "name");
    task.kind = word(columns[2], "kind");
    task.seconds = number<double>(columns[3], "seconds", "a decimal number of at least 0");
    task.bytes = number<std::uint64_t>(columns[4], "bytes", "a whole number of at least 0");
    if (columns[5] == "-") return;
    for (auto item : split(columns[5], ',')) {
      auto const dep = number<std::uint64_t>(item, "deps", "ids separated by commas, or \"-\"");
      if (dep >= id) fail(fmt::format("deps: expected ids below the task's own, {}; got {}", id, dep));
      if (!task.deps.empty() && dep <= task.deps.back())
        fail(fmt::format("deps: expected ids in ascending order, got {} after {}", dep, task.deps.back()));
      task.deps.push_back(static_cast<std::uint32_t>(dep));
    }
  }

  /// The header may say how many there are: then a file that was cut off is noticed.
  void check_count(std::string_view key, std::size_t found) {
    auto const said = read_.about(key);
    if (!said.empty() && said != fmt::format("{}", found))
      fail(fmt::format("expected {} {}, as the header says, but the file ends after {}", said, key, found));
  }

  std::string_view word(std::string_view column, char const* name) const {
    if (column.empty() || column.find_first_of(" \r\v\f") != column.npos)
      fail(fmt::format("{}: expected a word without white space, got {}", name, quoted(column)));
    return column;
  }

  template <typename T>
  T number(std::string_view column, char const* name, char const* expected) const {
    T value{};
    auto const* const last = column.data() + column.size();
    auto const [end, error] = std::from_chars(column.data(), last, value);
    // No sign, and no name as in inf.
    bool const plain = !column.empty() && ((column[0] >= '0' && column[0] <= '9') || column[0] == '.');
    if (!plain || error != std::errc{} || end != last)
      fail(fmt::format("{}: expected {}, got {}", name, expected, quoted(column)));
    return value;
  }

  static std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
      auto const at = text.find(separator);
      parts.push_back(text.substr(0, at));
      if (at == text.npos) return parts;
      text.remove_prefix(at + 1);
    }
  }

  /// Some text of the file for a message: not too long, and without what would garble a terminal.
  static std::string quoted(std::string_view text) {
    constexpr std::size_t most = 60;
    std::string shown{'"'};
    for (char c : text.substr(0, most)) {
      auto const code = static_cast<unsigned char>(c);
      if (c == '\t') {
        shown += "\\t";
      } else if (code < 0x20 || code == 0x7f) {
        shown += fmt::format("\\x{:02x}", code);
      } else {
        shown += c;
      }
    }
    return shown + (text.size() > most ? "...\"" : "\"");
  }

  [[noreturn]] void fail(std::string const& what) const { throw dag_error{file_, line_, what}; }

  std::istream& in_;
  std::string file_;
  std::string line_text_;
  std::string_view text_;
  std::size_t line_ = 0;
  dag read_;
};

}  // namespace detail

/// Reads a graph in the format `dag 1`: a line `# dag 1`, header lines `# key: value`, then one task a line in six
/// columns separated by tabs, which are id, name, kind, seconds, bytes and deps. Lines may end in CR LF too, and the
/// last one without an end. Where the header says how many tasks and edges there are, they are counted.
///
/// Errors   dag_error, which calls the input `file`
inline dag read_dag(std::istream& in, std::string const& file) { return detail::dag_reader{in, file}.read(); }

/// The same, of a file.
inline dag read_dag(std::string const& path) {
  errno = 0;
  std::ifstream in{path, std::ios::binary};
  if (!in) throw dag_error{path, 0, fmt::format("cannot be opened: {}", std::strerror(errno))};
  return read_dag(in, path);
}

}  // namespace support
