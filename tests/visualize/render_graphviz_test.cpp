// Pictures that Graphviz draws: their formats, what stands in them, and what is said when there is none.

#include <dally/dally.hpp>
#include <dally/visualize.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/catch2.hpp"
#include "support/sanitizers.hpp"

using dally::delayed;
using dally::lazy;
using dally::visualize_options;
using dally::tests::contains;

namespace {

int increment(int x) { return x + 1; }
int add(int x, int y) { return x + y; }

/// A directory that ends with the test.
class directory {
 public:
  directory() {
    std::string name = (std::filesystem::temp_directory_path() / "dally-picture-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp failed"};
    path_ = name;
  }
  directory(directory const&) = delete;
  directory& operator=(directory const&) = delete;
  ~directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(std::string const& name) const { return (path_ / name).string(); }
  [[nodiscard]] bool empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::filesystem::path path_;
};

std::string content(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// What the descriptor 2 of this process gets while `action` runs.
template <class Action>
std::string printed_by(Action&& action) {
  directory const d;
  auto const file = d / "stderr";
  int const before = ::dup(2);
  if (std::freopen(file.c_str(), "w", stderr) == nullptr) throw std::runtime_error{"freopen failed"};
  action();
  std::fflush(stderr);
  ::dup2(before, 2);
  ::close(before);
  return content(file);
}

lazy<int> lesson() { return delayed(add)(delayed(increment)(1), delayed(increment)(2)); }

}  // namespace

TEST_CASE("a picture is an SVG, PNG or PDF file, as its suffix says", "[render]") {
  directory const d;
  auto const z = lesson();
  z.visualize(d / "z.svg");
  z.visualize(d / "z.png");
  z.visualize(d / "z.pdf", {.rankdir = "LR"});
  auto const svg = content(d / "z.svg");
  CHECK_THAT(svg, contains("<svg") && contains("</svg>") && contains(">increment</text>") && contains(">add</text>"));
  CHECK(count(svg, "class=\"node\"") == 6);
  CHECK(count(svg, "class=\"edge\"") == 5);
  CHECK(count(svg, "<ellipse") == 3);
  CHECK_THAT(content(d / "z.png"), Catch::Matchers::StartsWith("\x89PNG\r\n\x1a\n"));
  CHECK_THAT(content(d / "z.pdf"), Catch::Matchers::StartsWith("%PDF-"));
  dally::visualize(d / "two.svg", {.color = dally::coloring::kind}, z, z + 1);
  CHECK(count(content(d / "two.svg"), "<ellipse") == 4);
}

TEST_CASE("without a path the picture is dally.svg", "[render]") {
  directory const d;
  auto const before = std::filesystem::current_path();
  std::filesystem::current_path(d / "");
  lesson().visualize();
  auto const one = content("dally.svg");
  dally::visualize(lesson(), lesson());
  auto const two = content("dally.svg");
  std::filesystem::current_path(before);
  CHECK(count(one, "<ellipse") == 3);
  CHECK(count(two, "<ellipse") == 6);
}

TEST_CASE("inputs lie below outputs unless rankdir says otherwise", "[render]") {
  directory const d;
  auto const height = [&](std::string_view rankdir, std::string const& name) {
    lesson().visualize(d / "z.svg", {.rankdir = rankdir});
    auto const svg = content(d / "z.svg");
    auto const at = svg.find(" y=\"", svg.rfind("<text", svg.find(">" + name + "<")));
    return std::stod(svg.substr(at + 4));
  };
  CHECK(height("BT", "add") < height("BT", "increment"));  // y grows downwards
  CHECK(height("TB", "add") > height("TB", "increment"));
}

TEST_CASE("every engine of the list draws", "[render]") {
  directory const d;
  for (std::string_view const engine : {"dot", "neato", "fdp", "sfdp", "circo", "twopi", "osage"}) {
    CAPTURE(engine);
    lesson().visualize(d / "z.svg", {.engine = engine});
    CHECK(count(content(d / "z.svg"), "<ellipse") == 3);
  }
  CHECK_THROWS_AS(lesson().visualize(d / "no.svg", {.engine = "neat"}), dally::config_error);
  CHECK_THROWS_WITH(lesson().visualize(d / "no.svg", {.engine = "neat"}), contains("neato, fdp"));
  CHECK_FALSE(std::filesystem::exists(d / "no.svg"));
}

TEST_CASE("large graphs are drawn, and the picture says how", "[render]") {
  directory const d;
  constexpr int size = dally::tests::sanitized ? 2'000 : 50'000;
  std::vector<lazy<int>> row;
  for (int i = 0; i < size; ++i) row.push_back(delayed(increment)(i));
  auto const total = dally::tree_reduce(row, add);
  std::string svg;
  CHECK(printed_by([&] {
          dally::visualize(d / "map.svg", total);
          dally::visualize(d / "map.png", total);
          svg = content(d / "map.svg");
        }).empty());
  CHECK_THAT(svg, contains("drawn as one") &&
                      contains(dally::tests::sanitized ? "2,000 \xc3\x97 increment" : "50,000 \xc3\x97 increment"));
  row.resize(200);
  auto const chain = std::accumulate(row.begin(), row.end(), lazy{0});
  dally::visualize(d / "chain.svg", chain);
  CHECK(count(content(d / "chain.svg"), "<ellipse") == 400);
  auto const reduced = dally::tree_reduce(row, add);
  dally::visualize(d / "all.svg", {.max_nodes = 999, .engine = "sfdp"}, reduced);
  CHECK(count(content(d / "all.svg"), "<ellipse") == 399);
}

TEST_CASE("a picture is the same each time, and the program's random numbers are its own", "[render]") {
  directory const d;
  auto const numbers = [&](char const* engine) {
    std::srand(7);
    srand48(7);
    std::vector<long> drawn;
    for (int i = 0; i < 40; ++i) {
      if (i == 20 && engine != nullptr) lesson().visualize(d / "x.svg", {.engine = engine});
      drawn.push_back(std::rand());
      drawn.push_back(lrand48());
    }
    return drawn;
  };
  auto const alone = numbers(nullptr);
  std::vector<lazy<int>> row;
  for (int i = 0; i < 60; ++i) row.push_back(delayed(increment)(i));
  auto const tree = dally::tree_reduce(row, add);
  for (char const* const engine : {"sfdp", "neato", "fdp"}) {
    CAPTURE(engine);
    CHECK(numbers(engine) == alone);
    tree.visualize(d / "first.svg", {.engine = engine});
    static_cast<void>(std::rand());
    tree.visualize(d / "second.svg", {.engine = engine});
    CHECK(content(d / "first.svg") == content(d / "second.svg"));
  }
}

TEST_CASE("a .png that has no room says so, and draws fewer boxes where their text could not be read", "[render]") {
  directory const d;
  auto const extent = [&](std::string const& file) {  // of a .png: the larger of its sides
    std::string const bytes = content(d / file);
    REQUIRE(bytes.size() > 24);
    auto const number = [&](std::size_t at) {
      std::size_t value = 0;
      for (std::size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
      return value;
    };
    return std::max(number(16), number(20));
  };
  auto const chain = [](int length) {
    lazy<int> x{0};
    for (int i = 0; i < length; ++i) x = delayed(increment, {.name = "step"})(x);
    return x;
  };
  chain(20).visualize(d / "short.png");
  CHECK(extent("short.png") < 7000);
  chain(70).visualize(d / "long.png");  // nine tenths of its size
  CHECK(extent("long.png") > 7000);
  chain(300).visualize(d / "longer.png");  // as one box
  CHECK(extent("longer.png") < 1000);
  chain(300).visualize(d / "longer.svg");
  CHECK(count(content(d / "longer.svg"), "<ellipse") == 300);
}

TEST_CASE("a pointer on a task shows its name and place", "[render]") {
  directory const d;
  delayed(increment, {.name = "increment it by one"})(1).visualize(d / "x.svg");
  auto const svg = content(d / "x.svg");
  CHECK_THAT(svg, contains("xlink:title=\"increment it by one&#10;render_graphviz_test.cpp:"));
  CHECK_THAT(svg, contains("xlink:title=\"result\""));
}

TEST_CASE("Debian's dot draws our text to the same bytes", "[render]") {
  if (std::system("command -v dot >/dev/null") != 0) return;
  directory const d;
  std::vector<lazy<int>> row;
  for (int i = 0; i < 500; ++i) row.push_back(delayed(increment, {.name = "a \"name\"\nof & lines"})(lazy{i}));
  int picture = 0;
  for (auto const& shown : {std::vector{row[0], row[1]}, row}) {
    std::string const file = d / std::to_string(picture++);
    dally::visualize(file + ".svg", {.color = dally::coloring::kind, .engine = "dot"}, shown);
    dally::visualize(file + ".dot", {.color = dally::coloring::kind, .engine = "dot"}, shown);
    std::string command = "dot -Tsvg ";
    command.append(file).append(".dot -o ").append(file).append(".drawn");
    REQUIRE(std::system(command.c_str()) == 0);
    CHECK(content(file + ".drawn") == content(file + ".svg"));
  }
}

TEST_CASE("names reach the picture as they are, and nothing else", "[render]") {
  directory const d;
  for (std::string const name : {"plain", "say \"hi\"", "back\\slash \\N \\G", "<b>bold</b>", "a & b &lt;", "node",
                                 "$(touch owned)", "`touch owned`; touch owned", "caf\xc3\xa9"}) {
    CAPTURE(name);
    delayed(increment, {.name = name})(1).visualize(d / "x.svg");
    auto svg = content(d / "x.svg");
    for (auto const& [entity, character] :
         {std::pair{"&quot;", "\""}, std::pair{"&lt;", "<"}, std::pair{"&gt;", ">"}, std::pair{"&#45;", "-"},
          std::pair{"&#39;", "'"}, std::pair{"&amp;", "&"}}) {
      for (auto at = svg.find(entity); at != svg.npos; at = svg.find(entity, at + 1)) {
        svg.replace(at, std::string_view{entity}.size(), character);
      }
    }
    CHECK_THAT(svg, contains(">" + name + "</text>"));
  }
  CHECK_FALSE(std::filesystem::exists("owned"));
  // Where the path holds what a shell would run, it is a path.
  lesson().visualize(d / "$(touch owned);.svg");
  CHECK(std::filesystem::exists(d / "$(touch owned);.svg"));
  CHECK_FALSE(std::filesystem::exists("owned"));
}

TEST_CASE("a name of a megabyte is shortened in the middle", "[render]") {
  directory const d;
  std::string name = "begin";
  while (name.size() < (1U << 20)) name += " \xc3\xa9\"\\\xff";
  name += " end";
  std::string const printed = printed_by([&] {
    delayed(increment, {.name = name})(1).visualize(d / "x.svg");
    delayed(increment, {.name = name})(1).visualize(d / "x.png");
  });
  CHECK(printed.empty());
  auto const svg = content(d / "x.svg");
  CHECK_THAT(svg, contains("\xe2\x80\xa6") && contains(" end</text>") && contains(">begin"));
  CHECK(svg.size() < 10'000);
  CHECK_THAT(content(d / "x.png"), Catch::Matchers::StartsWith("\x89PNG"));
}

TEST_CASE("Graphviz prints nothing, and a picture of nothing is one too", "[render]") {
  directory const d;
  CHECK(printed_by([&] {
          dally::visualize(d / "none.svg", std::vector<lazy<int>>{});
          dally::visualize(d / "literal.png", lazy{5});
        }).empty());
  CHECK_THAT(content(d / "none.svg"), contains("</svg>"));
  CHECK_THAT(content(d / "literal.png"), Catch::Matchers::StartsWith("\x89PNG"));
}

TEST_CASE("threads draw at once", "[render]") {
  directory const d;
  auto const z = lesson();
  std::vector<std::string> errors(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        try {
          for (int i = 0; i < 5; ++i) z.visualize(d / (std::string{"x"} + std::to_string(t) + ".svg"));
        } catch (std::exception const& e) {
          errors[t] = e.what();
        }
      });
    }
  }
  CHECK(errors == std::vector<std::string>(4));
  for (int t = 1; t < 4; ++t)
    CHECK(content(d / (std::string{"x"} + std::to_string(t) + ".svg")) == content(d / "x0.svg"));
}

