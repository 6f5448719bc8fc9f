#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "support/options.hpp"

namespace support {

/// How a table is written: aligned text for people, or one of the two for programs.
enum class table_format { text, csv, json };

/// What the flags `--csv` and `--json` ask for.
///
/// Errors   usage_error if both are set
inline table_format format_of(bool csv, bool json) {
  if (csv && json) throw usage_error{"--csv and --json exclude each other: give one of them, or neither for text"};
  return csv ? table_format::csv : json ? table_format::json : table_format::text;
}

/// A column: its name, the unit of its numbers (empty for none), and the decimals that the text shows.
struct column {
  std::string name;
  std::string unit = {};
  int decimals = 3;
  int width = 0;  // of the text, at least the header's
};

/// A value of a row; std::monostate where there is none.
using cell = std::variant<std::monostate, std::string, std::int64_t, double>;

/// A table that writes each row as soon as it is added, so that a long benchmark shows where it is.
///
/// Text carries title and notes around the rows; json as members beside the rows; csv is rows alone (a title or note
/// would not be csv), and the others go to stderr.
class table {
 public:
  table(table_format format, std::vector<column> columns, std::vector<std::string> title, std::FILE* out = stdout)
      : format_{format}, columns_{std::move(columns)}, out_{out} {
    for (auto& c : columns_) c.width = std::max({c.width, int(c.name.size()), int(c.unit.size())});
    begin(title);
  }
  table(table const&) = delete;
  table& operator=(table const&) = delete;

  /// Writes a row; `row.size()` is the number of columns.
  void add(std::vector<cell> const& row) {
    std::string line;
    switch (format_) {
      case table_format::text:
        for (std::size_t i = 0; i < columns_.size(); ++i) line += aligned(shown(row[i], columns_[i]), columns_[i], i);
        break;
      case table_format::csv:
        for (std::size_t i = 0; i < columns_.size(); ++i) line += (i == 0 ? "" : ",") + exact(row[i], false);
        break;
      case table_format::json:
        line = rows_ == 0 ? "\n    {" : ",\n    {";
        for (std::size_t i = 0; i < columns_.size(); ++i)
          line += fmt::format("{}{}: {}", i == 0 ? "" : ", ", quoted(member(columns_[i])), exact(row[i], true));
        line += '}';
        break;
    }
    ++rows_;
    fmt::print(out_, "{}{}", line, format_ == table_format::json ? "" : "\n");
    std::fflush(out_);
  }

  /// Writes what stands below the rows; to be called once, after the last row.
  void finish(std::vector<std::string> const& notes) {
    if (format_ == table_format::json) {
      fmt::print(out_, "\n  ],\n  \"notes\": {}\n}}\n", strings(notes));
    } else {
      for (auto const& note : notes) fmt::print(beside(), "{}\n", note);
    }
    std::fflush(out_);
  }

 private:
  void begin(std::vector<std::string> const& title) {
    if (format_ == table_format::json) {
      fmt::print(out_, "{{\n  \"title\": {},\n  \"rows\": [", strings(title));
      return;
    }
    for (auto const& line : title) fmt::print(beside(), "{}\n", line);
    std::string names, units;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (format_ == table_format::csv) names += (i == 0 ? "" : ",") + member(columns_[i]);
      if (format_ == table_format::text) names += aligned(columns_[i].name, columns_[i], i);
      if (format_ == table_format::text) units += aligned(columns_[i].unit, columns_[i], i);
    }
    fmt::print(out_, "{}\n", names);
    if (format_ == table_format::text) fmt::print(out_, "{}\n", units);
  }

  std::FILE* beside() const { return format_ == table_format::csv ? stderr : out_; }

  static std::string aligned(std::string_view text, column const& c, std::size_t index) {
    return fmt::format("{}{:>{}}", index == 0 ? "" : "  ", text, c.width);
  }

  static std::string shown(cell const& value, column const& c) {
    if (auto const* text = std::get_if<std::string>(&value)) return *text;
    if (auto const* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
    if (auto const* real = std::get_if<double>(&value)) return fmt::format("{:.{}f}", *real, c.decimals);
    return "-";
  }

  static std::string exact(cell const& value, bool json) {
    if (auto const* text = std::get_if<std::string>(&value)) return json ? quoted(*text) : *text;
    if (auto const* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
    if (auto const* real = std::get_if<double>(&value)) return fmt::format("{:.9g}", *real);
    return json ? "null" : "";
  }

  static std::string member(column const& c) {
    auto name = c.unit.empty() ? c.name : c.name + "_" + c.unit;
    std::replace_if(name.begin(), name.end(), [](char x) { return x == ' ' || x == '/'; }, '_');
    std::erase(name, '%');
    return name;
  }

  static std::string quoted(std::string_view text) {
    std::string result{'"'};
    for (char c : text) {
      if (c == '"' || c == '\\') result += '\\';
      if (static_cast<unsigned char>(c) < 0x20) {
        result += fmt::format("\\u{:04x}", int(c));
      } else {
        result += c;
      }
    }
    return result + '"';
  }

  static std::string strings(std::vector<std::string> const& lines) {
    std::string result{'['};
    for (auto const& line : lines) result += (result.size() == 1 ? "" : ", ") + quoted(line);
    return result + ']';
  }

  table_format format_;
  std::vector<column> columns_;
  std::FILE* out_;
  std::size_t rows_ = 0;
};

}  // namespace support
