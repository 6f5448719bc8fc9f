#include "dally/core/symbol.hpp"

#include <dlfcn.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/catch2.hpp"

#ifdef __linux__
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

using dally::declared_name;
using dally::function_name;
using dally::is_lambda_name;
using dally::type_name;
using dally::value_name;

int symbol_test_increment(int x) { return x + 1; }
extern "C" int symbol_test_c_function(int x) { return x + 2; }

namespace symbol_test {

int add(int x, int y) { return x + y; }
int call(int (*f)(int), int x) { return f(x); }
int overloaded(int x) { return x; }
double overloaded(double x) { return x; }
void silent(int) noexcept {}

int (*choose(int))(int) { return &symbol_test_increment; }

template <class T>
T twice(T x) {
  return x + x;
}
template <class T>
int (*choose_for(T))(int) {
  return &symbol_test_increment;
}

struct shape {
  int side = 0;
  int area() const noexcept { return side * side; }
  int operator()(int x) const { return x; }
  bool operator<(shape const& other) const { return side < other.side; }
  explicit operator bool() const { return side > 0; }
  static int unit() { return 1; }
};
inline shape operator+(shape a, shape b) { return {a.side + b.side}; }
inline shape operator>>(shape a, int n) { return {a.side >> n}; }

template <class T>
struct box {
  T value;
  static T make(std::vector<T>) { return T{}; }
};

auto local_function() {
  struct local {
    static int f(int x) { return x; }
  };
  return &local::f;
}

namespace {
int hidden(int x) { return x; }
struct hidden_type {
  static int f(int x) { return x; }
};
}  // namespace

}  // namespace symbol_test

namespace {

int unnamed_space(int x) { return x; }
static int static_function(int x) { return x; }

template <class R, class... A>
std::string name_of(R (*f)(A...)) {
  return function_name(reinterpret_cast<void const*>(f));
}

template <auto V>
constexpr std::string_view name = value_name<V>();

}  // namespace

static_assert(name<symbol_test_increment> == "symbol_test_increment");
static_assert(name<&symbol_test_increment> == "symbol_test_increment");
static_assert(name<symbol_test_c_function> == "symbol_test_c_function");
static_assert(name<symbol_test::add> == "symbol_test::add");
static_assert(name<symbol_test::call> == "symbol_test::call");
static_assert(name<symbol_test::choose> == "symbol_test::choose");
static_assert(name<static_cast<int (*)(int)>(symbol_test::overloaded)> == "symbol_test::overloaded");
static_assert(name<static_cast<void (*)(int)>(symbol_test::silent)> == "symbol_test::silent");
static_assert(name<&symbol_test::shape::side> == "symbol_test::shape::side");
static_assert(name<&symbol_test::shape::area> == "symbol_test::shape::area");
static_assert(name<&symbol_test::shape::operator()> == "symbol_test::shape::operator()");
static_assert(name < &symbol_test::shape::operator<> == "symbol_test::shape::operator<");
static_assert(name<symbol_test::operator+ > == "symbol_test::operator+");
static_assert(name<(symbol_test::operator>>)> == "symbol_test::operator>>");
static_assert(name<&symbol_test::box<int>::value> == "symbol_test::box<int>::value");
static_assert(name<&symbol_test::box<std::string>::value> == "symbol_test::box<std::string>::value");
static_assert(name<symbol_test::hidden> == "symbol_test::hidden");
static_assert(name<unnamed_space> == "unnamed_space");
static_assert(name<static_function> == "static_function");
static_assert(name<symbol_test::twice<int>>.starts_with("symbol_test::twice"));
static_assert(is_lambda_name(name<[](int x) { return x; }>));

static_assert(type_name<int>() == "int");
static_assert(type_name<void>() == "void");
static_assert(type_name<symbol_test::shape>() == "symbol_test::shape");
static_assert(type_name<symbol_test::box<int>>() == "symbol_test::box<int>");
static_assert(type_name<int const*>() == "const int*" || type_name<int const*>() == "const int *");
static_assert(!is_lambda_name(type_name<symbol_test::shape>()));
static_assert(!is_lambda_name(""));

TEST_CASE("a constant's name ends where its text ends", "[symbol]") {
  REQUIRE(std::strlen(value_name<&symbol_test::shape::area>().data()) ==
          value_name<&symbol_test::shape::area>().size());
}

