#include "../benchmarks/support/dag_file.hpp"

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/catch2.hpp"

using dally::tests::contains;
using support::dag;
using support::dag_error;
using support::read_dag;

namespace {

dag read_text(std::string const& text) {
  std::istringstream in{text};
  return read_dag(in, "text.dag");
}

/// The line that an error is about, and its text; line 0 and "" where there is no error.
std::pair<std::size_t, std::string> refusal(std::string const& text) {
  try {
    static_cast<void>(read_text(text));
  } catch (dag_error const& e) {
    return {e.line(), e.what()};
  }
  return {};
}

/// Two good tasks after a header of three lines, then `line` as the sixth.
std::string with_line(std::string const& line) {
  return "# dag 1\n# name: small\n# licence: none\n"
         "0\tload\tio\t0.5\t100\t-\n1\tcount\tcpu\t1e-3\t0\t0\n" +
         line + "\n";
}

void check_refused(std::string const& text, std::size_t line, std::string const& expected) {
  CAPTURE(text);
  auto const [where, what] = refusal(text);
  CHECK(where == line);
  CHECK_THAT(what, contains("text.dag: line " + std::to_string(line) + ": "));
  CHECK_THAT(what, contains(expected));
}

}  // namespace

TEST_CASE("a graph is read with its header, tasks and edges", "[dag_file]") {
  auto const read = read_text(with_line("2\tjoin:a/b\tcpu\t.25\t18446744073709551615\t0,1"));
  CHECK(read.header.size() == 2);
  CHECK(read.about("name") == "small");
  CHECK(read.about("source").empty());
  REQUIRE(read.tasks.size() == 3);
  CHECK(read.tasks[0].name == "load");
  CHECK(read.tasks[0].deps.empty());
  CHECK(read.tasks[1].seconds == 0.001);
  CHECK(read.tasks[2].name == "join:a/b");
  CHECK(read.tasks[2].kind == "cpu");
  CHECK(read.tasks[2].bytes == 18446744073709551615u);
  CHECK(read.tasks[2].deps == std::vector<std::uint32_t>{0, 1});
  CHECK(read.edges() == 3);
  CHECK(std::abs(read.work_seconds() - 0.751) < 1e-12);
  CHECK(std::abs(read.critical_path_seconds() - 0.751) < 1e-12);
  CHECK(read.consumers() == std::vector<std::uint32_t>{2, 1, 0});
}

TEST_CASE("the critical path is the longest of several, through the slowest dependency", "[dag_file]") {
  auto const read = read_text("# dag 1\n0\ta\tk\t1\t0\t-\n1\tb\tk\t5\t0\t-\n2\tc\tk\t2\t0\t0,1\n3\td\tk\t6.5\t0\t0\n");
  CHECK(read.critical_path_seconds() == 7.5);
  CHECK(read.work_seconds() == 14.5);
}

TEST_CASE("lines may end in CR LF, and the last one without an end", "[dag_file]") {
  auto const text = with_line("2\tlast\tcpu\t1\t7\t0,1");
  std::string crlf;
  for (char c : text) crlf += c == '\n' ? std::string{"\r\n"} : std::string{c};
  for (auto const& form : {crlf, text.substr(0, text.size() - 1), crlf.substr(0, crlf.size() - 2)}) {
    auto const read = read_text(form);
    CHECK(read.about("licence") == "none");
    REQUIRE(read.tasks.size() == 3);
    CHECK(read.tasks[0].deps.empty());
    CHECK(read.tasks[2].bytes == 7);
    CHECK(read.tasks[2].deps == std::vector<std::uint32_t>{0, 1});
  }
}

TEST_CASE("a missing or foreign first line is refused with what it should be", "[dag_file]") {
  check_refused("", 1, "expected \"# dag 1\", but the file is empty");
  check_refused("\n", 1, "expected \"# dag 1\", got \"\"");
  check_refused("# dag 2\n0\ta\tk\t0\t0\t-\n", 1, "expected \"# dag 1\", got \"# dag 2\"");
  check_refused("#dag 1\n", 1, "expected \"# dag 1\"");
  check_refused(" # dag 1\n", 1, "expected \"# dag 1\"");
  check_refused("0\ta\tk\t0\t0\t-\n", 1, "expected \"# dag 1\", got \"0\\ta\\tk\\t0\\t0\\t-\"");
}

TEST_CASE("a header line that is not key and value is refused", "[dag_file]") {
  check_refused("# dag 1\n# name small\n", 2, "expected a header line \"# key: value\", got \"# name small\"");
  check_refused("# dag 1\n#name: small\n", 2, "expected a header line");
  check_refused("# dag 1\n# : small\n", 2, "expected a header line");
  check_refused("# dag 1\n#\n", 2, "expected a header line");
}

TEST_CASE("a line of other than six columns is refused", "[dag_file]") {
  check_refused(with_line(""), 6, "expected 6 columns separated by tabs");
  check_refused(with_line("2\tname\tkind\t1\t1"), 6, "got 5");
  check_refused(with_line("2\tname\tkind\t1\t1\t-\t"), 6, "got 7");
  check_refused(with_line("2 name kind 1 1 -"), 6, "got 1");
  check_refused(with_line("# a header line, late"), 6, "got 1");
}

