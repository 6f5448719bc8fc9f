# Checks that SOURCE is refused by the compiler in the promised words, and that its cured twin compiles.
#
#   cmake -DSOURCE=x.cpp -DCOMPILER=g++ -DCOMPILER_ID=GNU -DINCLUDES=dir;dir -P compile_fail.cmake
#
# The source begins with
#   // expect: REGEX          a regular expression of CMake's kind that the compiler's output must match
#   // expect-clang: REGEX    the same for Clang, if its words differ
# and holds the cured code under #ifdef DALLY_CONTROL.
cmake_policy(VERSION 3.24)

file(STRINGS "${SOURCE}" lines LIMIT_COUNT 2 REGEX "^// expect(-clang)?: ")
set(expected "")
foreach(line IN LISTS lines)
  if(line MATCHES "^// expect: (.+)$")
    set(expected "${CMAKE_MATCH_1}")
  elseif(COMPILER_ID MATCHES "Clang" AND line MATCHES "^// expect-clang: (.+)$")
    set(expected "${CMAKE_MATCH_1}")
  endif()
endforeach()
if(expected STREQUAL "")
  message(FATAL_ERROR "${SOURCE}:1: the first line should be '// expect: REGEX'")
endif()
file(READ "${SOURCE}" text)
if(NOT text MATCHES "DALLY_CONTROL")
  message(FATAL_ERROR "${SOURCE}: no cured code under #ifdef DALLY_CONTROL")
endif()

set(ENV{LC_ALL} C)
list(TRANSFORM INCLUDES PREPEND -I)
set(compile "${COMPILER}" -std=c++20 -fsyntax-only ${INCLUDES} "${SOURCE}")

execute_process(COMMAND ${compile} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, but should be refused with: ${expected}")
endif()
if(NOT output MATCHES "${expected}")
  message("${output}")
  message(FATAL_ERROR "${SOURCE} is refused, as it should, but not in the words: ${expected}")
endif()

execute_process(COMMAND ${compile} -DDALLY_CONTROL RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message("${output}")
  message(FATAL_ERROR "${SOURCE} should compile with -DDALLY_CONTROL, but does not")
endif()
