// DOT text, read back by a small parser of our own, and the files it is written to.

#include <dally/dally.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch2.hpp"
#include "support/recorded.hpp"
#include "support/sanitizers.hpp"

using dally::delayed;
using dally::lazy;
using dally::to_dot;
using dally::to_mermaid;
using dally::visualize_options;
using dally::tests::contains;

namespace {

int same(int x) { return x; }
int add(int x, int y) { return x + y; }

/// What a picture holds.
struct drawing {
  std::map<std::string, std::map<std::string, std::string>> boxes;  // attributes by name
  std::vector<std::pair<std::string, std::string>> edges;
  std::map<std::string, std::string> edge_labels;  // "a -> b"
  std::map<std::string, std::string> settings;     // of the graph

  [[nodiscard]] std::size_t count(std::string const& attribute, std::string const& value) const {
    std::size_t found = 0;
    for (auto const& [name, attributes] : boxes) {
      auto const at = attributes.find(attribute);
      found += at != attributes.end() && at->second == value ? 1 : 0;
    }
    return found;
  }
  [[nodiscard]] std::size_t squares() const { return count("shape", "box"); }
  /// Boxes of single tasks: `t0`, `t1`.
  [[nodiscard]] std::size_t tasks() const { return named('t'); }
  /// Tasks drawn as one: `k0`, `k1`.
  [[nodiscard]] std::size_t collapsed() const { return named('k'); }
  [[nodiscard]] std::size_t named(char letter) const {
    return static_cast<std::size_t>(
        std::count_if(boxes.begin(), boxes.end(), [&](auto const& box) { return box.first[0] == letter; }));
  }
  /// How many of these there are of each number of tasks and name.
  [[nodiscard]] std::map<std::string, int> groups() const {
    std::map<std::string, int> found;
    for (auto const& [name, attributes] : boxes) {
      if (name[0] == 'k') ++found[attributes.at("label")];
    }
    return found;
  }
  /// Whether the arrows go in circles, or from a box to itself.
  [[nodiscard]] bool circular() const {
    std::map<std::string, std::size_t> waits_for;
    for (auto const& [from, to] : edges) ++waits_for[to];
    std::vector<std::string> ready;
    for (auto const& [name, attributes] : boxes) {
      if (waits_for[name] == 0) ready.push_back(name);
    }
    std::size_t done = 0;
    for (; done < ready.size(); ++done) {
      auto const name = ready[done];
      for (auto const& [from, to] : edges) {
        if (from == name && --waits_for[to] == 0) ready.push_back(to);
      }
    }
    return done != boxes.size();
  }
};

/// Reads the part of the DOT language that pictures are written in; throws std::runtime_error at anything else.
class reader {
 public:
  explicit reader(std::string_view text) : text_{text} {}

  drawing read() {
    drawing d;
    expect("digraph");
    if (peek() != "{") take();
    expect("{");
    while (peek() != "}") statement(d);
    expect("}");
    if (!peek().empty()) throw std::runtime_error{"text after the graph"};
    return d;
  }

 private:
  void statement(drawing& d) {
    std::string const name = take();
    if (peek() == "=") {
      take();
      d.settings[name] = take();
    } else if (peek() == "->") {
      take();
      std::string const to = take();
      d.edges.emplace_back(name, to);
      auto const attributes = list();
      if (attributes.contains("label")) d.edge_labels[name + " -> " + to] = attributes.at("label");
    } else {
      auto const attributes = list();
      if (name == "node" || name == "edge" || name == "graph") {
        for (auto const& [key, value] : attributes) d.settings[name == "graph" ? key : name + '.' + key] = value;
      } else if (!d.boxes.emplace(name, attributes).second) {
        throw std::runtime_error{"declared twice: " + name};
      }
    }
    if (peek() == ";") take();
  }

  std::map<std::string, std::string> list() {
    std::map<std::string, std::string> attributes;
    if (peek() != "[") return attributes;
    take();
    while (peek() != "]") {
      std::string const name = take();
      expect("=");
      attributes[name] = take();
      if (peek() == "," || peek() == ";") take();
    }
    take();
    return attributes;
  }

  // A token as it stands; of a quoted string what is meant by it, after a mark that no other token begins with.
  std::string take() {
    std::string token = next();
    at_ = end_;
    if (token.empty()) throw std::runtime_error{"the text ends too early"};
    return token.front() == '\1' ? token.substr(1) : token;
  }
  std::string peek() { return next(); }
  void expect(std::string const& token) {
    if (next() != token) throw std::runtime_error{"expected " + token + ", not " + next()};
    take();
  }