TEST_CASE("ids that are out of order are refused", "[dag_file]") {
  check_refused(with_line("3\tname\tkind\t1\t1\t-"), 6, "id: expected 2, the ids ascend by one from 0; got \"3\"");
  check_refused(with_line("1\tname\tkind\t1\t1\t-"), 6, "id: expected 2");
  check_refused("# dag 1\n1\tname\tkind\t1\t1\t-\n", 2, "id: expected 0");
  for (auto const* id : {"", "x", "-2", "+2", "2.0", "99999999999999999999999", " 2"})
    check_refused(with_line(std::string{id} + "\tname\tkind\t1\t1\t-"), 6, "id: expected a whole number, got");
}

TEST_CASE("names and kinds that are empty or have white space are refused", "[dag_file]") {
  check_refused(with_line("2\t\tkind\t1\t1\t-"), 6, "name: expected a word without white space, got \"\"");
  check_refused(with_line("2\ta name\tkind\t1\t1\t-"), 6, "name: expected a word");
  check_refused(with_line("2\tname\t\t1\t1\t-"), 6, "kind: expected a word");
}

TEST_CASE("seconds and bytes that are negative or no numbers are refused", "[dag_file]") {
  for (auto const* seconds : {"", "-1", "-0", "+1", "one", "1,5", "1s", "inf", "nan", "0x10", "1e999", " 1", "."}) {
    check_refused(with_line(std::string{"2\tname\tkind\t"} + seconds + "\t1\t-"), 6,
                  "seconds: expected a decimal number of at least 0, got");
  }
  for (auto const* bytes : {"", "-1", "1.5", "1e3", "many", "18446744073709551616", "1 "}) {
    check_refused(with_line(std::string{"2\tname\tkind\t1\t"} + bytes + "\t-"), 6,
                  "bytes: expected a whole number of at least 0, got");
  }
}

TEST_CASE("dependencies that are unsorted, not before their task or no numbers are refused", "[dag_file]") {
  check_refused(with_line("2\tname\tkind\t1\t1\t1,0"), 6, "deps: expected ids in ascending order, got 0 after 1");
  check_refused(with_line("2\tname\tkind\t1\t1\t1,1"), 6, "deps: expected ids in ascending order, got 1 after 1");
  check_refused(with_line("2\tname\tkind\t1\t1\t0,2"), 6, "deps: expected ids below the task's own, 2; got 2");
  check_refused(with_line("2\tname\tkind\t1\t1\t7"), 6, "deps: expected ids below the task's own, 2; got 7");
  check_refused("# dag 1\n0\tname\tkind\t1\t1\t0\n", 2, "deps: expected ids below the task's own, 0; got 0");
  for (auto const* deps : {"", ",", "0,", ",0", "0,,1", "--", "0 1", "0;1", "-1", "a", "0,99999999999999999999"}) {
    check_refused(with_line(std::string{"2\tname\tkind\t1\t1\t"} + deps), 6,
                  "deps: expected ids separated by commas, or \"-\", got");
  }
}

TEST_CASE("a graph without tasks, or with other counts than its header says, is refused", "[dag_file]") {
  check_refused("# dag 1\n", 2, "expected a task, but the file ends");
  check_refused("# dag 1\n# name: small", 3, "expected a task, but the file ends");
  auto const counted = [](char const* tasks, char const* edges) {
    return std::string{"# dag 1\n# tasks: "} + tasks + "\n# edges: " + edges + "\n0\ta\tk\t1\t1\t-\n1\tb\tk\t1\t1\t0\n";
  };
  CHECK(refusal(counted("2", "1")).second.empty());
  check_refused(counted("3", "1"), 6, "expected 3 tasks, as the header says, but the file ends after 2");
  check_refused(counted("2", "2"), 6, "expected 2 edges, as the header says, but the file ends after 1");
}

TEST_CASE("what is quoted in a message is cut and printable", "[dag_file]") {
  auto const [line, what] = refusal(with_line(std::string(100'000, 'x') + "\x1b[31m"));
  CHECK(line == 6);
  CHECK(what.size() < 300);
  CHECK_THAT(refusal("\x1b[31m\n").second, contains("\"\\x1b[31m\""));
}

TEST_CASE("a file that cannot be read is named, with the reason", "[dag_file]") {
  CHECK_THROWS_AS(read_dag("no/such.dag"), dag_error);
  CHECK_THROWS_WITH(read_dag("no/such.dag"), "no/such.dag: cannot be opened: No such file or directory");
  CHECK_THROWS_WITH(read_dag(std::filesystem::temp_directory_path().string()), contains("cannot be read"));
}

TEST_CASE("the benchmarks' own graph is what its credit says", "[dag_file]") {
  auto const read = read_dag(DALLY_BENCHMARK_DATA "/estee-gridcat.dag");
  CHECK(read.about("licence") == "MIT");
  CHECK(read.tasks.size() == 401);
  CHECK(read.edges() == 760);
  CHECK(std::abs(read.critical_path_seconds() - 2.488) < 0.0005);
  CHECK(std::abs(read.work_seconds() - 413.9) < 0.05);
}
