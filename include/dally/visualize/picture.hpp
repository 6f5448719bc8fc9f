#pragma once

#include <atomic>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "dally/core/block_cache.hpp"
#include "dally/core/error.hpp"
#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/graph/plan.hpp"

namespace dally {

/// What the colours of a picture tell.
enum class coloring : unsigned char {
  none,
  kind,  ///< tasks of one label have one colour
};

/// Which results have a box of their own. Where one has none, arrows lead from its task to those that take it.
enum class shown_results : unsigned char {
  all,
  shared,  ///< what is taken more than once, and outputs
  ends,    ///< outputs
};

/// How to draw a graph. An aggregate: name the fields.
struct visualize_options {
  std::string_view rankdir = "BT";  ///< where the outputs lie: "BT" (above the inputs, as Dask), "TB", "LR", "RL"
  std::size_t max_nodes = 400;      ///< of more tasks, those of one kind are drawn as one that counts them
  coloring color = coloring::none;
  bool show_values = false;      ///< write literals into their boxes
  std::string_view engine = {};  ///< Graphviz's: "dot", "neato", "fdp", "sfdp", "circo", "twopi", "osage"; empty: by
                                 ///< size, dot up to 2,000 boxes and arrows together, above that sfdp
  shown_results results = shown_results::all;
};

namespace detail {
inline constexpr visualize_options default_options{};
}  // namespace detail

/// How a box of a picture is called: `t0`.
class box_name {
 public:
  constexpr box_name(char letter, std::uint32_t number) noexcept
      : bits_{std::uint64_t{number} << 8 | static_cast<unsigned char>(letter)} {}
  [[nodiscard]] char letter() const noexcept { return static_cast<char>(bits_ & 0xff); }
  [[nodiscard]] std::uint32_t number() const noexcept { return static_cast<std::uint32_t>(bits_ >> 8); }

 private:
  std::uint64_t bits_;  // one register
};

/// Where a picture goes: DOT text, Mermaid text, Graphviz.
class picture_sink {
 public:
  /// Comes first. No engine: Graphviz's own choice; the note is written above the picture.
  virtual void begin(visualize_options const& options, std::string_view engine, std::string_view note) = 0;
  /// `look` is a list of Graphviz's attributes, as `shape=box, penwidth=2`; `color` may be null. The tooltip is what a
  /// viewer shows where the pointer rests; none: as the box was declared by default.
  virtual void box(box_name name, char const* look, std::string_view label, char const* color,
                   std::string_view tooltip) = 0;
  /// An arrow that counts uses.
  virtual void arrow(box_name from, box_name to, std::uint32_t count) = 0;

 protected:
  ~picture_sink() = default;
};

namespace detail {

/// Text as it grows, written by patterns: what a picture needs of std::string and fmt, at a tenth of their code in
/// every program that draws.
///
/// Errors  std::bad_alloc, resource_error
class growing_text : private scratch_memory {
 public:
  [[gnu::cold]] DALLY_FUNCTION void put(char const* piece, std::size_t size) {
    if (size_ + size >= bytes_) grow(size_, size_ + size + 1);
    if (size != 0) std::memcpy(data() + size_, piece, size);
    size_ += size;
    data()[size_] = '\0';
  }
  void put(std::string_view piece) { put(piece.data(), piece.size()); }

