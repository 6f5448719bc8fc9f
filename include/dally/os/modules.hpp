#pragma once

#include "dally/os/declared.hpp"

#if !DALLY_OS_DECLARED
#include <dlfcn.h>
#endif

/// The program and the libraries it has loaded.
namespace dally::os {

#if DALLY_OS_DECLARED
/// Where an address lies, as the loader knows it: a Dl_info.
struct module_place {
  char const* dli_fname;  ///< the module's file
  void* dli_fbase;        ///< where it is loaded
  char const* dli_sname;  ///< of the nearest symbol below the address that the loader knows
  void* dli_saddr;        ///< where that begins
};

namespace detail {
extern "C" int dally_os_dladdr(void const*, module_place*) noexcept __asm__("dladdr");
}  // namespace detail
#else
using module_place = Dl_info;

namespace detail {
inline int dally_os_dladdr(void const* address, module_place* place) noexcept { return ::dladdr(address, place); }
}  // namespace detail
#endif

/// Finds the module in which `address` lies; false if it lies in none.
inline bool find_module(void const* address, module_place& place) noexcept {
  return detail::dally_os_dladdr(address, &place) != 0;
}

}  // namespace dally::os
