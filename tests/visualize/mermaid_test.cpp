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
  std::map<std::string, std::string> circles, boxes, groups;  // labels by name; long labels are not in circles
  std::vector<std::pair<std::string, std::string>> arrows;
  std::map<std::string, std::string> counts;  // "a > b"
  std::map<std::string, std::string> styles;
};

/// What Mermaid makes of a quoted text: `#35;` and `&lt;` are characters, `<br/>` a line end. Throws std::runtime_error
/// where Mermaid 11 and 12 show something else than what stands there.
std::string shown(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const follows = [&](std::string_view what) { return text.substr(i).starts_with(what); };
    auto const code = std::min(text.find_first_of("; #", i + 1), text.size());
    if (follows("<br/>")) {
      plain += '\n';
      i += 4;
    } else if (follows("&lt;") || follows("&gt;") || follows("&amp;")) {
      plain += follows("&lt;") ? '<' : follows("&gt;") ? '>' : '&';
      i = code;
    } else if (text[i] == '#' && code < text.size() && text[code] == ';') {
      plain += static_cast<char>(std::stoi(std::string{text.substr(i + 1, code - i - 1)}));
      i = code;
    } else {
      bool const after_word = plain.ends_with("fa") || plain.ends_with("style");
      if (std::string_view{"\"`<>&"}.find(text[i]) != std::string_view::npos || follows("$$") || follows("%%{") ||
          (text[i] == ':' && after_word) || follows("direction ") || follows("direction\t")) {
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
    f.title = line.substr(8, line.size() - 9);  // as it stands
    if (f.title.find_first_of("\"<\\") != f.title.npos)
      throw std::runtime_error{"a title that is not shown as it stands"};
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
    } else if (between("(\"", "\")")) {
      (name[0] == 't' ? f.circles : f.groups)[name] = shown(rest.substr(2, rest.size() - 4));
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
  CHECK(read(to_mermaid(sum)).groups.size() == 2);  // all of it could not be shown
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
                                 "fab:x, fas:y",
                                 "%%{init}%%",
                                 "direction LR",
                                 "in direction\tTB",
                                 "style: a#b;c",
                                 "classDef a:b#c;",
                                 "1. item",
                                 "- item",
                                 "std::map<int, long>::find(int)",
                                 "o",
                                 "x"}) {
    CAPTURE(text);
    CHECK(read(to_mermaid(delayed(same, {.name = text})(1))).circles.at("t0") == text);
  }
  CHECK(read(to_mermaid(delayed(same, {.name = "\xff\x01"})(1))).circles.at("t0") == "\xef\xbf\xbd\xef\xbf\xbd");
  std::string large;
  while (large.size() < (1 << 20)) large += "x\"\\\n#";
  CHECK(read(to_mermaid(delayed(same, {.name = large})(1))).circles.at("t0").size() < 80);
  std::mt19937 random{5};
  for (int i = 0; i < 200; ++i) {
    std::string text = "x";
    for (int k = 0; k < 20; ++k) text += static_cast<char>(random());
    CHECK(read(to_mermaid(delayed(same, {.name = text})(1))).circles.size() == 1);
  }
}

TEST_CASE("a flowchart is one that Mermaid shows, unless more is asked for", "[mermaid]") {
  auto const chain = [](int length, std::string const& name) {
    lazy<int> x = delayed(same, {.name = name})(1);
    for (int i = 1; i < length; ++i) x = delayed(same, {.name = name})(x);
    return x;
  };
  CHECK(read(to_mermaid(chain(50, "step"))).circles.size() == 50);
  CHECK(read(to_mermaid(chain(51, "step"))).circles.empty());
  visualize_options const options{};
  // A task, its arrow to its result, and one from there.
  CHECK(read(to_mermaid(options, chain(250, "step"))).circles.size() == 250);
  auto const too_many = read(to_mermaid(options, chain(251, "step")));
  CHECK(too_many.circles.empty());
  CHECK_THAT(too_many.title, contains("251 tasks, more than max_nodes = 50"));
  CHECK(read(to_mermaid(visualize_options{.max_nodes = 401}, chain(251, "step"))).circles.size() == 251);
  // By its length: 70 characters in the middle of which there is something that takes many.
  auto const long_names = read(to_mermaid(options, chain(240, std::string(70, '"'))));
  CHECK(long_names.circles.empty());
  CHECK(long_names.groups.size() == 1);
}