  std::string next() {
    std::size_t i = at_;
    while (i < text_.size() && (text_[i] == ' ' || text_[i] == '\n')) ++i;
    if (i == text_.size()) return end_ = i, "";
    std::string token;
    if (text_[i] == '"') {
      token = "\1";
      for (++i; i < text_.size() && text_[i] != '"'; ++i) {
        if (static_cast<unsigned char>(text_[i]) < 0x20 && text_[i] != '\t')
          throw std::runtime_error{"control character"};
        if (text_.substr(i, 5) == "&amp;") {
          token += '&';
          i += 4;
        } else if (text_.substr(i, 5) == "&#10;") {
          token += '\n';
          i += 4;
        } else if (text_[i] != '\\') {
          if (text_[i] == '&') refuse_entity(text_.substr(i + 1));
          token += text_[i];
        } else if (++i < text_.size()) {
          if (text_[i] != 'n' && text_[i] != '"' && text_[i] != '\\') throw std::runtime_error{"unknown escape"};
          token += text_[i] == 'n' ? '\n' : text_[i];
        }
      }
      if (i == text_.size()) throw std::runtime_error{"a string without end"};
      end_ = i + 1;
    } else if (text_.substr(i, 2) == "->") {
      token = "->";
      end_ = i + 2;
    } else if (std::string_view{"{}[]=,;"}.find(text_[i]) != std::string_view::npos) {
      token = text_[i];
      end_ = i + 1;
    } else {
      auto const word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
      };
      end_ = i;
      while (end_ < text_.size() && word(text_[end_])) ++end_;
      if (end_ == i) throw std::runtime_error{std::string{"unexpected "} + text_[i]};
      token = text_.substr(i, end_ - i);
    }
    return token;
  }

  // Graphviz draws &lt; as another character, so no label may have it.
  static void refuse_entity(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '#')) ++i;
    if (i > 0 && i < text.size() && text[i] == ';') throw std::runtime_error{"entity"};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

drawing read(std::string const& text) { return reader{text}.read(); }

/// The label with which a task of that name is drawn.
std::string drawn(std::string const& name) {
  auto const d = read(to_dot(delayed(same, {.name = name})(1)));
  return d.boxes.at("t0").at("label");
}

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto const c = static_cast<unsigned char>(text[i]);
    std::size_t const more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 9;
    if (more == 9 || c > 0xf4 || i + more >= text.size() + (more == 0 ? 1 : 0)) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    i += 1 + more;
  }
  return true;
}