  /// The pattern, in which `%s` stands for a `char const*`, `%v` for a pointer and a size, `%c` for a char, `%u`
  /// for an unsigned number and `%n` for one written for readers, 1,000,000.
  [[gnu::cold]] DALLY_FUNCTION void print(char const* pattern, ...) {
    std::va_list arguments;
    va_start(arguments, pattern);
    for (char const* rest = pattern; *rest != '\0';) {
      char digits[16];
      std::size_t size = std::strcspn(rest, "%");
      char const* piece = rest;
      rest += size;
      if (size == 0) {
        char const what = rest[1];
        rest += 2;
        if (what == 's' || what == 'v') {
          piece = va_arg(arguments, char const*);
          size = what == 's' ? std::strlen(piece) : va_arg(arguments, std::size_t);
        } else {
          unsigned number = va_arg(arguments, unsigned);
          char* first = digits + sizeof digits;
          if (what == 'c') {
            *--first = static_cast<char>(number);
          } else {
            for (unsigned count = 1;; ++count) {
              *--first = static_cast<char>('0' + number % 10);
              number /= 10;
              if (number == 0) break;
              if (what == 'n' && count % 3 == 0) *--first = ',';
            }
          }
          piece = first;
          size = static_cast<std::size_t>(digits + sizeof digits - first);
        }
      }
      put(piece, size);
    }
    va_end(arguments);
  }

  /// Ends in a '\0' behind its last character, if there is any.
  [[nodiscard]] std::string_view view() const noexcept { return {data(), size_}; }
  [[nodiscard]] char const* c_str() const noexcept { return data(); }
  void clear() noexcept { size_ = 0; }
  [[nodiscard]] char* data() const noexcept { return static_cast<char*>(memory_); }
  void shorten(std::size_t size) noexcept { size_ = size; }

 private:
  std::size_t size_ = 0;
};

/// Memory of many arrays that end together: no array needs a destructor of its own.
class scratch_pool {
 public:
  scratch_pool() = default;
  scratch_pool(scratch_pool const&) = delete;
  scratch_pool& operator=(scratch_pool const&) = delete;
  [[gnu::cold]] DALLY_FUNCTION ~scratch_pool() {
    while (last_ != nullptr) {
      piece* const ended = last_;
      last_ = ended->before;
      release_scratch(ended, ended->bytes);
    }
  }
  /// Zero bytes.
  template <class T>
  [[nodiscard]] T* take(std::size_t count) {
    return static_cast<T*>(take_bytes(count * sizeof(T)));
  }

 private:
  struct piece {
    piece* before;
    std::size_t bytes;
  };
  [[gnu::cold]] DALLY_FUNCTION void* take_bytes(std::size_t bytes) {
    bytes += sizeof(piece);
    auto* const taken = static_cast<piece*>(acquire_scratch(bytes));
    std::memset(static_cast<void*>(taken), 0, bytes);
    *taken = {last_, bytes};
    last_ = taken;
    return taken + 1;
  }
  piece* last_ = nullptr;
};

// What every picture looks like.
inline constexpr char graph_look[] = "ranksep=0.3, labelloc=t, fontname=Helvetica, outputorder=edgesfirst";
// The color first: vis-network fills boxes by whichever comes last.
inline constexpr char node_look[] =
    "fontname=Helvetica, style=filled, color=\"#47617a\", fillcolor=\"#eef3f8\", width=0.3, height=0.3, "
    "tooltip=result";
inline constexpr char edge_look[] = "fontname=Helvetica, fontsize=11, color=\"#47617a\", arrowsize=0.7";

/// The colour of a kind: a light one, as `#b0c8f6`, that depends on the kind alone. `text` begins with '#'.
[[gnu::cold]] DALLY_FUNCTION void write_color(char (&text)[8], std::string_view kind) {
  unsigned hash = 2166136261U;  // FNV-1a
  for (char const c : kind) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  // Its hue, of 1536: red, green and blue each rise, stay, fall and rest, a third of the way behind one another.
  unsigned const hue = (hash >> 16 ^ hash) * 3;
  for (unsigned i = 0; i < 3; ++i) {
    int const turn = static_cast<int>((hue + 1024 * i) % 1536) - 768;
    int const away = (turn < 0 ? -turn : turn) - 256;
    int const light = 160 + (away < 0 ? 0 : away > 256 ? 256 : away) * 86 / 256;
    text[1 + 2 * i] = "0123456789abcdef"[light >> 4];
    text[2 + 2 * i] = "0123456789abcdef"[light & 15];
  }
}

/// Refuses a word that is none of a list's, which commas and spaces separate.
[[gnu::cold]] DALLY_FUNCTION void check_word(char const* option, std::string_view given, char const* allowed) {
  for (char const* word = allowed; *word != '\0';) {
    std::size_t const size = std::strcspn(word, ",");
    if (given.size() == size && std::memcmp(given.data(), word, size) == 0) return;
    word += size + std::strspn(word + size, ", ");
  }
  refuse(&throw_saying<config_error>, "%s \"%.*s\": allowed are %s", option, static_cast<int>(given.size()),
         given.data(), allowed);
}

/// Refuses options that make no sense.
[[gnu::cold]] DALLY_FUNCTION void check(visualize_options const& options) {
  check_word("rankdir", options.rankdir, "BT, TB, LR, RL");
  if (!options.engine.empty()) check_word("engine", options.engine, "dot, neato, fdp, sfdp, circo, twopi, osage");
  if (options.max_nodes == 0) throw_saying<config_error>("max_nodes 0: at least 1 is needed to draw anything");
}

/// What only options that a program gives can ask for.
struct option_rules {
  void (*check)(visualize_options const& options);
  void (*write_color)(char (&text)[8], std::string_view kind);
};
inline constexpr option_rules rules_of_options{&check, &write_color};

/// Null in programs that give no options: they do not contain those rules.
inline constinit std::atomic<option_rules const*> heeded_rules{nullptr};

/// Options that a program gives, from here on heeded.
inline visualize_options const& heeded(visualize_options const& options) noexcept {
  heeded_rules.store(&rules_of_options, std::memory_order_relaxed);  // a constant: there is nothing to publish
  return options;
}

/// The colour of a kind where that is asked for.
class box_color {
 public:
  [[gnu::cold]] DALLY_FUNCTION char const* of(std::string_view kind, visualize_options const& options) {
    option_rules const* const rules = heeded_rules.load(std::memory_order_relaxed);
    if (options.color == coloring::none || rules == nullptr) return nullptr;
    rules->write_color(text_, kind);
    return text_;
  }

