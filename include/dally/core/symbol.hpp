#pragma once

#include <cxxabi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "dally/core/function.hpp"
#include "dally/core/text.hpp"
#include "dally/os/modules.hpp"

namespace dally {

namespace detail {

// Characters and indices rather than searches of std::string_view: all of this is compiled into every program.

/// The length of the first of these literals, between which `|` stands, that the text begins with, else 0.
[[gnu::cold]] DALLY_FUNCTION constexpr std::size_t length_at(char const* text, char const* end, char const* literals) {
  for (std::size_t length = 0;; ++literals) {
    if (*literals == '\0' || *literals == '|') return length;
    if (text + length != end && text[length] == *literals) {
      ++length;
      continue;
    }
    while (*literals != '\0' && *literals != '|') ++literals;
    if (*literals == '\0') return 0;
    length = 0;
  }
}

/// Past the bracket that closes the one at `open`; the text's end if none does.
[[gnu::cold]] DALLY_FUNCTION constexpr char const* past_group(char const* open, char const* end) {
  // `>` may mean "greater" inside parentheses, so each kind counts itself alone, and angles skip parentheses.
  char const opening = *open;
  char const closing = static_cast<char>(opening + (opening == '(' ? 1 : 2));  // as ASCII has them: () <> [] {}
  std::size_t depth = 0;
  std::size_t parens = 0;
  for (char const* at = open; at != end; ++at) {
    char const c = *at;
    if (opening != '(' && c == '(') ++parens;
    if (opening != '(' && c == ')' && parens > 0) --parens;
    if (parens > 0) continue;
    if (c == opening) ++depth;
    if (c == closing && !(c == '>' && at[-1] == '-') && --depth == 0) return at + 1;
  }
  return end;
}

/// Past what follows `operator` in a name: `()`, `[]`, `<=>`, `""`; nothing for a conversion.
[[gnu::cold]] DALLY_FUNCTION constexpr char const* past_operator_symbol(char const* at, char const* end) {
  if (length_at(at, end, "()|[]") != 0) return at + 2;
  for (; at != end; ++at) {
    char const* symbol = "+-*/%^&|~!=<>,\"";
    while (*symbol != '\0' && *symbol != *at) ++symbol;
    if (*symbol == '\0') break;
  }
  return at;
}

constexpr bool is_identifier_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

/// The part of a demangled or compiler-written text that names the entity: without return type, parameters and
/// enclosing functions. Empty for a closure's own functions, which have no name to declare.
[[gnu::cold]] DALLY_FUNCTION_WITHIN constexpr std::string_view name_part(std::string_view text) {
  char const* begin = text.data();  // of the declarator that is looked at
  char const* end = begin + text.size();
  while (end != begin && end[-1] == ' ') --end;
  char const* start = begin;  // where the name begins, as far as is known
  bool in_operator = false;   // spaces after `operator` belong to the name
  bool in_closure = false;
  char const* at = begin;
  while (at != end) {
    char const c = *at;
    bool const opens = c == '(' || c == '<' || c == '[' || c == '{';
    char const* after = opens ? past_group(at, end) : at + 1;
    if (c == '(') {
      if (length_at(at, end, "(anonymous |(lambda at ") != 0 ||
          (at - start == 8 && length_at(start, end, "decltype") != 0) ||
          (at - begin >= 9 && length_at(at - 9, end, "decltype ") != 0)) {
        at = after;
      } else if (at == begin) {  // a cast: (int (*)(int))f
        start = at = after;
      } else if (at == start) {  // a declarator around the name: int (*f<int>(int))(double)
        char const* pointer = at;
        while (pointer != end && *pointer != '*' && *pointer != '&') ++pointer;
        if (pointer == end) break;
        begin = start = at = pointer + 1;
      } else {  // parameters: of the function itself, or of one around it
        while (after != end && *after != ':' && *after != '[') ++after;
        if (length_at(after, end, "::") == 0) break;
        start = at = after + 2;
        in_operator = in_closure = false;
      }
    } else if (length_at(at, end, "operator") != 0 && (at == start || at[-1] == ':') &&
               (at + 8 == end || !is_identifier_char(at[8]))) {
      in_operator = true;
      at = past_operator_symbol(at + 8, end);
    } else {
      if (length_at(at, end, "{lambda(|$_") != 0) in_closure = true;
      at = after;
      if (c == ' ' && !in_operator) start = at;
    }
  }
  if (in_closure) start = at;
  return {start, static_cast<std::size_t>(at - start)};
}

/// What compilers and demanglers write, and what a reader would: in pairs, each text ended by '\0'.
inline constexpr char spellings[] =
    "(anonymous namespace)::\0\0"
    "{anonymous}::\0\0"
    "[abi:cxx11]\0\0"
    "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >\0std::string\0"
    "std::__cxx11::basic_string<char>\0std::string\0"
    "std::basic_string<char>\0std::string\0"
    " >\0>\0";

/// Copies `from` to `to`, which has room for as much, the way a reader would write it; returns the length written.
[[gnu::cold]] DALLY_FUNCTION constexpr std::size_t write_plainly(std::string_view from, char* to) {
  char const* at = from.data();
  char const* const end = at + from.size();
  std::size_t length = 0;
  while (at != end) {
    std::size_t found = 0;
    char const* spelling = spellings;
    while (*spelling != '\0' && (found = length_at(at, end, spelling)) == 0) {
      for (int texts = 0; texts < 2; texts += *spelling++ == '\0') {
      }
    }
    if (found == 0) {
      to[length++] = *at++;
    } else {
      at += found;
      for (spelling += found + 1; *spelling != '\0'; ++spelling) to[length++] = *spelling;
    }
  }
  return length;
}

template <class T>
constexpr char const* compiler_text() {
  return __PRETTY_FUNCTION__;
}
template <auto V>
constexpr char const* compiler_text() {
  return __PRETTY_FUNCTION__;
}

/// What `text` says where `probe`, the same function's text for another argument, says `argument`.
constexpr std::string_view differing_part(std::string_view text, std::string_view probe, std::string_view argument) {
  auto const front = probe.rfind(argument);
  auto const back = probe.size() - front - argument.size();
  return text.substr(front, text.size() - front - back);
}

template <std::size_t Room>
struct written_name {
  char text[Room + 1]{};
  std::size_t length = 0;
};

template <auto V>
constexpr auto write_value_name() {
  constexpr auto part = [] {
    auto text = differing_part(compiler_text<V>(), compiler_text<0>(), "0");
    if (text.starts_with('&')) text.remove_prefix(1);
    return name_part(text);
  }();
  written_name<part.size()> name;
  name.length = write_plainly(part, name.text);
  return name;
}

template <auto V>
inline constexpr auto written_value_name = write_value_name<V>();

}  // namespace detail

/// The type's name as the compiler spells it, the same for equal types in every file of a program built by one
/// compiler.
template <class T>
constexpr std::string_view type_name() {
  constexpr auto name = detail::differing_part(detail::compiler_text<T>(), detail::compiler_text<void>(), "void");
  return name;  // found by the compiler, never searched for by the program
}

/// The declared name of a function or member given as a constant: `value_name<&ns::f>() == "ns::f"`, `"S::method"`.
///
/// Shape   ends with '\0' behind its last character; clang leaves out template arguments, so `f<int>` and `f<long>` are
///         both `"f"` there: a label, not an identity
template <auto V>
constexpr std::string_view value_name() {
  return {detail::written_value_name<V>.text, detail::written_value_name<V>.length};
}

/// Whether a text of `type_name` or `value_name` is that of a closure, or of something made of one.
constexpr bool is_lambda_name(std::string_view type_name) {
  // Not by find: g++ 12 with -fsanitize=undefined cannot tell at compile time whether a variable's address is null.
  for (std::size_t i = 0; i < type_name.size(); ++i) {
    auto const rest = type_name.substr(i);
    if (rest.starts_with("<lambda(") || rest.starts_with("(lambda at ")) return true;
  }
  return false;
}

namespace detail {

/// Writes what declared_name returns of `text` to `to`, which may be where that begins; returns its length.
[[gnu::cold]] DALLY_FUNCTION_APART std::size_t write_declared_name(std::string_view text, char* to) {
  return write_plainly(name_part(text), to);
}

}  // namespace detail

/// The name in a demangler's or compiler's text of a function or type, as a reader would write it: without return type,
/// parameters, enclosing functions and anonymous namespaces; empty for a closure's own functions.
[[gnu::cold]] DALLY_FUNCTION_APART std::string declared_name(std::string_view text) {
  std::string room(text.size(), '\0');
  room.resize(detail::write_declared_name(text, room.data()));
  return room;
}

/// The C++ text of a symbol (`_Z1fi`) or of a std::type_info's name (`i`); what is neither comes back unchanged.
[[gnu::cold]] DALLY_FUNCTION std::string demangle(char const* mangled) {
  detail::freed_text const demangled{abi::__cxa_demangle(mangled, nullptr, nullptr, nullptr)};
  return demangled.text != nullptr ? demangled.text : mangled;
}

namespace detail {

#ifdef __linux__

/// Where this module begins: defined by the linker, under its name.
extern char const module_start __asm__("__ehdr_start") __attribute__((weak, visibility("hidden")));

// The few ELF structures needed, for this process's word size. <elf.h> would leave thousands of macros in every file
// that includes dally.
struct elf_header {
  unsigned char ident[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uintptr_t entry, segments_at, sections_at;
  std::uint32_t flags;
  std::uint16_t header_size, segment_size, segments, section_size, sections, names_section;
};
struct elf_section {
  std::uint32_t name, type;
  std::uintptr_t flags, address, offset, size;
  std::uint32_t link, info;
  std::uintptr_t alignment, entry_size;
};
#if UINTPTR_MAX > 0xffffffff
struct elf_segment {
  std::uint32_t type, flags;
  std::uintptr_t offset, address, physical_address, file_size, memory_size, alignment;
};
struct elf_symbol {
  std::uint32_t name;
  unsigned char info, other;
  std::uint16_t section;
  std::uintptr_t value, size;
};
#else
struct elf_segment {
  std::uint32_t type;
  std::uintptr_t offset, address, physical_address, file_size, memory_size;
  std::uint32_t flags, alignment;
};
struct elf_symbol {
  std::uint32_t name;
  std::uintptr_t value, size;
  unsigned char info, other;
  std::uint16_t section;
};
#endif

/// A program's or library's file, read piece by piece: it may be truncated, malformed or changing, and then it answers
/// that it does not know.
class elf_file {
 public:
  static constexpr std::size_t longest_name = 8192;  // of a symbol, with its '\0': of longer ones nothing is known