std::string content(std::filesystem::path const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// A directory of the test's own.
class directory {
 public:
  directory() {
    auto text = (std::filesystem::temp_directory_path() / "dally-dot-XXXXXX").string();
    if (mkdtemp(text.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
    path_ = text;
  }
  directory(directory const&) = delete;
  directory& operator=(directory const&) = delete;
  ~directory() { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string operator/(std::string const& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> all;
    for (auto const& entry : std::filesystem::directory_iterator{path_}) all.insert(entry.path().filename().string());
    return all;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("a picture has a circle for each task, a box for each result and literal, an edge for each use", "[dot]") {
  auto a = delayed(same)(1), b = delayed(same)(2);
  auto c = delayed(add)(a, b), d = delayed(add)(c, lazy{5}), e = delayed(add)(a, a);
  auto unused = delayed(same)(d);
  auto const picture = read(to_dot(d, e));
  CHECK(picture.tasks() == 5);
  CHECK(picture.squares() == 5 + 1);
  // Five from a task to its result, two into c, two into d, two into e.
  CHECK(picture.edges.size() == 5 + 2 + 2 + 2);
  CHECK(picture.count("label", c.name()) == 3);
  CHECK(picture.count("label", a.name()) == 2);
  for (auto const& [from, to] : picture.edges) {
    CHECK(picture.boxes.contains(from));
    CHECK(picture.boxes.contains(to));
    CHECK(picture.boxes.at(from).at("shape") != picture.boxes.at(to).at("shape"));
  }
  CHECK(read(to_dot(lazy{5})).squares() == 1);
  CHECK(read(to_dot(lazy{5})).tasks() == 0);
  CHECK(read(to_dot(std::vector<lazy<int>>{})).boxes.empty());
  CHECK(read(to_dot(std::vector{d, e}, std::map<int, lazy<int>>{{1, c}})).tasks() == 5);
}

TEST_CASE("the drawn edges are those of the graph", "[dot]") {
  auto const seed = GENERATE(range(0U, 20U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::vector<lazy<int>> nodes;
  std::vector<std::pair<std::string, std::string>> expected;
  for (int i = 0; i < 60; ++i) {
    std::vector<lazy<int>> inputs;
    std::string const name = "task " + std::to_string(i);
    for (unsigned k = 0; k < random() % 4 && !nodes.empty(); ++k) {
      auto const from = random() % nodes.size();
      inputs.push_back(nodes[from]);
      expected.emplace_back("task " + std::to_string(from), name);
    }
    nodes.push_back(
        delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); }, {.name = name})(inputs));
  }
  auto const picture = read(to_dot(nodes));
  // From task to result to task.
  std::map<std::string, std::string> made_by;
  for (auto const& [from, to] : picture.edges) {
    if (from[0] == 't') made_by[to] = picture.boxes.at(from).at("label");
  }
  std::vector<std::pair<std::string, std::string>> drawn_edges;
  for (auto const& [from, to] : picture.edges) {
    if (made_by.contains(from)) drawn_edges.emplace_back(made_by.at(from), picture.boxes.at(to).at("label"));
  }
  std::sort(expected.begin(), expected.end());
  std::sort(drawn_edges.begin(), drawn_edges.end());
  CHECK(drawn_edges == expected);
}

TEST_CASE("labels say what they should, whatever is in them", "[dot]") {
  for (std::string const text : {"plain",
                                 "two words",
                                 "a \"quoted\" word",
                                 "back\\slash",
                                 "ends in a backslash\\",
                                 "\\",
                                 "\\\"",
                                 "\"",
                                 "line\nbreak",
                                 "\\n is no line break",
                                 "<b>bold</b>",
                                 "<",
                                 "a->b;{}[]",
                                 "graph",
                                 "digraph",
                                 "subgraph",
                                 "node",
                                 "edge",
                                 "strict",
                                 "\\N \\G \\L",
                                 "// no comment",
                                 "# none either",
                                 "/* nor this */",
                                 "tab\there",
                                 "caf\xc3\xa9",
                                 "\xe2\x82\xac",
                                 "\xf0\x9f\x98\x80",
                                 "123",
                                 "-",
                                 "=",
                                 "%s %d {}",
                                 "&amp; &lt; &#65;",
                                 "a & b",
                                 "&&",
                                 "R&T",
                                 "&",
                                 "x&y z; &nbsp;",
                                 "&amp;amp;"}) {
    CAPTURE(text);
    CHECK(drawn(text) == text);
  }
}

TEST_CASE("what is no text is drawn as replacement characters", "[dot]") {
  std::string const replaced = "\xef\xbf\xbd";
  CHECK(drawn(std::string{"a\0b", 3}) == "a" + replaced + "b");
  CHECK(drawn("\x01\x1f\x7f\r") == replaced + replaced + replaced + replaced);
  for (std::string const text : {"\xff", "\xc3", "a\xc3(", "\xe2\x82", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80",
                                 "\xf8\x88\x80\x80\x80", "\x80", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "ok\xfe\xff!"}) {
    CAPTURE(text);
    auto const all = to_dot(delayed(same, {.name = text})(1));
    CHECK(valid_utf8(all));
    CHECK_THAT(drawn(text), contains(replaced));
  }
  std::mt19937 random{3};
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (int k = 0; k < 20; ++k) text += static_cast<char>(random());
    auto const all = to_dot(delayed(same, {.name = text})(1));
    CHECK(valid_utf8(all));
    CHECK(read(all).tasks() == 1);
  }
}

TEST_CASE("a long label makes an ellipse, a longer one is shortened, and the tooltip has more and the place", "[dot]") {
  auto const box = [](std::string const& name) {
    return read(to_dot(delayed(same, {.name = name})(1))).boxes.at("t0");
  };
  CHECK(box("twelve bytes").at("shape") == "circle");
  CHECK(box("thirteen byte").at("shape") == "ellipse");
  std::string twelve;  // characters, of two bytes each
  for (int i = 0; i < 12; ++i) twelve += "\xc3\xa9";
  CHECK(box(twelve).at("shape") == "circle");
  std::string const dots = "\xe2\x80\xa6";
  CHECK(box(std::string(72, 'x')).at("label") == std::string(72, 'x'));
  CHECK(box(std::string(48, 'a') + "-" + std::string(24, 'z')).at("label") ==
        std::string(46, 'a') + dots + std::string(23, 'z'));
  for (std::size_t size = 60; size < 100; ++size) CHECK(box(std::string(size, 'x')).at("label").size() <= 72);
  std::string split;  // nowhere within a character
  for (int i = 0; i < 50; ++i) split += "\xe2\x82\xac";
  CHECK(box(split).at("label").size() % 3 == 0);
  CHECK_THAT(box("a \"name\"").at("tooltip"), contains("a \"name\"") && contains("dot_test.cpp:"));
  std::string text;
  while (text.size() < (1 << 20)) text += "x\"\\\n";
  auto const megabyte = box(text);
  CHECK(megabyte.at("label").size() < 80);
  CHECK(megabyte.at("tooltip").size() < 400);
}

TEST_CASE("only results that are asked for have boxes", "[dot]") {
  auto a = delayed(same)(1), b = delayed(same)(2);
  auto c = delayed(add)(a, b), d = delayed(add)(a, c);
  auto const of = [&](dally::shown_results results) { return read(to_dot(visualize_options{.results = results}, d)); };
  auto const all = of(dally::shown_results::all), shared = of(dally::shown_results::shared),
             ends = of(dally::shown_results::ends);
  CHECK(all.named('d') == 4);
  CHECK(all.edges.size() == 4 + 4);
  CHECK(shared.named('d') == 2);  // of a, which two take, and of d
  CHECK(shared.edges.size() == 2 + 4);
  CHECK(ends.named('d') == 1);
  CHECK(ends.edges.size() == 1 + 4);
  for (auto const& picture : {all, shared, ends}) CHECK(picture.tasks() == 4);
  // Each use is an arrow, from the task itself where its result has no box.
  CHECK(std::count(ends.edges.begin(), ends.edges.end(), std::pair<std::string, std::string>{"t0", "t1"}) +
            std::count(ends.edges.begin(), ends.edges.end(), std::pair<std::string, std::string>{"t0", "t2"}) +
            std::count(ends.edges.begin(), ends.edges.end(), std::pair<std::string, std::string>{"t0", "t3"}) ==
        2);
  CHECK(read(to_dot(visualize_options{.results = dally::shown_results::ends}, delayed(add)(a, a))).edges.size() == 3);
}

TEST_CASE("the text is one that other programs read too", "[dot]") {
  std::vector<lazy<int>> row;
  for (int i = 0; i < 500; ++i) row.push_back(delayed(same, {.name = "a\n\"b\";"})(i));
  for (auto const& text : {to_dot(row[0]), to_dot(visualize_options{.color = dally::coloring::kind}, row),
                           to_dot(visualize_options{.engine = "sfdp"}, row[0])}) {
    CHECK_THAT(text, contains("\n  rankdir=BT;\n"));
    CHECK_THAT(text, !contains("graph ["));
    CHECK_THAT(text, !contains("prism"));
    CHECK(text.find(", color=") < text.find(", fillcolor="));  // of the last, vis-network makes the filling
    std::size_t const brace = text.rfind("\n}");
    REQUIRE(brace != text.npos);
    CHECK(text[brace - 1] != ';');
  }
  CHECK_THAT(to_dot(row[0]), !contains("\n  label="));  // a title only where there is something to say
  auto const collapsed = to_dot(visualize_options{}, row);
  CHECK_THAT(collapsed, contains("drawn as one.&#10;"));
  CHECK_THAT(collapsed, contains("a\\n\\\"b\\\";"));
}

TEST_CASE("literals show their values where that is asked for", "[dot]") {
  auto x = delayed(add)(lazy{41}, lazy{1});
  CHECK(read(to_dot(x)).count("label", "41") == 0);
  auto const shown = read(to_dot(visualize_options{.show_values = true}, x));
  CHECK(shown.count("label", "41") == 1);
  CHECK(shown.squares() == 3);
  auto text = delayed([](std::string const& s) { return s; })(lazy<std::string>{"a \"b\""});
  CHECK(read(to_dot(visualize_options{.show_values = true}, text)).count("label", "\"a \"b\"\"") == 1);
}

TEST_CASE("the same graph gives the same text, and an equal one too", "[dot]") {
  auto const make = [](unsigned seed) {
    std::mt19937 random{seed};
    std::vector<lazy<int>> nodes{delayed(same)(0)};
    for (int i = 0; i < 200; ++i) {
      nodes.push_back(delayed(add)(nodes[random() % nodes.size()], nodes[random() % nodes.size()]));
    }
    return nodes;
  };
  auto const nodes = make(1);
  auto const text = to_dot(nodes.back(), nodes[50]);
  CHECK(to_dot(nodes.back(), nodes[50]) == text);
  CHECK(dally::compute(dally::threads{2}, nodes).size() == 201);
  CHECK(to_dot(nodes.back(), nodes[50]) == text);
  auto const again = make(1);
  CHECK(to_dot(again.back(), again[50]) == text);
  CHECK(to_dot(make(2).back()) != text);
}

TEST_CASE("labels show the function, never what wraps it", "[dot]") {
  auto const of = [](auto const& x) { return read(to_dot(x)).boxes.at("t0").at("label"); };
  CHECK(of(delayed(dally::fn<same>)(1)) == of(delayed(same)(1)));
  CHECK_THAT(of(delayed(same)(1)), contains("same"));
  CHECK(of(delayed(delayed(same))(1)) == of(delayed(same)(1)));
  CHECK(of(delayed(same)(1).after(lazy{2})) == of(delayed(same)(1)));
  CHECK(of(delayed(same, {.name = "mine"})(1)) == "mine");
  CHECK_THAT(of(delayed([](int x) { return x; })(1)), contains("lambda at dot_test.cpp:"));
  // No hash of its key stands in a label, whose length therefore needs no limit.
  CHECK(of(delayed(same, {.name = "pure", .pure = true})(1)) == "pure");
}

TEST_CASE("collapsed and full pictures have the expected boxes, and what is alone stays", "[dot][collapse]") {
  std::vector<lazy<int>> all;
  for (int i = 0; i < 8; ++i) all.push_back(delayed(same, {.name = "in"})(lazy{i}));
  all.push_back(delayed(same, {.name = "alone"})(1));
  auto const full = read(to_dot(visualize_options{.max_nodes = 9}, all));
  CHECK(full.tasks() == 9);
  CHECK(full.squares() == 9 + 8);
  auto const collapsed = read(to_dot(visualize_options{.max_nodes = 8}, all));
  CHECK(collapsed.groups() == std::map<std::string, int>{{"8 \xc3\x97 in", 1}, {"alone", 1}});
  CHECK(collapsed.squares() == 3);  // the literals, and results of both
}

TEST_CASE("options apply, and the caller's object is unchanged", "[dot]") {
  auto x = delayed(add, {.name = "a"})(lazy{41}, 1);
  visualize_options const mine{
      .rankdir = "LR", .max_nodes = 7, .color = dally::coloring::kind, .show_values = true, .engine = "twopi"};
  visualize_options given = mine;
  auto const picture = read(to_dot(given, x));
  CHECK(picture.settings.at("rankdir") == "LR");
  CHECK(picture.settings.at("layout") == "twopi");
  CHECK(picture.boxes.at("t0").contains("fillcolor"));
  CHECK(picture.count("label", "41") == 1);
  directory const d;
  x.visualize(d / "x.dot", given);
  CHECK(content(d / "x.dot") == to_dot(mine, x));
  CHECK(to_mermaid(given, x) == to_mermaid(mine, x));
  CHECK((given.rankdir == mine.rankdir && given.max_nodes == 7 && given.color == mine.color && given.show_values &&
         given.engine == mine.engine));
}

TEST_CASE("rankdir is one of four", "[dot]") {
  auto x = delayed(same)(1);
  CHECK(read(to_dot(x)).settings.at("rankdir") == "BT");
  for (std::string_view const good : {"BT", "TB", "LR", "RL"}) {
    CHECK(read(to_dot(visualize_options{.rankdir = good}, x)).settings.at("rankdir") == good);
  }
  for (std::string_view const bad : {"", "bt", "BTT", "left", "B", "LR;evil"}) {
    CHECK_THROWS_AS(to_dot(visualize_options{.rankdir = bad}, x), dally::config_error);
    CHECK_THROWS_WITH(to_dot(visualize_options{.rankdir = bad}, x), contains("BT, TB, LR, RL"));
  }
}

TEST_CASE("above max_nodes tasks of one label are drawn as one that counts them", "[dot][collapse]") {
  std::vector<lazy<int>> parts;
  for (int i = 0; i < 30; ++i) parts.push_back(delayed(same, {.name = "part"})(i));
  auto total = delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); }, {.name = "total"})(parts);
  auto last = delayed(same, {.name = "\"last\""})(total);
  CHECK(read(to_dot(visualize_options{.max_nodes = 32}, last)).tasks() == 32);
  auto const text = to_dot(visualize_options{.max_nodes = 31}, last);
  auto const picture = read(text);
  CHECK(picture.groups() == std::map<std::string, int>{{"30 \xc3\x97 part", 1}, {"total", 1}, {"\"last\"", 1}});
  CHECK(picture.squares() == 1);
  CHECK(picture.count("label", "result") == 1);
  CHECK(picture.edges.size() == 3);
  REQUIRE(picture.edge_labels.size() == 1);
  CHECK(picture.edge_labels.begin()->second == "30");
  CHECK_FALSE(picture.circular());
  CHECK_THAT(picture.settings.at("label"), contains("32 tasks") && contains("max_nodes = 31"));
  CHECK(to_dot(visualize_options{.max_nodes = 31}, last) == text);
  CHECK(read(to_dot(visualize_options{.max_nodes = 1}, last)).collapsed() == 3);
  CHECK_THROWS_AS(to_dot(visualize_options{.max_nodes = 0}, last), dally::config_error);
  // Where no options are given, all is drawn.
  lazy<int> chain = last;
  for (int i = 0; i < 500; ++i) chain = delayed(same)(chain);
  CHECK(read(to_dot(chain)).tasks() == 532);
  CHECK(read(to_dot(visualize_options{}, chain)).tasks() == 0);
}

TEST_CASE("a reduction shows its levels, a chain that it is one, a loop that it goes round", "[collapse]") {
  visualize_options const small{.max_nodes = 20};
  std::vector<lazy<int>> row;
  for (int i = 0; i < 4096; ++i) row.push_back(delayed(same, {.name = "make"})(i));
  auto const tree = dally::tree_reduce(row, [](int a, int b) { return a + b; });
  auto const levels = read(to_dot(small, tree));
  CHECK(levels.collapsed() == 13);
  CHECK(levels.edges.size() == 13);
  CHECK_FALSE(levels.circular());
  CHECK(levels.groups().contains("4,096 \xc3\x97 make"));

  lazy<int> chain{0};
  for (int i = 0; i < 5000; ++i) chain = delayed(add, {.name = "add"})(chain, i);
  auto const one = read(to_dot(small, chain));
  CHECK(one.groups() == std::map<std::string, int>{{"5,000 \xc3\x97 add, one after another", 1}});
  CHECK(one.count("label", "value") == 1);
  CHECK(one.count("label", "result") == 1);
  CHECK(one.edges.size() == 3);
  CHECK(one.edge_labels.size() == 1);
  CHECK(one.edge_labels.begin()->second == "4,999");
  CHECK(one.circular());

  std::vector<lazy<int>> state;
  for (int i = 0; i < 10; ++i) state.push_back(delayed(same, {.name = "begin"})(i));
  auto const sum = delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); }, {.name = "sum"});
  for (int i = 0; i < 200; ++i) {
    auto const all = sum(state);
    for (auto& x : state) x = delayed(add, {.name = "step"})(x, all);
  }
  auto const loop = read(to_dot(small, state));
  CHECK(loop.groups() == std::map<std::string, int>{{"10 \xc3\x97 begin", 1},
                                                    {"200 \xc3\x97 sum, one after another", 1},
                                                    {"2,000 \xc3\x97 step, 200 levels, up to 10 at once", 1}});
}

