#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dally/core/function.hpp"
#include "dally/core/key.hpp"
#include "dally/core/symbol.hpp"
#include "dally/core/token.hpp"
#include "dally/os/modules.hpp"

namespace dally::detail {

/// What stands for an object of the program in every process of the same build: the build id of the program or library
/// it lies in (a note of the linker's; nothing if there is none), and its offset there.
///
/// Source  the ELF note NT_GNU_BUILD_ID, read where the loader has mapped it
[[gnu::cold]] DALLY_FUNCTION token place_in_build(void const* object) {
  token_hash hash;
  os::module_place module{};
  if (!os::find_module(object, module) || module.dli_fbase == nullptr) {
    hash.add_number(reinterpret_cast<std::uintptr_t>(object));  // a static program: always at the same address
    return hash.digest();
  }
  auto const* const base = static_cast<unsigned char const*>(module.dli_fbase);
  hash.add_number(static_cast<std::uint64_t>(static_cast<unsigned char const*>(object) - base));
#ifdef __linux__
  elf_header header;
  std::memcpy(&header, base, sizeof header);
  constexpr std::uint32_t loaded = 1;
  constexpr std::uint32_t notes = 4;
  constexpr std::uint32_t build_id = 3;
  std::uintptr_t linked_at = 0;  // the address for which the first loaded segment was linked: base is where it lies
  for (unsigned i = header.segments; i-- > 0;) {
    elf_segment segment;
    std::memcpy(&segment, base + header.segments_at + i * sizeof segment, sizeof segment);
    if (segment.type == loaded) linked_at = segment.address - segment.offset;
  }
  for (unsigned i = 0; i < header.segments; ++i) {
    elf_segment segment;
    std::memcpy(&segment, base + header.segments_at + i * sizeof segment, sizeof segment);
    if (segment.type != notes) continue;
    unsigned char const* note = base + (segment.address - linked_at);
    for (std::size_t left = segment.memory_size; left >= 12;) {
      std::uint32_t words[3];  // sizes of name and content, type
      std::memcpy(words, note, sizeof words);
      std::size_t const name = (words[0] + std::size_t{3}) & ~std::size_t{3};
      std::size_t const size = sizeof words + name + ((words[1] + std::size_t{3}) & ~std::size_t{3});
      if (size > left) break;
      if (words[2] == build_id && words[0] == 4 && std::memcmp(note + sizeof words, "GNU", 4) == 0) {
        hash.add_bytes(note + sizeof words + name, words[1]);
      }
      note += size;
      left -= size;
    }
  }
#endif
  return hash.digest();
}

}  // namespace dally::detail