  [[gnu::cold]] DALLY_FUNCTION explicit elf_file(char const* path) noexcept : file_{std::fopen(path, "re")} {
    if (file_ == nullptr) return;
    std::setvbuf(file_, nullptr, _IONBF, 0);  // what is read is read once
    constexpr unsigned char native_class = sizeof(void*) == 8 ? 2 : 1;
    readable_ = read(0, &header_, sizeof header_) && std::memcmp(header_.ident, "\177ELF", 4) == 0 &&
                header_.ident[4] == native_class;
  }
  ~elf_file() {
    if (file_ != nullptr) std::fclose(file_);
  }
  elf_file(elf_file const&) = delete;
  elf_file& operator=(elf_file const&) = delete;

  /// Whether the module that the loader put at `base` was made of this file: their first bytes hold the headers and, as
  /// linkers lay it out, the build's id.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN bool is_mapped_at(void const* base) const noexcept {
    char start[1024];
    return readable_ && read(0, start, sizeof start) && std::memcmp(start, base, sizeof start) == 0;
  }

  /// The address for which the file was linked, of what the loader put at `address` when it put the file at `base`.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN bool linked_address(void const* address, void const* base,
                                                          std::uintptr_t& linked) const noexcept {
    constexpr std::uint16_t fixed = 2;
    constexpr std::uint32_t loaded = 1;
    if (!readable_ || header_.segment_size != sizeof(elf_segment)) return false;
    linked = reinterpret_cast<std::uintptr_t>(address);
    if (header_.type == fixed) return true;
    elf_segment segment;
    for (std::uintptr_t i = 0; i < header_.segments; ++i) {
      if (!read_entry(header_.segments_at, i, &segment, sizeof segment)) return false;
      if (segment.type != loaded) continue;
      linked -= reinterpret_cast<std::uintptr_t>(base) - (segment.address - segment.offset);
      return true;
    }
    return false;
  }