 private:
  char text_[8] = "#";
};

/// Begins a picture of that many boxes and arrows.
[[gnu::cold]] DALLY_FUNCTION void begin_picture(picture_sink& to, visualize_options const& options,
                                                std::uint64_t extent, growing_text& note) {
  std::string_view engine = options.engine;
  // Above this, dot may take minutes, and sfdp seconds.
  if (engine.empty() && extent > 2000) {
    engine = "sfdp";
    note.print("%n boxes and arrows, more than dot is asked to place: placed by sfdp.\n",
               static_cast<unsigned>(extent));
  }
  to.begin(options, engine, note.view());
}

/// How often each task is asked for as an output, and how many outputs are no tasks.
[[gnu::cold]] DALLY_FUNCTION std::uint32_t count_outputs(plan const& graph, std::uint32_t* counts) {
  std::uint32_t constants = 0;
  for (std::uint32_t const edge : graph.outputs()) ++((edge & constant_edge) != 0 ? constants : counts[edge]);
  return constants;
}

/// How many arrows lead to tasks, and how many literals they come from, counted each time.
[[gnu::cold]] DALLY_FUNCTION std::uint64_t count_arrows(plan const& graph) {
  std::uint64_t count = 0;
  for (node_id n = 0; n < graph.size(); ++n) {
    for (std::uint32_t const edge : graph.edges(n)) count += 1 + (edge >> 31);
  }
  return count;
}

[[gnu::cold]] DALLY_FUNCTION void set_to_label(growing_text& text, node const& of) {
  text.clear();
  text.put(std::string_view{of.label()});
}

/// How many characters of UTF-8 a text has.
[[gnu::cold]] DALLY_FUNCTION std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (char const c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

/// Keeps the begin and the end of a text of more bytes: Graphviz refuses one of 16 KiB, and nobody reads it.
[[gnu::cold]] DALLY_FUNCTION void shorten(growing_text& text, std::size_t most) {
  static constexpr std::string_view dots = "\xe2\x80\xa6";
  auto const continues = [&](std::size_t i) { return (static_cast<unsigned char>(text.data()[i]) & 0xc0) == 0x80; };
  std::size_t const size = text.view().size();
  if (size <= most) return;
  std::size_t const kept = most - dots.size();
  std::size_t begin = kept * 2 / 3, end = size - kept / 3;
  while (begin > 0 && continues(begin)) --begin;
  while (end < size && continues(end)) ++end;
  std::memmove(text.data() + begin + dots.size(), text.data() + end, size - end);
  std::memcpy(text.data() + begin, dots.data(), dots.size());
  text.shorten(begin + dots.size() + size - end);
}

inline constexpr std::size_t longest_label = 72, longest_tooltip = 300;  // bytes

/// Writes the box of a task or literal.
[[gnu::cold]] DALLY_FUNCTION void put_box_of(picture_sink& to, node const& of, box_name name,
                                             visualize_options const& options, growing_text (&room)[2]) {
  bool const task = name.letter() == 't';
  auto& [label, tooltip] = room;
  label.clear();
  tooltip.clear();
  if (task || options.show_values || of.extras() != nullptr) set_to_label(label, of);
  box_color color;
  char const* const fill = task ? color.of(label.view(), options) : nullptr;
  if (task) {
    tooltip.put(label.view());
    shorten(tooltip, longest_tooltip);
    std::string const place = of.place_text();
    tooltip.print("\n%s", place.c_str());
  } else {
    tooltip.put("value");
  }
  shorten(label, longest_label);
  // A circle is as high as it is wide.
  char const* const shape = !task ? "shape=box" : characters(label.view()) > 12 ? "shape=ellipse" : "shape=circle";
  to.box(name, shape, label.view(), fill, tooltip.view());
}

/// Every task as a circle or an ellipse, results and literals as boxes; an arrow for each use.
[[gnu::cold]] DALLY_FUNCTION_WITHIN void describe_tasks(picture_sink& to, plan const& graph,
                                                        visualize_options const& options) {
  scratch_pool pool;
  auto* const outputs = pool.take<std::uint32_t>(graph.size());
  auto* const uses = pool.take<std::uint32_t>(graph.size());
  std::uint64_t extent = count_outputs(graph, outputs) + count_arrows(graph) + graph.size();
  for (node_id n = 0; n < graph.size(); ++n) {
    for (std::uint32_t const edge : graph.edges(n)) {
      if ((edge & constant_edge) == 0) ++uses[edge];
    }
  }
  auto const shown = [&](node_id n) {
    return outputs[n] != 0 || options.results == shown_results::all ||
           (options.results == shown_results::shared && uses[n] > 1);
  };
  for (node_id n = 0; n < graph.size(); ++n) extent += shown(n) ? 2U : 0U;
  growing_text text[2];
  begin_picture(to, options, extent, text[0]);
  std::uint32_t literals = 0;
  for (node_id n = 0; n < graph.size(); ++n) {
    node const& task = graph.task(n);
    put_box_of(to, task, {'t', n}, options, text);
    if (shown(n)) {
      to.box({'d', n}, outputs[n] != 0 ? "shape=box, penwidth=2" : "shape=box", {}, nullptr, {});
      to.arrow({'t', n}, {'d', n}, 1);
    }
    dependency const* taken = task.dependencies().begin();
    for (std::uint32_t const edge : graph.edges(n)) {
      box_name from{'v', literals};
      if ((edge & constant_edge) != 0) {
        put_box_of(to, *taken->from(), from, options, text);
        ++literals;
      } else {
        from = {shown(edge) ? 'd' : 't', edge};
      }
      to.arrow(from, {'t', n}, 1);
      ++taken;
    }
  }
  for (std::size_t i = 0; i < graph.outputs().size(); ++i) {
    if ((graph.outputs()[i] & constant_edge) == 0) continue;
    put_box_of(to, graph.output(i), {'v', literals++}, options, text);
  }
}

}  // namespace detail

}  // namespace dally