TEST_CASE("what cannot be written, and a suffix that says no format, are refused", "[render]") {
  directory const d;
  auto const z = lesson();
  CHECK_THROWS_AS(z.visualize(d / "missing/z.svg"), dally::config_error);
  CHECK_THROWS_WITH(z.visualize(d / "missing/z.svg"), contains("missing/z.svg") && contains("No such file"));
  for (char const* name : {"z.jpg", "z.svgz", "z.SVG", "z", "svg", "z.svg.txt"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(z.visualize(d / name), dally::config_error);
    CHECK_THROWS_WITH(z.visualize(d / name), contains(".svg, .png, .pdf"));
  }
  CHECK(d.empty());
  if (std::filesystem::exists("/dev/full")) {
    std::filesystem::create_symlink("/dev/full", d / "full.svg");
    CHECK_THROWS_AS(z.visualize(d / "full.svg"), dally::resource_error);
  }
}

TEST_CASE("without Graphviz's plugins there is an error", "[.without-plugins]") {
  directory const d;
  CHECK_THROWS_AS(lesson().visualize(d / "z.svg"), dally::error);
  CHECK_THROWS_WITH(lesson().visualize(d / "z.svg"), contains("this Graphviz cannot") && contains("plugins"));
  CHECK(printed_by([&] { CHECK_THROWS(lesson().visualize(d / "z.png")); }).empty());
  CHECK(d.empty());
  lesson().visualize(d / "z.dot");
}

TEST_CASE("a Graphviz without its plugins is an error that quotes it", "[render]") {
  // In a process of its own: Graphviz looks for its plugins once.
  directory const d;
  pid_t const child = ::fork();
  if (child == 0) {
    ::setenv("GVBINDIR", (d / "").c_str(), 1);
    ::execl("/proc/self/exe", "test", "[.without-plugins]", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}