  /// The symbol of the function linked at `address`, read into `name`, or an empty text. Of several, a global one
  /// before a weak one before a local one, and what the source named before what the compiler split off (`f.cold`).
  [[gnu::cold]] DALLY_FUNCTION_WITHIN char const* function_at(std::uintptr_t address,
                                                              char (&name)[longest_name]) const noexcept {
    constexpr std::uint32_t symbol_table = 2;
    if (!readable_ || header_.section_size != sizeof(elf_section)) return "";
    std::uintptr_t count = header_.sections;
    elf_section section;
    if (count == 0 && read_section(0, section)) count = section.size;  // more than fit 16 bits
    for (std::uintptr_t i = 0; i < count && read_section(i, section); ++i) {
      elf_section names;
      if (section.type == symbol_table && section.entry_size == sizeof(elf_symbol) && section.link < count &&
          read_section(section.link, names)) {
        return read_name(names, best_symbol_at(address, section, names, name), name) != 0 ? name : "";
      }
    }
    return "";
  }

 private:
  /// Reads up to `size` bytes; returns how many there were. What does not fit a long is negative, and refused.
  std::size_t read_some(std::uintptr_t offset, void* to, std::size_t size) const noexcept {
    if (std::fseek(file_, static_cast<long>(offset), SEEK_SET) != 0) return 0;
    return std::fread(to, 1, size, file_);
  }
  [[gnu::cold]] DALLY_FUNCTION bool read(std::uintptr_t offset, void* to, std::size_t size) const noexcept {
    return read_some(offset, to, size) == size;
  }

