#pragma once

/// Whether dally declares what it calls of the operating system itself, under names of its own, rather than include
/// the system's headers: these bring `open`, `stat`, `mmap`, `signal` and hundreds more into the global namespace of
/// every program that includes dally, where a task of such a name becomes an overload.
///
/// So it is on 64-bit Linux, where every number stands for the same on all machines but the few named here. Elsewhere,
/// or with DALLY_OS_HEADERS defined, the system's headers are included. tests/os compares both.
#if defined __linux__ && __SIZEOF_LONG__ == 8 && !defined DALLY_OS_HEADERS && !defined __alpha__ && \
    !defined __hppa__ && !defined __mips__ && !defined __sparc__
#define DALLY_OS_DECLARED 1
#else
#define DALLY_OS_DECLARED 0
#endif
