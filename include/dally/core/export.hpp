#pragma once

#include <cstddef>

#include "dally/version.hpp"

// Memory that one of these asks for, another must not give back.
#if defined(__SANITIZE_ADDRESS__)
#define DALLY_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DALLY_ADDRESS_SANITIZER 1
#endif
#endif

// What the layout of shared things depends on, besides the version.
#if defined(_LIBCPP_VERSION)
#define DALLY_STANDARD_LIBRARY_ "_libcxx"
#elif defined(_GLIBCXX_USE_CXX11_ABI) && !_GLIBCXX_USE_CXX11_ABI
#define DALLY_STANDARD_LIBRARY_ "_old_strings"
#else
#define DALLY_STANDARD_LIBRARY_ ""
#endif
#if defined(DALLY_ADDRESS_SANITIZER)
#define DALLY_ALLOCATOR_ "_asan"
#else
#define DALLY_ALLOCATOR_ ""
#endif

#define DALLY_ABI_TEXT_(major, minor, patch) \
  "dally_" #major "_" #minor "_" #patch DALLY_STANDARD_LIBRARY_ DALLY_ALLOCATOR_
#define DALLY_ABI_TEXT(major, minor, patch) DALLY_ABI_TEXT_(major, minor, patch)

/// DALLY_EXPORT begins the declaration of what a process has once, also if several of its libraries are compiled with
/// -fvisibility=hidden: the dynamic linker then finds one for all. Its symbol carries the version of dally, so that
/// libraries with different ones share nothing. Only for variables, and for functions that
///
/// - have static variables, or are entered by way of what is shared: as the body of a pool's thread, as the handler of
///   a signal. Those must be the functions of the library whose variables are taken, which stays loaded as long as
///   them; never inlined therefore.
///
/// Who uses a variable must use, in the same library, the mutex that guards it: then no two libraries share the one
/// without the other. A library that has its symbols to itself all the same (dlopen with RTLD_LOCAL of one that was
/// made by clang or with -fno-gnu-unique, a linker's version script) has all of these to itself, and can be unloaded.
/// See docs/libraries.md.
#define DALLY_EXPORT            \
  [[gnu::visibility("default"), \
    gnu::abi_tag(DALLY_ABI_TEXT(DALLY_VERSION_MAJOR, DALLY_VERSION_MINOR, DALLY_VERSION_PATCH))]]

/// DALLY_EXPORT_TYPE does it for the type of an exception, which other libraries catch: libc++ compares such types by
/// address. For what exceptions are made of as well, or GCC warns.
#define DALLY_EXPORT_TYPE [[gnu::visibility("default")]]
