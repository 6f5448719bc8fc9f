#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace support {

/// A command line that makes no sense; the text says which part, and what is allowed instead.
class usage_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The options of one program: `--name VALUE`, `--name=VALUE`, and flags without a value; operands, if it takes any.
///
/// Each option is bound to a variable, whose value at that moment is the default that `--help` shows.
class options {
 public:
  options(std::string program, std::string purpose) : program_{std::move(program)}, purpose_{std::move(purpose)} {}

  /// A flag: true when given.
  options& flag(std::string name, std::string help, bool& value) {
    known_.push_back({std::move(name), "", std::move(help), "", [&value](std::string_view) { value = true; }});
    return *this;
  }

  /// Free text that is not empty, `placeholder` in the help.
  options& text(std::string name, std::string placeholder, std::string help, std::string& value) {
    auto take = [name, &value](std::string_view given) {
      if (given.empty()) throw usage_error{fmt::format("--{} needs a value that is not empty", name)};
      value = given;
    };
    known_.push_back({name, std::move(placeholder), std::move(help), value, std::move(take)});
    return *this;
  }

  /// A number in [least, most].
  template <typename T>
    requires std::is_arithmetic_v<T>
  options& number(std::string name, std::string help, std::type_identity_t<T> least, std::type_identity_t<T> most,
                  T& value) {
    auto take = [name, least, most, &value](std::string_view given) { value = parse(name, given, least, most); };
    known_.push_back({name, "N", with_range(std::move(help), least, most), fmt::format("{}", value), std::move(take)});
    return *this;
  }

  /// A list of numbers in [least, most], separated by commas.
  template <typename T>
    requires std::is_arithmetic_v<T>
  options& numbers(std::string name, std::string help, std::type_identity_t<T> least, std::type_identity_t<T> most,
                   std::vector<T>& values) {
    auto take = [name, least, most, &values](std::string_view given) {
      values.clear();
      for (auto item : split(given)) values.push_back(parse(name, item, least, most));
    };
    auto shown = fmt::format("{}", fmt::join(values, ","));
    known_.push_back({name, "N,...", with_range(std::move(help), least, most), std::move(shown), std::move(take)});
    return *this;
  }

  /// A list of words out of `allowed`, separated by commas.
  options& words(std::string name, std::string help, std::vector<std::string> allowed,
                 std::vector<std::string>& values) {
    auto shown = fmt::format("{}", fmt::join(values, ","));
    auto described = fmt::format("{}: any of {}", help, fmt::join(allowed, ", "));
    auto take = [name, allowed = std::move(allowed), &values](std::string_view given) {
      values.clear();
      for (auto item : split(given)) {
        bool const known = std::find(allowed.begin(), allowed.end(), item) != allowed.end();
        if (!known)
          throw usage_error{
              fmt::format("--{}: \"{}\" is not known; allowed: {}", name, item, fmt::join(allowed, ", "))};
        values.emplace_back(item);
      }
    };
    known_.push_back({std::move(name), "WORD,...", std::move(described), std::move(shown), std::move(take)});
    return *this;
  }

  /// One operand or more, which are the arguments that are no options: `placeholder` in the help.
  options& operands(std::string placeholder, std::string help, std::vector<std::string>& values) {
    operands_ = {"", std::move(placeholder), std::move(help), "",
                 [&values](std::string_view given) { values.emplace_back(given); }};
    return *this;
  }

  /// Fills the bound variables from the command line; false if `--help` was asked for.
  ///
  /// Errors   usage_error for an unknown option, one given twice, a missing or a bad value, no operand where one is
  ///          needed
  [[nodiscard]] bool parse(int argc, char const* const* argv) {
    std::vector<std::string> seen;
    bool operand_missing = operands_.take != nullptr;
    for (int i = 1; i < argc; ++i) {
      std::string_view argument{argv[i]};
      if (argument == "--help" || argument == "-h") return false;
      if (operands_.take && !argument.empty() && !argument.starts_with('-')) {
        operands_.take(argument);
        operand_missing = false;
        continue;
      }
      auto equals = argument.find('=');
      auto* known = find(argument.substr(0, equals));
      if (known == nullptr) throw usage_error{fmt::format("unknown option \"{}\"; allowed: {}", argument, all_names())};
      if (std::find(seen.begin(), seen.end(), known->name) != seen.end())
        throw usage_error{fmt::format("--{} is given twice; separate the values by commas", known->name)};
      seen.push_back(known->name);
      known->take(value_of(*known, argument, equals, argc, argv, i));
    }
    if (operand_missing) throw usage_error{fmt::format("{} is needed: {}", operands_.placeholder, operands_.help)};
    return true;
  }

