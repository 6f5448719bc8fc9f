// Mermaid text, line by line.

#include <dally/dally.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch2.hpp"

using dally::delayed;
using dally::lazy;
using dally::to_mermaid;
using dally::visualize_options;
using dally::tests::contains;

namespace {

int same(int x) { return x; }
int add(int x, int y) { return x + y; }

/// What a flowchart holds.
struct flowchart {
  std::string title, direction;
  std::map<std::string, std::string> circles, boxes, groups;  // labels by name
  std::vector<std::pair<std::string, std::string>> arrows;
  std::map<std::string, std::string> counts;  // "a > b"
  std::map<std::string, std::string> styles;
};

/// What Mermaid makes of a quoted text: `#35;` is a character, `<br/>` a line end, and nothing else means anything.
std::string shown(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 5) == "<br/>") {
      plain += '\n';
      i += 4;
    } else if (text[i] == '#') {
      auto const end = text.find(';', i);
      if (end == text.npos) throw std::runtime_error{"# begins no entity"};
      plain += static_cast<char>(std::stoi(std::string{text.substr(i + 1, end - i - 1)}));
      i = end;
    } else {
      if (std::string_view{"\"\\`<>&;:%{}[]()|*~$'@/!?^="}.find(text[i]) != std::string_view::npos) {
        throw std::runtime_error{std::string{"not escaped: "} + text[i]};
      }
      plain += text[i];
    }
  }
  return plain;
}

/// Reads the part of Mermaid that pictures are written in; throws std::runtime_error at anything else.
flowchart read(std::string const& text) {
  flowchart f;
  std::istringstream lines{text};
  std::string line;
  auto const next = [&] {
    if (!std::getline(lines, line)) throw std::runtime_error{"the text ends too early"};
  };
  next();
  if (line == "---") {
    next();
    if (!line.starts_with("title: \"") || !line.ends_with('"')) throw std::runtime_error{"no title: " + line};
    f.title = shown(std::string_view{line}.substr(8, line.size() - 9));
    next();
    if (line != "---") throw std::runtime_error{"the title does not end"};
    next();
  }
  if (!line.starts_with("flowchart ")) throw std::runtime_error{"no flowchart"};
  f.direction = line.substr(10);
  while (std::getline(lines, line)) {
    if (!line.starts_with("  ")) throw std::runtime_error{"not in the chart: " + line};
    std::string_view rest = std::string_view{line}.substr(2);
    if (rest.starts_with("style ")) {
      rest.remove_prefix(6);
      auto const space = rest.find(' ');
      f.styles[std::string{rest.substr(0, space)}] += rest.substr(space + 1);
      continue;
    }
    auto const end = rest.find_first_not_of("kdtv0123456789");
    std::string const name{rest.substr(0, end)};
    rest.remove_prefix(end);
    auto const between = [&](std::string_view open, std::string_view close) {
      return rest.starts_with(open) && rest.ends_with(close);
    };
    if (between(" --", "")) {
      auto const head = rest.rfind("--> ");
      if (head == rest.npos) throw std::runtime_error{"no arrow: " + line};
      std::string const to{rest.substr(head + 4)};
      f.arrows.emplace_back(name, to);
      if (rest.starts_with(" -- \"")) f.counts[name + " > " + to] = rest.substr(5, head - 7);
    } else if (between("((\"", "\"))")) {
      f.circles[name] = shown(rest.substr(3, rest.size() - 6));
    } else if (between("([\"", "\"])")) {
      f.groups[name] = shown(rest.substr(3, rest.size() - 6));
    } else if (between("[\"", "\"]")) {
      f.boxes[name] = shown(rest.substr(2, rest.size() - 4));
    } else {
      throw std::runtime_error{"what is this: " + line};
    }
  }
  return f;
}

}  // namespace

