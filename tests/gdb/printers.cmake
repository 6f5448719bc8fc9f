# Stops PROGRAM in gdb where it calls stop_here, and checks that its variables print as the file EXPECTED says, `...`
# standing for any text. gdb may not call functions of the program meanwhile.
#
#   cmake -DGDB=gdb -DPRINTERS=tools/gdb/dally_printers.py -DPROGRAM=build/tests/gdb_handles \
#         -DEXPECTED=tests/gdb/handles.txt -P printers.cmake
cmake_policy(VERSION 3.24)

file(READ "${EXPECTED}" promised)
execute_process(
  COMMAND "${GDB}" -nx -batch -ex "set disable-randomization off" -ex "source ${PRINTERS}" -ex "break stop_here" -ex run
          -ex "set may-call-functions off" -ex up -ex "echo variables:\\n" -ex "info locals" -ex kill "${PROGRAM}"
  OUTPUT_VARIABLE printed ERROR_VARIABLE errors)
if(errors MATCHES "ptrace|not supported in this configuration|Python scripting is not supported")
  message("skipped: ${errors}")
  return()
endif()

string(REGEX REPLACE "([][+.*()^$?|\\{}])" "\\\\\\1" pattern "${promised}")
string(REPLACE "\\.\\.\\." "[^\n]*" pattern "${pattern}")
if(NOT printed MATCHES "variables:\n${pattern}")
  message("${EXPECTED} promises:\n${promised}\ngdb printed:\n${printed}${errors}")
  message(FATAL_ERROR "these are not the same")
endif()