TEST_CASE("a wave over a grid shows how it grows and shrinks", "[collapse]") {
  constexpr std::size_t side = 100;
  std::vector<lazy<int>> row(side, lazy{0});
  for (std::size_t i = 0; i < side; ++i) {
    for (std::size_t k = 0; k < side; ++k)
      row[k] = delayed(add, {.name = "step"})(row[k], k == 0 ? lazy{0} : row[k - 1]);
  }
  auto const picture = read(to_dot(visualize_options{}, row.back()));
  CHECK(picture.collapsed() == 12);
  std::map<std::string, std::size_t> taken_from;
  for (auto const& [from, to] : picture.edges) taken_from[from] += from != to && from[0] == 'k' ? 1U : 0U;
  CHECK(std::all_of(taken_from.begin(), taken_from.end(), [](auto const& one) { return one.second <= 1; }));
  CHECK_THAT(picture.settings.at("label"), contains("10,000 tasks") && contains("similar depth"));
}

TEST_CASE("where each level takes from all below, fewer and wider stretches are drawn", "[collapse]") {
  std::vector<std::vector<lazy<int>>> levels;
  for (std::size_t depth = 0; depth < 30; ++depth) {
    auto& level = levels.emplace_back();
    for (std::size_t i = 0; i < 4 * (30 - depth); ++i) {
      std::vector<lazy<int>> inputs;
      for (std::size_t below = 0; below < depth; ++below) inputs.push_back(levels[below][i % levels[below].size()]);
      level.push_back(
          delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); }, {.name = "front"})(inputs));
    }
  }
  auto const picture = read(to_dot(visualize_options{}, levels));
  CHECK(picture.collapsed() == 6);
  std::size_t uses = 0;
  for (auto const& [from, to] : picture.edges) uses += to[0] == 'k' ? 1U : 0U;
  CHECK(uses == 6 * 7 / 2);
}