TEST_CASE("the type of a closure is known for one", "[symbol]") {
  auto const lambda = [](int x) { return x; };
  auto const generic = [&](auto x) { return lambda(x); };
  REQUIRE(is_lambda_name(type_name<decltype(lambda)>()));
  REQUIRE(is_lambda_name(type_name<decltype(generic)>()));
  REQUIRE(generic(1) == 1);
}

TEST_CASE("a function's address tells its declared name", "[symbol]") {
  REQUIRE(name_of(symbol_test_increment) == "symbol_test_increment");
  REQUIRE(name_of(symbol_test_c_function) == "symbol_test_c_function");
  REQUIRE(name_of(symbol_test::add) == "symbol_test::add");
  REQUIRE(name_of(symbol_test::call) == "symbol_test::call");
  REQUIRE(name_of(symbol_test::choose) == "symbol_test::choose");
  REQUIRE(name_of(&symbol_test::shape::unit) == "symbol_test::shape::unit");
  REQUIRE(name_of<symbol_test::shape>(symbol_test::operator+) == "symbol_test::operator+");
  REQUIRE(name_of<symbol_test::shape>(symbol_test::operator>>) == "symbol_test::operator>>");
}

TEST_CASE("functions that no other file can name have names", "[symbol]") {
  REQUIRE(name_of(static_function) == "static_function");
  REQUIRE(name_of(unnamed_space) == "unnamed_space");
  REQUIRE(name_of(symbol_test::hidden) == "symbol_test::hidden");
  REQUIRE(name_of(&symbol_test::hidden_type::f) == "symbol_test::hidden_type::f");
  REQUIRE(name_of(symbol_test::local_function()) == "local::f");
}

TEST_CASE("the name of a template's function keeps its arguments", "[symbol]") {
  REQUIRE(name_of(symbol_test::twice<int>) == "symbol_test::twice<int>");
  REQUIRE(name_of(symbol_test::twice<std::string>) == "symbol_test::twice<std::string>");
  REQUIRE(name_of(symbol_test::choose_for<long>) == "symbol_test::choose_for<long>");
  REQUIRE(name_of(&symbol_test::box<int>::make) == "symbol_test::box<int>::make");
}

TEST_CASE("functions of the system's libraries have names", "[symbol]") {
  REQUIRE(name_of(std::puts) == "puts");
  REQUIRE(name_of(dlsym) == "dlsym");
}

TEST_CASE("what is not the start of a named function has no name", "[symbol]") {
  int variable = 0;
  auto const* const start = reinterpret_cast<char const*>(&symbol_test_increment);
  REQUIRE(function_name(nullptr).empty());
  REQUIRE(function_name(&variable).empty());
  REQUIRE(function_name(start + 1).empty());
  REQUIRE(function_name(reinterpret_cast<void const*>(std::uintptr_t{16})).empty());
  REQUIRE(function_name(reinterpret_cast<void const*>(UINTPTR_MAX)).empty());
  REQUIRE(name_of(+[](int x) { return x; }).empty());
  REQUIRE(name_of(symbol_test_increment) == "symbol_test_increment");
}

TEST_CASE("threads may ask for names at the same time", "[symbol]") {
  std::array<std::string, 4> names;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < names.size(); ++i) {
    threads.emplace_back([&names, i] {
      for (int round = 0; round < 50; ++round) {
        names[i] = name_of(symbol_test::twice<long>) + " " + name_of(symbol_test::twice<short>) + " " +
                   name_of(symbol_test::twice<char>);
      }
    });
  }
  for (auto& t : threads) t.join();
  for (auto const& n : names) {
    REQUIRE(n == "symbol_test::twice<long> symbol_test::twice<short> symbol_test::twice<char>");
  }
}

TEST_CASE("mangled names are spelled out and others left alone", "[symbol]") {
  REQUIRE(dally::demangle("_ZN2ns9incrementEi") == "ns::increment(int)");
  REQUIRE(dally::demangle("i") == "int");
  REQUIRE(dally::demangle("increment") == "increment");
  REQUIRE(dally::demangle("") == "");
}

