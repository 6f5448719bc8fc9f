#pragma once

#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

namespace dally {

namespace detail {

/// Past the bracket that closes the one at `open`; the text's end if none does.
[[gnu::cold]] constexpr std::size_t past_group(std::string_view text, std::size_t open) {
  // `>` may mean "greater" inside parentheses, so each kind counts itself alone, and angles skip parentheses.
  char const opening = text[open];
  char const closing = opening == '(' ? ')' : opening == '<' ? '>' : opening == '[' ? ']' : '}';
  std::size_t depth = 0;
  for (std::size_t i = open, parens = 0; i < text.size(); ++i) {
    if (opening != '(' && text[i] == '(') ++parens;
    if (opening != '(' && text[i] == ')' && parens > 0) --parens;
    if (parens > 0) continue;
    if (text[i] == opening) ++depth;
    if (text[i] == closing && !(closing == '>' && text[i - 1] == '-') && --depth == 0) return i + 1;
  }
  return text.size();
}

/// Past what follows `operator` in a name: `()`, `[]`, `<=>`, `""`; nothing for a conversion.
constexpr std::size_t past_operator_symbol(std::string_view text, std::size_t i) {
  if (text.substr(i, 2) == "()" || text.substr(i, 2) == "[]") return i + 2;
  while (i < text.size() && std::string_view{"+-*/%^&|~!=<>,\""}.find(text[i]) != std::string_view::npos) ++i;
  return i;
}

constexpr bool is_identifier_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

/// The part of a demangled or compiler-written text that names the entity: without return type, parameters and
/// enclosing functions. Empty for a closure's own functions, which have no name to declare.
[[gnu::cold]] constexpr std::string_view name_part(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  std::size_t start = 0;     // where the name begins, as far as is known
  bool in_operator = false;  // spaces after `operator` belong to the name
  bool in_closure = false;
  auto name = [&](std::size_t end) { return in_closure ? std::string_view{} : text.substr(start, end - start); };
  for (std::size_t i = 0; i < text.size();) {
    auto const rest = text.substr(i);
    if (rest.starts_with("(anonymous ") || rest.starts_with("(lambda at ")) {
      i = past_group(text, i);
    } else if (text[i] == '(') {
      auto const before = text.substr(start, i - start);
      if (before == "decltype" || text.substr(0, i).ends_with("decltype ")) {
        i = past_group(text, i);
      } else if (i == 0) {  // a cast: (int (*)(int))f
        start = i = past_group(text, i);
      } else if (i == start) {  // a declarator around the name: int (*f<int>(int))(double)
        auto const pointer = text.find_first_of("*&", i);
        if (pointer == std::string_view::npos) return name(i);
        text.remove_prefix(pointer + 1);
        start = i = 0;
      } else {  // parameters: of the function itself, or of one around it
        auto after = past_group(text, i);
        while (after < text.size() && text[after] != ':' && text[after] != '[') ++after;
        if (text.substr(after, 2) != "::") return name(i);
        start = i = after + 2;
        in_operator = in_closure = false;
      }
    } else if (rest.starts_with("operator") && (i == start || text[i - 1] == ':') &&
               (rest.size() == 8 || !is_identifier_char(rest[8]))) {
      in_operator = true;
      i = past_operator_symbol(text, i + 8);
    } else if (text[i] == '<' || text[i] == '[' || text[i] == '{') {
      if (rest.starts_with("{lambda(")) in_closure = true;
      i = past_group(text, i);
    } else {
      if (rest.starts_with("$_")) in_closure = true;
      if (text[i] == ' ' && !in_operator) start = i + 1;
      ++i;
    }
  }
  return name(text.size());
}

/// Copies `from` to `to`, which has room for as much, the way a reader would write it; returns the length written.
[[gnu::cold]] constexpr std::size_t write_plainly(std::string_view from, char* to) {
  struct spelling {
    std::string_view theirs, ours;
  };
  constexpr spelling spellings[] = {
      {"(anonymous namespace)::", ""},
      {"{anonymous}::", ""},
      {"[abi:cxx11]", ""},
      {"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string"},
      {"std::__cxx11::basic_string<char>", "std::string"},
      {"std::basic_string<char>", "std::string"},
      {" >", ">"},
  };
  std::size_t length = 0;
  while (!from.empty()) {
    spelling chosen{from.substr(0, 1), from.substr(0, 1)};
    for (auto const& s : spellings) {
      if (from.starts_with(s.theirs)) chosen = s;
    }
    for (char c : chosen.ours) to[length++] = c;
    from.remove_prefix(chosen.theirs.size());
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
  return detail::differing_part(detail::compiler_text<T>(), detail::compiler_text<void>(), "void");
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

/// The name in a demangler's or compiler's text of a function or type, as a reader would write it: without return type,
/// parameters, enclosing functions and anonymous namespaces; empty for a closure's own functions.
[[gnu::cold]] inline std::string declared_name(std::string_view text) {
  auto const part = detail::name_part(text);
  std::string name(part.size(), '\0');
  name.resize(detail::write_plainly(part, name.data()));
  return name;
}

/// The C++ text of a symbol (`_Z1fi`) or of a std::type_info's name (`i`); what is neither comes back unchanged.
[[gnu::cold]] inline std::string demangle(char const* mangled) {
  struct freed_text {
    char* text;
    ~freed_text() { std::free(text); }
  };
  int status = 0;
  freed_text const demangled{abi::__cxa_demangle(mangled, nullptr, nullptr, &status)};
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
  [[gnu::cold]] explicit elf_file(char const* path) : descriptor_{::open(path, O_RDONLY | O_CLOEXEC)} {
    constexpr unsigned char native_class = sizeof(void*) == 8 ? 2 : 1;
    readable_ = read(0, &header_, sizeof header_) && std::memcmp(header_.ident, "\177ELF", 4) == 0 &&
                header_.ident[4] == native_class;
  }
  ~elf_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  elf_file(elf_file const&) = delete;
  elf_file& operator=(elf_file const&) = delete;

  /// Whether the module that the loader put at `base` was made of this file: their first bytes hold the headers and, as
  /// linkers lay it out, the build's id.
  [[gnu::cold]] bool is_mapped_at(void const* base) const {
    char start[1024];
    return readable_ && read(0, start, sizeof start) && std::memcmp(start, base, sizeof start) == 0;
  }

  /// The address for which the file was linked, of what the loader put at `address` when it put the file at `base`.
  [[gnu::cold]] bool linked_address(void const* address, void const* base, std::uintptr_t& linked) const {
    constexpr std::uint16_t fixed = 2;
    constexpr std::uint32_t loaded = 1;
    if (!readable_ || header_.segment_size != sizeof(elf_segment)) return false;
    linked = reinterpret_cast<std::uintptr_t>(address);
    if (header_.type == fixed) return true;
    elf_segment segment;
    for (std::uintptr_t i = 0; i < header_.segments; ++i) {
      if (!read_entry(header_.segments_at, i, segment)) return false;
      if (segment.type != loaded) continue;
      linked -= reinterpret_cast<std::uintptr_t>(base) - (segment.address - segment.offset);
      return true;
    }
    return false;
  }

  /// The symbol of the function linked at `address`, or an empty string. Of several, a global one before a weak one
  /// before a local one, and what the source named before what the compiler split off (`f.cold`).
  [[gnu::cold]] std::string function_at(std::uintptr_t address) const {
    constexpr std::uint32_t symbol_table = 2;
    if (!readable_ || header_.section_size != sizeof(elf_section)) return {};
    std::uintptr_t count = header_.sections;
    elf_section section;
    if (count == 0 && read_entry(header_.sections_at, 0, section)) count = section.size;  // more than fit 16 bits
    for (std::uintptr_t i = 0; i < count && read_entry(header_.sections_at, i, section); ++i) {
      elf_section names;
      if (section.type == symbol_table && section.entry_size == sizeof(elf_symbol) && section.link < count &&
          read_entry(header_.sections_at, section.link, names)) {
        return function_at(address, section, names);
      }
    }
    return {};
  }

 private:
  bool read(std::uintptr_t offset, void* to, std::size_t size) const { return read_some(offset, to, size) == size; }

  /// Reads up to `size` bytes; returns how many there were.
  [[gnu::cold]] std::size_t read_some(std::uintptr_t offset, void* to, std::size_t size) const {
    std::size_t done = 0;
    while (descriptor_ >= 0 && done < size) {
      if (offset + done < offset || offset + done > static_cast<std::uintptr_t>(std::numeric_limits<off_t>::max()))
        break;
      auto const got =
          ::pread(descriptor_, static_cast<char*>(to) + done, size - done, static_cast<off_t>(offset + done));
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  template <class Entry>
  bool read_entry(std::uintptr_t table, std::uintptr_t index, Entry& entry) const {
    std::uintptr_t offset = 0;
    return !__builtin_mul_overflow(index, sizeof(Entry), &offset) && !__builtin_add_overflow(table, offset, &offset) &&
           read(offset, &entry, sizeof entry);
  }

  [[gnu::cold]] std::string function_at(std::uintptr_t address, elf_section const& symbols,
                                        elf_section const& names) const {
    constexpr unsigned function = 2, chosen_at_load = 10, global = 1, weak = 2;
    std::string best;
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
        auto name = text_at(names, symbol.name);
        if (name.empty()) continue;
        int const rank = (binding == global ? 3 : binding == weak ? 2 : 1) + (name.find('.') == name.npos ? 3 : 0);
        if (rank > best_rank) best = static_cast<std::string&&>(name), best_rank = rank;
      }
      done += got * sizeof(elf_symbol);
    }
    return best;
  }

  /// The text at `at` of a table of strings; empty if it does not end within it, or only after 64 KiB.
  [[gnu::cold]] std::string text_at(elf_section const& names, std::uintptr_t at) const {
    std::uintptr_t offset = 0;
    if (at >= names.size || __builtin_add_overflow(names.offset, at, &offset)) return {};
    std::string text;
    for (std::size_t room = 256; room <= 65536; room *= 16) {
      text.resize(names.size - at < room ? names.size - at : room);
      text.resize(read_some(offset, text.data(), text.size()));
      if (auto const end = text.find('\0'); end != text.npos) return text.substr(0, end);
    }
    return {};
  }

  int descriptor_;
  bool readable_ = false;
  elf_header header_{};
};

/// The module that this code is part of.
inline Dl_info own_module() {
  Dl_info module{};
  module.dli_fbase = const_cast<char*>(&module_start);
  return module;
}

/// The symbol of the function at exactly `address` in the symbol table of its module's file, or an empty string.
[[gnu::cold]] inline std::string symbol_in_file(void const* address, Dl_info const& module) {
  // The program's own path may be relative, or gone; the kernel's link to it is neither.
  for (char const* path : {"/proc/self/exe", module.dli_fname}) {
    if (path == nullptr || module.dli_fbase == nullptr) break;
    elf_file const file{path};
    std::uintptr_t linked = 0;
    if (file.is_mapped_at(module.dli_fbase) && file.linked_address(address, module.dli_fbase, linked)) {
      return file.function_at(linked);
    }
  }
  return {};
}

#else

inline Dl_info own_module() { return {}; }
inline std::string symbol_in_file(void const*, Dl_info const&) { return {}; }

#endif

[[gnu::cold]] inline std::string find_function_name(void const* address) {
  if (address == nullptr) return {};
  Dl_info module{};
  if (::dladdr(address, &module) == 0) module = own_module();  // a static program's loader knows no modules
  auto symbol = module.dli_sname != nullptr && module.dli_saddr == address ? std::string{module.dli_sname}
                                                                           : symbol_in_file(address, module);
  if (symbol.starts_with("_Z")) return declared_name(demangle(symbol.c_str()));
  return symbol.substr(0, symbol.find('.'));  // C's, perhaps with a compiler's suffix
}

}  // namespace detail

/// The declared name of the function at exactly `address`: `increment`, `ns::increment`, `box<int>::f`, without return
/// type, parameters and anonymous namespaces; of static functions and of libraries loaded later too. Empty if unknown:
/// no function starts there, it is a closure's, or its module was stripped, replaced, is no ELF file or not readable.
///
/// Threads  any, several at once
/// Errors   none but std::bad_alloc; a name found once stays, also if dlclose and dlopen put another function there
/// Cost     the first call for an address asks dladdr and, if that does not know, reads the symbol table of the
/// module's
///          file (about 1 ms for 100,000 symbols); later ones copy what was found
[[gnu::cold]] inline std::string function_name(void const* address) {
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
  for (auto* known = first; known != nullptr; known = known->next) {
    if (known->address == address) return known->name;
  }
  auto* const found = new known_function{address, detail::find_function_name(address), first};
  // Releases `found` to the load above. Another thread may add the same function meanwhile: twice is harmless.
  while (!list.compare_exchange_weak(found->next, found, std::memory_order_release, std::memory_order_relaxed)) {
  }
  return found->name;
}

}  // namespace dally