  /// The text of `--help`.
  [[nodiscard]] std::string help() const {
    auto const operands = operands_.take ? fmt::format(" {0} [{0} ...]", operands_.placeholder) : "";
    auto text = fmt::format("usage: {} [options]{}\n\n{}\n\noptions:\n", program_, operands, purpose_);
    if (operands_.take) text += fmt::format("  {:<24} {}\n", operands_.placeholder, operands_.help);
    for (auto const& o : known_) {
      text += fmt::format("  {:<24} {}", spelling(o), o.help);
      if (!o.initial.empty()) text += fmt::format(" (default {})", o.initial);
      text += '\n';
    }
    return text + fmt::format("  {:<24} {}\n", "--help", "this text");
  }

  [[nodiscard]] std::string const& program() const { return program_; }

 private:
  struct option {
    std::string name;
    std::string placeholder;  // empty: a flag
    std::string help;
    std::string initial;
    std::function<void(std::string_view)> take;
  };

  template <typename T>
  static T parse(std::string_view name, std::string_view given, T least, T most) {
    T value{};
    auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), value);
    bool good = error == std::errc{} && end == given.data() + given.size() && least <= value && value <= most;
    if (!good) {
      throw usage_error{fmt::format("--{}: \"{}\" is not allowed; {} from {} to {} are", name, given,
                                    std::integral<T> ? "whole numbers" : "numbers", least, most)};
    }
    return value;
  }

  template <typename T>
  static std::string with_range(std::string help, T least, T most) {
    return fmt::format("{}, {} to {}", help, least, most);
  }

  static std::vector<std::string_view> split(std::string_view list) {
    std::vector<std::string_view> items;
    for (;;) {
      auto comma = list.find(',');
      items.push_back(list.substr(0, comma));
      if (comma == std::string_view::npos) return items;
      list.remove_prefix(comma + 1);
    }
  }

  static std::string spelling(option const& o) {
    return o.placeholder.empty() ? "--" + o.name : fmt::format("--{} {}", o.name, o.placeholder);
  }

  option* find(std::string_view spelled) {
    for (auto& o : known_)
      if (spelled.starts_with("--") && spelled.substr(2) == o.name) return &o;
    return nullptr;
  }

  static std::string_view value_of(option const& o, std::string_view argument, std::size_t equals, int argc,
                                   char const* const* argv, int& i) {
    bool const attached = equals != std::string_view::npos;
    if (o.placeholder.empty()) {
      if (attached) throw usage_error{fmt::format("--{} takes no value", o.name)};
      return {};
    }
    if (attached) return argument.substr(equals + 1);
    if (i + 1 == argc) throw usage_error{fmt::format("--{} needs a value: {}", o.name, o.help)};
    return argv[++i];
  }

  std::string all_names() const {
    std::string names;
    for (auto const& o : known_) names += spelling(o) + ", ";
    return names + "--help";
  }

  std::string program_, purpose_;
  std::vector<option> known_;
  option operands_;  // without a name
};

/// Runs `body` behind the command line; returns the program's exit code.
///
/// Errors   0 after `--help`; 2, with a message on stderr, for what the user got wrong: usage_error and `Mistake`, the
///          tested library's own word for it; else what `body` returns
template <typename Mistake, typename Body>
int run(options& given, int argc, char const* const* argv, Body&& body) {
  auto refuse = [&](char const* what) {
    fmt::print(stderr, "{0}: {1}\nSee {0} --help.\n", given.program(), what);
    return 2;
  };
  try {
    if (given.parse(argc, argv)) return body();
    fmt::print("{}", given.help());
    return 0;
  } catch (usage_error const& mistake) {
    return refuse(mistake.what());
  } catch (Mistake const& mistake) {
    return refuse(mistake.what());
  }
}

}  // namespace support
