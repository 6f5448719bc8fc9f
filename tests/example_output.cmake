# Runs PROGRAM and checks that it prints what the comment at the end of its SOURCE promises:
#
#   // Output:
#   //   five is 5
#   //   it took ... seconds
#
# `...` stands for any text within a line, and as a line of its own for any number of lines.
#
#   cmake -DPROGRAM=build/examples/lesson -DSOURCE=examples/lesson.cpp -P example_output.cmake
cmake_policy(VERSION 3.24)

file(READ "${SOURCE}" source)
if(NOT source MATCHES "\n// Output:\n((//[^\n]*\n)+)$")
  message(FATAL_ERROR "${SOURCE} does not end in a comment '// Output:' with what it prints")
endif()
string(REGEX REPLACE "//( ? ? ?)([^\n]*\n)" "\\2" promised "${CMAKE_MATCH_1}")

execute_process(COMMAND "${PROGRAM}" RESULT_VARIABLE result OUTPUT_VARIABLE printed ERROR_VARIABLE errors)
if(NOT result EQUAL 0)
  message("${printed}${errors}")
  message(FATAL_ERROR "${PROGRAM} ended with: ${result}")
endif()

string(REGEX REPLACE "([][+.*()^$?|\\])" "\\\\\\1" pattern "\n${promised}")
string(REPLACE "\n\\.\\.\\.\n" "\n(.*\n)?" pattern "${pattern}")
string(REPLACE "\\.\\.\\." "[^\n]*" pattern "${pattern}")
if(NOT "\n${printed}" MATCHES "^${pattern}$")
  message("${SOURCE} promises:\n${promised}\n${PROGRAM} printed:\n${printed}${errors}")
  message(FATAL_ERROR "these are not the same")
endif()
