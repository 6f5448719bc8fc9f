#pragma once

/// DALLY_FUNCTION begins the definition of a function that is compiled once in a program with dally compiled (see
/// "Install" in README.md): one that is neither a template nor called for each call recorded. It stands for `inline`
/// and attributes: behind other attributes, before everything else. DALLY_FUNCTION_APART does that for a function that
/// is to be called, not inlined. DALLY_FUNCTION_WITHIN begins one that becomes part of its caller, of which there is
/// one in most programs: a frame of its own, with the unwinder's table of it, takes 60 bytes and more. GCC would do
/// that by itself if no other file could have the function too.
///
/// - By default the function is inline, and compiled wherever it is used.
/// - With DALLY_COMPILED it is as good as declared: gnu_inline says that it is compiled elsewhere. The body is parsed
/// all
///   the same, so that the headers are one text.
/// - With DALLY_IMPLEMENTATION, in one file of the program, it is compiled, used or not.
///
/// For the linker these are one inline function, so files of all three sorts may meet in a program.
///
/// Not for functions with static variables, which clang takes for mistakes in gnu_inline ones. A constructor that is
/// defined behind its class is declared with it as well: GCC 12 makes its variants there.
#if defined DALLY_IMPLEMENTATION && defined __clang__
// Clang leaves out one of the two variants of a constructor or destructor that is inline but not weak.
#define DALLY_FUNCTION [[gnu::used, gnu::weak]] inline
#define DALLY_FUNCTION_APART [[gnu::used, gnu::weak, gnu::noinline]] inline
#elif defined DALLY_IMPLEMENTATION
#define DALLY_FUNCTION [[gnu::used]] inline
#define DALLY_FUNCTION_APART [[gnu::used, gnu::noinline]] inline
#elif defined DALLY_COMPILED && defined __clang__
// It passes over bodies that are not to be inlined. Its warning is for programs older than clang 10.
#define DALLY_FUNCTION                                                                                     \
  _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wgnu-inline-cpp-without-extern\"") \
      [[gnu::gnu_inline, gnu::noinline]] _Pragma("clang diagnostic pop") inline
#define DALLY_FUNCTION_APART DALLY_FUNCTION
#elif defined DALLY_COMPILED
// GCC refuses noinline beside gnu_inline, but passes over bodies that are not to be optimized.
#define DALLY_FUNCTION [[gnu::gnu_inline, gnu::optimize(0)]] inline
#define DALLY_FUNCTION_APART DALLY_FUNCTION
#else
#define DALLY_FUNCTION inline
#define DALLY_FUNCTION_APART [[gnu::noinline]] inline
#endif

#define DALLY_FUNCTION_WITHIN [[gnu::always_inline]] inline