TEST_CASE("a collapsed picture leaves nothing out: its numbers add up to the graph's", "[collapse]") {
  auto const seed = GENERATE(range(0U, 30U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  auto const kinds = 1 + random() % 30;
  auto const reach = 1 + random() % 200;
  std::vector<lazy<int>> nodes;
  std::vector<bool> taken;
  std::size_t uses = 0, literals = 0;
  auto const number_of = [](std::string const& text) {
    std::string digits;
    for (char const c : text) {
      if (std::isdigit(static_cast<unsigned char>(c)) != 0) digits += c;
    }
    return digits.empty() ? std::size_t{1} : static_cast<std::size_t>(std::stoul(digits));
  };
  for (int i = 0; i < 500; ++i) {
    std::vector<lazy<int>> inputs;
    for (unsigned k = 0; k < random() % 4; ++k) {
      if (nodes.empty() || random() % 8 == 0) {
        inputs.push_back(lazy{1});
        ++literals;
      } else {
        auto const from = nodes.size() - 1 - random() % std::min<std::size_t>(reach, nodes.size());
        inputs.push_back(nodes[from]);
        taken[from] = true;
        ++uses;
      }
    }
    nodes.push_back(delayed([](std::vector<int> const& v) { return static_cast<int>(v.size()); },
                            {.name = std::string(1, static_cast<char>('A' + random() % kinds))})(inputs));
    taken.push_back(false);
  }
  std::vector<lazy<int>> outputs;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!taken[i]) outputs.push_back(nodes[i]);
  }
  auto const picture = read(to_dot(visualize_options{}, outputs));
  std::size_t tasks = 0, drawn_uses = 0, drawn_literals = 0, drawn_results = 0;
  for (auto const& [label, times] : picture.groups()) {
    auto const mark = label.find(" \xc3\x97 ");
    tasks += static_cast<std::size_t>(times) * (mark == label.npos ? 1 : number_of(label.substr(0, mark)));
  }
  for (auto const& [from, to] : picture.edges) {
    auto const label = picture.edge_labels.find(from + " -> " + to);
    auto const count = label == picture.edge_labels.end() ? 1 : number_of(label->second);
    (from[0] == 'v' ? drawn_literals : to[0] == 'd' ? drawn_results : drawn_uses) += count;
  }
  CHECK(tasks == 500);
  CHECK(drawn_uses == uses);
  CHECK(drawn_literals == literals);
  CHECK(drawn_results == outputs.size());
}