TEST_CASE("a declared name is found in what compilers and demanglers write", "[symbol]") {
  auto const [text, expected] = GENERATE(table<char const*, char const*>({
      {"increment(int)", "increment"},
      {"increment", "increment"},
      {"ns::increment(int (*)(int), std::vector<int, std::allocator<int> > const&)", "ns::increment"},
      {"(anonymous namespace)::f(int)", "f"},
      {"ns::(anonymous namespace)::f(int)", "ns::f"},
      {"ns::{anonymous}::hidden", "ns::hidden"},
      {"f[abi:cxx11](int)", "f"},
      {"f(int) [clone .cold]", "f"},
      {"int f<int>(int)", "f<int>"},
      {"unsigned long const& f<int>(int) const &", "f<int>"},
      {"std::enable_if<(1)>(0), int>::type f<int>(int)", "f<int>"},
      {"decltype ({parm#1}+(1)) f<int>(int)", "f<int>"},
      {"int (*f<int>(int))(double)", "f<int>"},
      {"int (&ns::f<int>())[3]", "ns::f<int>"},
      {"int (S::*f<int>(int))(double)", "f<int>"},
      {"(int (*)(int))f", "f"},
      {"f<&(g(int))>(int)", "f<&(g(int))>"},
      {"std::vector<int> f<std::vector<std::vector<int> > >(int)", "f<std::vector<std::vector<int>>>"},
      {"S::operator()(int) const", "S::operator()"},
      {"S::operator[](int) const", "S::operator[]"},
      {"S::operator<(S const&) const", "S::operator<"},
      {"S::operator<=>(S const&) const", "S::operator<=>"},
      {"S::operator->() const", "S::operator->"},
      {"bool operator< <int>(int, S)", "operator< <int>"},
      {"bool operator<< <int>(int, S)", "operator<< <int>"},
      {"S::operator unsigned long() const", "S::operator unsigned long"},
      {"operator new[](unsigned long)", "operator new[]"},
      {"operator\"\" _s(unsigned long long)", "operator\"\" _s"},
      {"my_operator(int)", "my_operator"},
      {"operators::f(int)", "operators::f"},
      {"outer(int)::local::f(int)", "local::f"},
      {"S::outer(int) const::local::f(int)", "local::f"},
      {"outer(int)::{lambda(int)#1}::_FUN(int)", ""},
      {"main::{lambda(int)#1}::operator()(int) const", ""},
      {"main::{lambda(int)#1}::operator()(int) const::local::f(int)", "local::f"},
      {"main::$_0::__invoke(int)", ""},
      {"f<main::{lambda(int)#1}>(int)", "f<main::{lambda(int)#1}>"},
      {"", ""},
      {"(", ""},
      {"f(", "f"},
      {"f<(", "f<("},
      {"int (", ""},
      {"operator", "operator"},
      {"f)", "f)"},
      {" ", ""},
  }));
  CAPTURE(text);
  REQUIRE(declared_name(text) == expected);
}

TEST_CASE("no text is too strange to look for a name in", "[symbol]") {
  auto const seed = GENERATE(take(10, random(0u, 1'000'000u)));
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::array const pieces{"f",        "::",  "<", ">",        "(", ")",  "{",         "}",
                          "[",        "]",   " ", "operator", "*", "&",  "decltype ", "(anonymous namespace)::",
                          "{lambda(", "$_0", ",", "const",    "-", "\"", " >"};
  for (int round = 0; round < 2'000; ++round) {
    std::string text;
    for (auto n = random() % 12; n > 0; --n) text += pieces[random() % pieces.size()];
    if (declared_name(text).size() > text.size()) FAIL(text);
  }
}

#ifdef __linux__