  [[gnu::cold]] DALLY_FUNCTION_WITHIN bool read_entry(std::uintptr_t table, std::uintptr_t index, void* entry,
                                                      std::size_t size) const noexcept {
    return !__builtin_mul_overflow(index, size, &index) && !__builtin_add_overflow(table, index, &index) &&
           read(index, entry, size);
  }
  bool read_section(std::uintptr_t index, elf_section& section) const noexcept {
    return read_entry(header_.sections_at, index, &section, sizeof section);
  }

  /// Where in `names` the best symbol of the function at `address` stands; 0, where the empty text stands, if there is
  /// none. `name` is room for each.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN std::uintptr_t best_symbol_at(std::uintptr_t address, elf_section const& symbols,
                                                                    elf_section const& names,
                                                                    char (&name)[longest_name]) const noexcept {
    constexpr unsigned function = 2, chosen_at_load = 10, global = 1, weak = 2;
    std::uintptr_t best = 0;
    int best_rank = 0;
    elf_symbol block[256];
    for (std::uintptr_t done = 0; done < symbols.size;) {
      auto const want = symbols.size - done < sizeof block ? symbols.size - done : sizeof block;
      auto const got = read_some(symbols.offset + done, block, want) / sizeof(elf_symbol);
      if (got == 0) break;
      for (std::size_t i = 0; i < got; ++i) {
        auto const& symbol = block[i];
        unsigned const type = symbol.info & 15u;
        unsigned const binding = symbol.info >> 4u;
        if (symbol.value != address || symbol.section == 0 || (type != function && type != chosen_at_load)) continue;
        if (read_name(names, symbol.name, name) == 0) continue;
        int const rank = (binding == global ? 3
                          : binding == weak ? 2
                                            : 1) +
                         (std::strchr(name, '.') == nullptr ? 3 : 0);
        if (rank <= best_rank) continue;
        best = symbol.name;
        best_rank = rank;
      }
      done += got * sizeof(elf_symbol);
    }
    return best;
  }