TEST_CASE("outputs that are no tasks are counted too", "[collapse]") {
  lazy<int> x{1};
  for (int i = 0; i < 20; ++i) x = delayed(same, {.name = "same"})(x);
  auto const picture = read(to_dot(visualize_options{.max_nodes = 3}, x, lazy{2}, lazy{3}));
  CHECK(picture.collapsed() == 1);
  CHECK(picture.count("label", "values: 2") == 1);
  CHECK(picture.count("label", "value") == 1);
}

TEST_CASE("names that differ in digits are one kind where there would be too many, and so are all names at last",
          "[collapse]") {
  constexpr int count = dally::tests::sanitized ? 20'000 : 200'000;
  std::vector<lazy<int>> parts;
  for (int i = 0; i < count; ++i) {
    parts.push_back(delayed(same, {.name = "part " + std::to_string(i * 7919 % count) + " of 7"})(i));
  }
  auto const digits = read(to_dot(visualize_options{}, parts));
  CHECK(digits.collapsed() == 1);
  CHECK_THAT(digits.groups().begin()->first, contains("000 \xc3\x97 part # of #"));
  CHECK_THAT(digits.settings.at("label"), contains("but for digits"));
  // What stands alone, or nearly, keeps its digits.
  std::vector<lazy<int>> some(parts.begin(), parts.begin() + 500);
  for (std::string const name : {"conv1d", "conv2d", "conv3d", "conv3d", "alone 1"}) {
    some.push_back(delayed(same, {.name = name})(1));
  }
  auto const few = read(to_dot(visualize_options{}, some));
  CHECK(few.groups() ==
        std::map<std::string, int>{
            {"500 \xc3\x97 part # of #", 1}, {"conv1d", 1}, {"conv2d", 1}, {"2 \xc3\x97 conv3d", 1}, {"alone 1", 1}});
  std::vector<lazy<int>> twins;
  for (int i = 0; i < 1000; ++i) {
    std::string name{static_cast<char>('a' + i / 2 % 20), static_cast<char>('a' + i / 40)};
    twins.push_back(delayed(same, {.name = name + std::to_string(i % 2)})(i));
  }
  CHECK(read(to_dot(visualize_options{.max_nodes = 600}, twins)).collapsed() == 500);
  std::vector<lazy<int>> words;
  for (int i = 0; i < 1000; ++i) {
    std::string name;
    for (int k = i; k > 0; k /= 7) name += static_cast<char>('a' + k % 7);
    words.push_back(delayed(same, {.name = name + "-"})(i));
  }
  auto const different = read(to_dot(visualize_options{}, words));
  CHECK(different.groups() == std::map<std::string, int>{{"1,000 \xc3\x97 different", 1}});
  CHECK(read(to_dot(visualize_options{.max_nodes = 999}, words)).collapsed() == 1);
  words.pop_back();
  CHECK(read(to_dot(visualize_options{.max_nodes = 999}, words)).tasks() == 999);
}