namespace {

using dally::detail::elf_file;

static_assert(sizeof(dally::detail::elf_header) == sizeof(ElfW(Ehdr)));
static_assert(offsetof(dally::detail::elf_header, sections_at) == offsetof(ElfW(Ehdr), e_shoff));
static_assert(offsetof(dally::detail::elf_header, segment_size) == offsetof(ElfW(Ehdr), e_phentsize));
static_assert(offsetof(dally::detail::elf_header, sections) == offsetof(ElfW(Ehdr), e_shnum));
static_assert(sizeof(dally::detail::elf_section) == sizeof(ElfW(Shdr)));
static_assert(offsetof(dally::detail::elf_section, size) == offsetof(ElfW(Shdr), sh_size));
static_assert(offsetof(dally::detail::elf_section, link) == offsetof(ElfW(Shdr), sh_link));
static_assert(offsetof(dally::detail::elf_section, entry_size) == offsetof(ElfW(Shdr), sh_entsize));
static_assert(sizeof(dally::detail::elf_segment) == sizeof(ElfW(Phdr)));
static_assert(offsetof(dally::detail::elf_segment, offset) == offsetof(ElfW(Phdr), p_offset));
static_assert(offsetof(dally::detail::elf_segment, address) == offsetof(ElfW(Phdr), p_vaddr));
static_assert(sizeof(dally::detail::elf_symbol) == sizeof(ElfW(Sym)));
static_assert(offsetof(dally::detail::elf_symbol, info) == offsetof(ElfW(Sym), st_info));
static_assert(offsetof(dally::detail::elf_symbol, section) == offsetof(ElfW(Sym), st_shndx));
static_assert(offsetof(dally::detail::elf_symbol, value) == offsetof(ElfW(Sym), st_value));

/// A file in memory, under a path.
class memory_file {
 public:
  explicit memory_file(std::string_view bytes) : descriptor_{::memfd_create("elf", MFD_CLOEXEC)} {
    REQUIRE(descriptor_ >= 0);
    REQUIRE(::write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~memory_file() { ::close(descriptor_); }
  memory_file(memory_file const&) = delete;
  memory_file& operator=(memory_file const&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// A small library's file: one segment linked at 0x5000, and symbols.
std::string small_elf() {
  std::string const names{"\0f\0f.cold\0weak\0local\0variable\0undefined\0", 40};
  auto const name_at = [&](char const* n) {
    return static_cast<unsigned>(names.find(std::string{'\0'} + n + '\0') + 1);
  };
  auto const symbol = [&](char const* n, unsigned binding, unsigned type, unsigned section, unsigned value) {
    ElfW(Sym) s{};
    s.st_name = name_at(n);
    s.st_info = static_cast<unsigned char>(binding << 4 | type);
    s.st_shndx = static_cast<std::uint16_t>(section);
    s.st_value = value;
    return s;
  };
  std::array const symbols{ElfW(Sym){},
                           symbol("f.cold", STB_GLOBAL, STT_FUNC, 1, 0x5010),
                           symbol("local", STB_LOCAL, STT_FUNC, 1, 0x5010),
                           symbol("variable", STB_GLOBAL, STT_OBJECT, 1, 0x5010),
                           symbol("weak", STB_WEAK, STT_FUNC, 1, 0x5010),
                           symbol("weak", STB_WEAK, STT_FUNC, 1, 0x5020),
                           symbol("f", STB_GLOBAL, STT_FUNC, 1, 0x5020),
                           symbol("local", STB_LOCAL, STT_FUNC, 1, 0x5020),
                           symbol("local", STB_LOCAL, STT_FUNC, 1, 0x5030),
                           symbol("variable", STB_GLOBAL, STT_OBJECT, 1, 0x5040),
                           symbol("undefined", STB_GLOBAL, STT_FUNC, SHN_UNDEF, 0x5050),
                           symbol("f.cold", STB_LOCAL, STT_FUNC, 1, 0x5060)};
  ElfW(Ehdr) header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  header.e_type = ET_DYN;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(ElfW(Phdr));
  header.e_phnum = 2;
  std::array<ElfW(Phdr), 2> segments{};
  segments[0].p_type = PT_NOTE;
  segments[0].p_vaddr = 0x1234;
  segments[1].p_type = PT_LOAD;
  segments[1].p_vaddr = 0x5000;
  header.e_shoff = header.e_phoff + sizeof segments;
  header.e_shentsize = sizeof(ElfW(Shdr));
  header.e_shnum = 3;
  std::array<ElfW(Shdr), 3> sections{};
  sections[1].sh_type = SHT_STRTAB;
  sections[1].sh_offset = header.e_shoff + sizeof sections;
  sections[1].sh_size = names.size();
  sections[2].sh_type = SHT_SYMTAB;
  sections[2].sh_offset = sections[1].sh_offset + names.size();
  sections[2].sh_size = sizeof symbols;
  sections[2].sh_entsize = sizeof(ElfW(Sym));
  sections[2].sh_link = 1;
  std::string file;
  auto const append = [&](auto const& part) { file.append(reinterpret_cast<char const*>(&part), sizeof part); };
  append(header);
  append(segments);
  append(sections);
  file += names;
  append(symbols);
  return file;
}

std::string function_in(std::string_view bytes, std::uintptr_t address) {
  memory_file const file{bytes};
  char name[elf_file::longest_name];
  return elf_file{file.path().c_str()}.function_at(address, name);
}

}  // namespace

TEST_CASE("of several symbols of a function the plainest is chosen", "[symbol]") {
  auto const elf = small_elf();
  REQUIRE(function_in(elf, 0x5010) == "weak");
  REQUIRE(function_in(elf, 0x5020) == "f");
  REQUIRE(function_in(elf, 0x5030) == "local");
  REQUIRE(function_in(elf, 0x5040).empty());
  REQUIRE(function_in(elf, 0x5050).empty());
  REQUIRE(function_in(elf, 0x5060) == "f.cold");
  REQUIRE(function_in(elf, 0x5011).empty());
  REQUIRE(function_in(elf, 0).empty());
}

TEST_CASE("addresses are those for which a file was linked", "[symbol]") {
  auto bytes = small_elf();
  std::vector<char> module(4096);
  std::memcpy(module.data(), bytes.data(), bytes.size());
  auto const linked_at = [&](std::size_t offset) {
    memory_file const file{bytes};
    std::uintptr_t linked = 0;
    REQUIRE(elf_file{file.path().c_str()}.linked_address(module.data() + offset, module.data(), linked));
    return linked;
  };
  REQUIRE(linked_at(0x20) == 0x5020);
  bytes[offsetof(ElfW(Ehdr), e_type)] = ET_EXEC;
  REQUIRE(linked_at(0x20) == reinterpret_cast<std::uintptr_t>(module.data() + 0x20));
}

TEST_CASE("a module is not read from a file that has replaced its own", "[symbol]") {
  auto bytes = small_elf();
  bytes.resize(2000);
  std::string const module = bytes;
  auto const maps = [&] {
    memory_file const file{bytes};
    return elf_file{file.path().c_str()}.is_mapped_at(module.data());
  };
  REQUIRE(maps());
  bytes[1023] ^= 1;
  REQUIRE_FALSE(maps());
  REQUIRE_FALSE(elf_file{"/nonexistent"}.is_mapped_at(module.data()));
  REQUIRE_FALSE(elf_file{"/"}.is_mapped_at(module.data()));
  char name[elf_file::longest_name];
  REQUIRE(elf_file{"/nonexistent"}.function_at(0x5020, name) == std::string_view{});
}

TEST_CASE("a truncated file gives the right name or none", "[symbol]") {
  auto const elf = small_elf();
  for (std::size_t size = 0; size <= elf.size(); ++size) {
    auto const found = function_in(elf.substr(0, size), 0x5030);
    CAPTURE(size);
    bool const has_symbol = size >= elf.size() - 3 * sizeof(ElfW(Sym));
    REQUIRE(found == (has_symbol ? "local" : ""));
  }
}

TEST_CASE("a malformed file does no harm", "[symbol]") {
  auto const seed = GENERATE(take(5, random(0u, 1'000'000u)));
  CAPTURE(seed);
  std::mt19937 random{seed};
  auto const elf = small_elf();
  for (int round = 0; round < 1'000; ++round) {
    auto bytes = elf;
    auto const values = std::array{0u, 1u, 0x7fu, 0x80u, 0xffu, static_cast<unsigned>(random() % 256)};
    for (auto n = random() % 4 + 1; n > 0; --n) {
      // Runs of equal bytes make whole fields huge.
      auto const at = 5 + random() % (bytes.size() - 13);
      auto const length = 1 + random() % 8;
      std::memset(bytes.data() + at, static_cast<int>(values[random() % values.size()]), length);
    }
    memory_file const file{bytes};
    elf_file const elf_of{file.path().c_str()};
    std::uintptr_t linked = 0;
    elf_of.linked_address(elf.data(), elf.data(), linked);
    char name[elf_file::longest_name];
    if (std::strlen(elf_of.function_at(0x5020, name)) > bytes.size()) FAIL("a name longer than its file");
  }
}

#endif