TEST_CASE("a flowchart has a circle for each task, a box for each result and literal, an arrow for each use",
          "[mermaid]") {
  auto a = delayed(same, {.name = "a"})(1);
  auto b = delayed(add, {.name = "b"})(a, lazy{5});
  auto const chart = read(to_mermaid(b, delayed(add, {.name = "c"})(a, a)));
  CHECK(chart.direction == "BT");
  CHECK(chart.circles == std::map<std::string, std::string>{{"t0", "a"}, {"t1", "b"}, {"t2", "c"}});
  CHECK(chart.boxes == std::map<std::string, std::string>{{"d0", " "}, {"d1", " "}, {"d2", " "}, {"v0", " "}});
  CHECK(chart.arrows.size() == 3 + 2 + 2);
  CHECK(std::count(chart.arrows.begin(), chart.arrows.end(), std::pair<std::string, std::string>{"d0", "t2"}) == 2);
  CHECK(chart.styles.contains("d1"));
  CHECK_FALSE(chart.styles.contains("d0"));
  CHECK(chart.title.empty());
  CHECK(to_mermaid(b) == to_mermaid(b));
}

TEST_CASE("a flowchart follows the options", "[mermaid]") {
  std::vector<lazy<int>> row;
  for (int i = 0; i < 1000; ++i) row.push_back(delayed(same, {.name = "part"})(lazy{i}));
  auto const sum = delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); }, {.name = "sum"})(row);
  auto const chart =
      read(to_mermaid(visualize_options{.rankdir = "LR", .color = dally::coloring::kind, .show_values = true}, sum));
  CHECK(chart.direction == "LR");
  CHECK(chart.groups == std::map<std::string, std::string>{{"k0", "1,000 \xc3\x97 part"}, {"k1", "sum"}});
  CHECK(chart.boxes == std::map<std::string, std::string>{{"v0", "values: 1,000"}, {"d1", "result"}});
  CHECK(chart.counts.at("k0 > k1") == "1,000");
  CHECK_THAT(chart.title, contains("1,001 tasks") && contains("max_nodes = 400"));
  CHECK_THAT(chart.styles.at("k0"), contains("fill:#"));
  CHECK(chart.styles.at("k0") != chart.styles.at("k1"));
  CHECK(read(to_mermaid(sum)).circles.size() == 1001);
  auto const shown_values = read(to_mermaid(visualize_options{.show_values = true}, row[7]));
  CHECK(shown_values.boxes.at("v0") == "7");
  CHECK_THROWS_AS(to_mermaid(visualize_options{.rankdir = "up"}, sum), dally::config_error);
}

TEST_CASE("labels of a flowchart say what they should, whatever is in them", "[mermaid]") {
  for (std::string const text : {"plain",
                                 "two words",
                                 "a \"quoted\" word",
                                 "back\\slash",
                                 "\\n",
                                 "line\nbreak",
                                 "<b>bold</b>",
                                 "<script>",
                                 "`markdown`",
                                 "*bold* _em_ ~~no~~",
                                 "#35;",
                                 "#quot;",
                                 "&amp;",
                                 "a-->b;{}[]()|",
                                 "%% comment",
                                 "end",
                                 "subgraph",
                                 "style:x#y;",
                                 "click t0 \"http:\"",
                                 "$$x^2$$",
                                 "tab\there",
                                 "caf\xc3\xa9",
                                 "\xe2\x82\xac",
                                 "\xf0\x9f\x98\x80",
                                 "@{ shape: cat }",
                                 "---",
                                 "fa:fa-car",
                                 "o",
                                 "x"}) {
    CAPTURE(text);
    CHECK(read(to_mermaid(delayed(same, {.name = text})(1))).circles.at("t0") == text);
  }
  CHECK(read(to_mermaid(delayed(same, {.name = "\xff\x01"})(1))).circles.at("t0") == "\xef\xbf\xbd\xef\xbf\xbd");
  std::string large;
  while (large.size() < (1 << 20)) large += "x\"\\\n#";
  CHECK(read(to_mermaid(delayed(same, {.name = large})(1))).circles.at("t0") == large);
  std::mt19937 random{5};
  for (int i = 0; i < 200; ++i) {
    std::string text = "x";
    for (int k = 0; k < 20; ++k) text += static_cast<char>(random());
    CHECK(read(to_mermaid(delayed(same, {.name = text})(1))).circles.size() == 1);
  }
}
