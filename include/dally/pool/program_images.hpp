#pragma once

#include <link.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dally {

/// Where the program's and its libraries' code and constants lay at one time: what was loaded later, a process forked
/// then does not have.
///
/// Errors  std::bad_alloc
/// Cost    linear in the number of libraries, to make and to ask
class program_images {
 public:
  program_images() {
    ::dl_iterate_phdr(
        [](dl_phdr_info* module, std::size_t, void* data) {
          auto& self = *static_cast<program_images*>(data);
          self.loaded_ = module->dlpi_adds;
          for (unsigned i = 0; i < module->dlpi_phnum; ++i) {
            auto const& segment = module->dlpi_phdr[i];
            // What nobody can write to, or nobody any more.
            bool const constant = segment.p_type == PT_LOAD && (segment.p_flags & PF_W) == 0;
            if (!constant && segment.p_type != PT_GNU_RELRO) continue;
            std::uintptr_t const begin = module->dlpi_addr + segment.p_vaddr;
            self.ranges_.push_back({begin, begin + segment.p_memsz});
          }
          return 0;
        },
        this);
  }

  /// Whether something has been loaded since.
  [[nodiscard]] bool changed() const noexcept {
    std::uint64_t now = 0;
    ::dl_iterate_phdr(
        [](dl_phdr_info* module, std::size_t, void* data) {
          *static_cast<std::uint64_t*>(data) = module->dlpi_adds;
          return 1;
        },
        &now);
    return now != loaded_;
  }

  /// Whether an address lay in one of them.
  [[nodiscard]] bool hold(void const* address) const noexcept {
    auto const at = reinterpret_cast<std::uintptr_t>(address);
    for (range const& r : ranges_) {
      if (at >= r.begin && at < r.end) return true;
    }
    return false;
  }

 private:
  struct range {
    std::uintptr_t begin;
    std::uintptr_t end;
  };

  std::vector<range> ranges_;
  std::uint64_t loaded_ = 0;
};

}  // namespace dally
