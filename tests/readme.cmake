# Checks that README's first C++ block is the program EXAMPLE without its `// Output:` comment, and that a block
# after it shows, or ends in, that output.
#
#   cmake -DREADME=README.md -DEXAMPLE=examples/readme.cpp -P readme.cmake
cmake_policy(VERSION 3.24)

file(READ "${README}" readme)
file(READ "${EXAMPLE}" example)
if(NOT example MATCHES "^(.*[^\n])\n*\n// Output:\n((//[^\n]*\n)+)$")
  message(FATAL_ERROR "${EXAMPLE} does not end in a comment '// Output:' with what it prints")
endif()
set(program "${CMAKE_MATCH_1}\n")
string(REGEX REPLACE "//( ? ? ?)([^\n]*\n)" "\\2" output "${CMAKE_MATCH_2}")

string(FIND "${readme}" "```cpp\n" start)
if(start EQUAL -1)
  message(FATAL_ERROR "${README} has no C++ block")
endif()
math(EXPR start "${start} + 7")
string(SUBSTRING "${readme}" ${start} -1 rest)
string(FIND "${rest}" "```" length)
string(SUBSTRING "${rest}" 0 ${length} block)
if(NOT block STREQUAL program)
  message(FATAL_ERROR "the first C++ block of ${README} is not ${EXAMPLE}")
endif()

string(FIND "${rest}" "\n${output}```" found)
if(found EQUAL -1)
  message(FATAL_ERROR "${README} does not show the output that ${EXAMPLE} promises")
endif()