  /// Reads the text at `at` of a table of strings; returns its length, 0 if it does not end within the table or is too
  /// long.
  [[gnu::cold]] DALLY_FUNCTION_WITHIN std::size_t read_name(elf_section const& names, std::uintptr_t at,
                                                            char (&name)[longest_name]) const noexcept {
    std::uintptr_t offset = 0;
    if (at >= names.size || __builtin_add_overflow(names.offset, at, &offset)) return 0;
    auto const got = read_some(offset, name, names.size - at < longest_name ? names.size - at : longest_name);
    auto const length = ::strnlen(name, got);
    return length < got ? length : 0;
  }

  std::FILE* file_;
  bool readable_ = false;
  elf_header header_{};
};

/// The symbol of the function at exactly `address` in the symbol table of its module's file, read into `name`, or an
/// empty text.
[[gnu::cold]] DALLY_FUNCTION_WITHIN char const* symbol_in_file(void const* address, os::module_place const& module,
                                                               char (&name)[elf_file::longest_name]) noexcept {
  // The program's own path may be relative, or gone; the kernel's link to it is neither.
  char const* path = "/proc/self/exe";
  for (int attempt = 0; attempt < 2 && path != nullptr && module.dli_fbase != nullptr; ++attempt) {
    elf_file const file{path};
    std::uintptr_t linked = 0;
    if (file.is_mapped_at(module.dli_fbase) && file.linked_address(address, module.dli_fbase, linked)) {
      return file.function_at(linked, name);
    }
    path = module.dli_fname;
  }
  return "";
}

#endif

/// What function_name answers at the first call for an address.
[[gnu::cold]] DALLY_FUNCTION std::string find_function_name(void const* address) {
  if (address == nullptr) return {};
  os::module_place module{};
  [[maybe_unused]] bool const in_module = os::find_module(address, module);
  char const* symbol = module.dli_saddr == address ? module.dli_sname : nullptr;
#ifdef __linux__
  if (!in_module) module.dli_fbase = const_cast<char*>(&module_start);  // a static program's loader knows no modules
  char in_file[elf_file::longest_name];
  if (symbol == nullptr) symbol = symbol_in_file(address, module, in_file);
#endif
  if (symbol == nullptr) return {};
  freed_text const plain{symbol[0] == '_' && symbol[1] == 'Z' ? abi::__cxa_demangle(symbol, nullptr, nullptr, nullptr)
                                                              : nullptr};
  if (plain.text == nullptr)
    return text_of(symbol, std::strcspn(symbol, "."));  // C's, perhaps with a compiler's suffix
  return text_of(plain.text, write_declared_name(plain.text, plain.text));
}

}  // namespace detail

/// The declared name of the function at exactly `address`: `increment`, `ns::increment`, `box<int>::f`, without return
/// type, parameters and anonymous namespaces; of static functions and of libraries loaded later too. Empty if unknown:
/// no function starts there, it is a closure's, or its module was stripped, replaced, is no ELF file or not readable.
///
/// Threads  any, several at once
/// Errors   none but std::bad_alloc; a name found once stays, also if dlclose and dlopen put another function there
/// Cost     the first call for an address asks dladdr and, if that does not know, reads the symbol table of the
///          module's file (about 1 ms for 100,000 symbols); later ones copy what was found
[[gnu::cold, gnu::noinline]] inline std::string function_name(void const* address) {
  struct known_function {
    void const* address;
    std::string name;
    known_function* next;
  };
  // Lists that only grow, never destroyed: no mutex that a fork could leave locked, and reports are also written while
  // the program exits.
  static std::atomic<known_function*> lists[128]{};
  auto& list = lists[(reinterpret_cast<std::uintptr_t>(address) >> 4u) % 128];
  auto* first = list.load(std::memory_order_acquire);  // partner: the swap below
  auto* known = first;
  while (known != nullptr && known->address != address) known = known->next;
  if (known == nullptr) {
    known = new known_function{address, detail::find_function_name(address), first};
    // Releases it to the load above. Another thread may add the same function meanwhile: twice is harmless.
    while (!list.compare_exchange_weak(known->next, known, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }
  return text_of(known->name.data(), known->name.size());
}

}  // namespace dally