TEST_CASE("the engine is chosen by size before anything is placed, and a large picture says so", "[dot]") {
  std::vector<lazy<int>> row;
  for (int i = 0; i < 666; ++i) row.push_back(delayed(same)(i));
  auto const small = read(to_dot(row));  // 666 circles, boxes and arrows
  CHECK_FALSE(small.settings.contains("layout"));
  row.push_back(delayed(same)(0));
  auto const large = read(to_dot(row));
  CHECK(large.settings.at("layout") == "sfdp");
  CHECK_THAT(large.settings.at("label"), contains("sfdp") && contains("2,001"));
  auto const chosen = read(to_dot(visualize_options{.max_nodes = 999, .engine = "dot"}, row));
  CHECK(chosen.settings.at("layout") == "dot");
  CHECK_FALSE(chosen.settings.contains("label"));
  for (std::string_view const good : {"dot", "neato", "fdp", "sfdp", "circo", "twopi", "osage"}) {
    CHECK(read(to_dot(visualize_options{.engine = good}, row)).settings.at("layout") == good);
  }
  for (std::string_view const bad : {"do", "dott", "DOT", "patchwork", "dot neato", " ", "sh"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(to_dot(visualize_options{.engine = bad}, row), dally::config_error);
    CHECK_THROWS_WITH(to_dot(visualize_options{.engine = bad}, row), contains("dot, neato, fdp, sfdp, circo"));
  }
}

TEST_CASE("tasks of one kind have one colour where that is asked for", "[dot]") {
  auto x = delayed(same, {.name = "a"})(1), y = delayed(same, {.name = "a"})(2), z = delayed(same, {.name = "b"})(3);
  CHECK(read(to_dot(x)).boxes.at("t0").contains("fillcolor") == false);
  auto const picture = read(to_dot(visualize_options{.color = dally::coloring::kind}, x, y, z));
  std::map<std::string, std::set<std::string>> colors;
  for (auto const& [box, attributes] : picture.boxes) {
    if (box[0] == 't') colors[attributes.at("label")].insert(attributes.at("fillcolor"));
  }
  CHECK(colors.at("a").size() == 1);
  CHECK(colors.at("b").size() == 1);
  CHECK(colors.at("a") != colors.at("b"));
}

TEST_CASE("a chain of a million tasks becomes text", "[dot]") {
  constexpr int length = dally::tests::sanitized ? 100'000 : 1'000'000;
  lazy<int> x{0};
  for (int i = 0; i < length; ++i) x = delayed(add)(x, i);
  auto const text = to_dot(x);
  CHECK(static_cast<int>(std::count(text.begin(), text.end(), '>')) >= 2 * length);
  CHECK(read(to_dot(visualize_options{}, x)).collapsed() == 1);
}

TEST_CASE("pictures are written to .dot and .gv files", "[dot][file]") {
  directory const d;
  auto x = delayed(add)(delayed(same)(1), 2);
  for (char const* name : {"x.dot", "x.gv", ".dot", "two.suffixes.gv", "sp ace.dot"}) {
    x.visualize(d / name);
    CHECK(content(d / name) == to_dot(x));
  }
  dally::visualize(d / "two.dot", x, std::vector{x + 1});
  CHECK(read(content(d / "two.dot")).tasks() == 3);
  x.visualize(d / "options.dot", {.rankdir = "LR"});
  CHECK(content(d / "options.dot") == to_dot(visualize_options{.rankdir = "LR"}, x));
  dally::visualize(d / "options.dot", {.rankdir = "RL"}, x);
  CHECK(read(content(d / "options.dot")).settings.at("rankdir") == "RL");
  // An older file is replaced as a whole, and nothing else is left behind.
  x.visualize(d / "x.dot");
  CHECK(content(d / "x.dot") == to_dot(x));
  CHECK(d.names() ==
        std::set<std::string>{"x.dot", "x.gv", ".dot", "two.suffixes.gv", "sp ace.dot", "two.dot", "options.dot"});
  struct stat written = {};
  REQUIRE(::stat((d / "x.dot").c_str(), &written) == 0);
  mode_t const mask = ::umask(0);
  ::umask(mask);
  CHECK((written.st_mode & 0777U) == (0666U & ~mask));
}

TEST_CASE("a link to a file stays a link", "[dot][file]") {
  directory const d;
  auto x = delayed(same)(1);
  std::ofstream{d / "real.dot"} << "old";
  std::filesystem::create_symlink("real.dot", d / "link.dot");
  x.visualize(d / "link.dot");
  CHECK(std::filesystem::is_symlink(d / "link.dot"));
  CHECK(content(d / "real.dot") == to_dot(x));
}

TEST_CASE("what cannot be written is an error that says why, and leaves no file", "[dot][file]") {
  directory const d;
  auto x = delayed(same)(1);
  std::filesystem::create_directory(d / "directory.dot");
  std::filesystem::create_directory(d / "directory");
  std::ofstream{d / "file"} << "text";
  auto const before = d.names();
  auto const refused = [&](std::string const& path, std::string const& why) {
    CAPTURE(path);
    CHECK_THROWS_AS(x.visualize(path), dally::config_error);
    CHECK_THROWS_WITH(x.visualize(path), contains(path) && contains(why));
  };
  refused(d / "missing/x.dot", "No such file");
  refused(d / "file/x.dot", "Not a directory");
  refused(d / "directory.dot", "directory");
  refused("/proc/x.dot", "cannot write");
  refused(d / (std::string(300, 'n') + ".dot"), "long");
  CHECK(d.names() == before);
  if (::geteuid() != 0) {
    REQUIRE(::chmod((d / "directory").c_str(), 0500) == 0);
    refused(d / "directory/x.dot", "denied");
  }
}

TEST_CASE("a suffix that says no format, or one that nobody brought, is an error that lists what is allowed",
          "[dot][file]") {
  directory const d;
  auto x = delayed(same)(1);
  for (char const* name : {"none", "x.", "x.txt", "x.DOT", "x.dot.bak", "", "dir.dot/"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(x.visualize(d / name), dally::config_error);
    CHECK_THROWS_WITH(x.visualize(d / name),
                      contains(".dot") && contains(".gv") && contains(".svg") && contains(".png"));
  }
  for (std::string const suffix : {"svg", "png", "pdf"}) {
    CHECK_THROWS_AS(x.visualize(d / ("x." + suffix)), dally::config_error);
    CHECK_THROWS_WITH(x.visualize(d / ("x." + suffix)),
                      contains("." + suffix) && contains("<dally/visualize.hpp>") && contains("dally::graphviz"));
  }
  CHECK_THROWS_AS(x.visualize(), dally::config_error);
  CHECK_THROWS_AS(x.visualize("/dev/null"), dally::config_error);
  CHECK_THROWS_AS(dally::visualize(x), dally::config_error);
  CHECK_THROWS_WITH(dally::visualize(x), contains("dally.svg"));
  CHECK_THROWS_AS(x.visualize(d / "x.dot", {.rankdir = "up"}), dally::config_error);
  CHECK(d.names().empty());
}

TEST_CASE("what is no file is written to", "[dot][file]") {
  directory const d;
  auto x = delayed(same)(1);
  std::filesystem::create_symlink("/dev/null", d / "null.dot");
  x.visualize(d / "null.dot");
  CHECK(std::filesystem::is_character_file("/dev/null"));
  if (std::filesystem::exists("/dev/full")) {
    std::filesystem::create_symlink("/dev/full", d / "full.dot");
    CHECK_THROWS_AS(x.visualize(d / "full.dot"), dally::resource_error);
    CHECK_THROWS_WITH(x.visualize(d / "full.dot"), contains("full.dot") && contains("No space"));
  }
}
