# Checks that SOURCE is refused by the compiler in the promised words, and that its cured twin compiles.
#
#   cmake -DSOURCE=x.cpp -DCOMPILER=g++ -DCOMPILER_ID=GNU "-DFLAGS=-Idir;..." -P compile_fail.cmake
#
# The source says, in lines at its top,
#   // expect: REGEX         a regular expression of CMake's kind that the compiler's output must match
#   // expect-first: REGEX   one that the first line with "error:" must match: what a user reads first
#   // expect-clang: REGEX, // expect-first-clang: REGEX   the same for Clang, if its words differ
# and holds the cured code under #ifdef DALLY_CONTROL. Where a line has a number behind its word, as in
# "// expect-first 2: REGEX", the source is compiled with -DCASE=2 for it.
cmake_policy(VERSION 3.24)

file(READ "${SOURCE}" text)
if(NOT text MATCHES "DALLY_CONTROL")
  message(FATAL_ERROR "${SOURCE}: no cured code under #ifdef DALLY_CONTROL")
endif()
string(REGEX MATCHALL "// expect[a-z-]* ?[0-9]*: " said "${text}")
set(cases "")
foreach(word IN LISTS said)
  string(REGEX MATCH "[0-9]*: $" case "${word}")
  string(REPLACE ": " "" case "${case}")
  list(APPEND cases "case${case}")
endforeach()
list(REMOVE_DUPLICATES cases)
if(cases STREQUAL "")
  message(FATAL_ERROR "${SOURCE}:1: the first line should be '// expect: REGEX' or '// expect-first: REGEX'")
endif()

set(ENV{LC_ALL} C)
set(compile "${COMPILER}" -std=c++20 -fsyntax-only ${FLAGS} "${SOURCE}")

# What is expected of `word`, in the variable `result`; "" if nothing is.
function(expectation word case result)
  set(found "")
  foreach(spelled IN ITEMS "${word}" "${word}-clang")
    if(spelled STREQUAL word OR COMPILER_ID MATCHES "Clang")
      if(text MATCHES "// ${spelled}${case}: ([^\n]+)")
        set(found "${CMAKE_MATCH_1}")
      endif()
    endif()
  endforeach()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

foreach(case IN LISTS cases)
  string(REPLACE "case" "" number "${case}")
  set(define "")
  set(case "")
  if(NOT number STREQUAL "")
    set(define "-DCASE=${number}")
    set(case " ${number}")
  endif()
  expectation(expect "${case}" anywhere)
  expectation(expect-first "${case}" first)

  execute_process(COMMAND ${compile} ${define} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(result EQUAL 0)
    message(FATAL_ERROR "${SOURCE}${case} compiles, but should be refused with: ${anywhere}${first}")
  endif()
  if(NOT output MATCHES "${anywhere}")
    message("${output}")
    message(FATAL_ERROR "${SOURCE}${case} is refused, as it should, but not in the words: ${anywhere}")
  endif()
  string(REGEX MATCH "[^\n]*error: [^\n]*" first_line "${output}")
  if(NOT first_line MATCHES "${first}")
    message("${output}")
    message(FATAL_ERROR "${SOURCE}${case} is refused, as it should, but its first error is not: ${first}")
  endif()

  execute_process(COMMAND ${compile} ${define} -DDALLY_CONTROL
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message("${output}")
    message(FATAL_ERROR "${SOURCE}${case} should compile with -DDALLY_CONTROL, but does not")
  endif()
endforeach()
