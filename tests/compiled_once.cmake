# Checks that a file with DALLY_COMPILED leaves out what is compiled once: its object USER calls functions of dally that
# it does not define, and all of those are in the object ONCE.
#
#   cmake -DNM=nm -DUSER=user.o -DONCE=compiled.o -P compiled_once.cmake
cmake_policy(VERSION 3.24)

# The names of `object` whose kinds, in nm's letters, match.
function(symbols object kinds result)
  execute_process(COMMAND "${NM}" "${object}" OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]* (${kinds}) _ZNK?5dally[^\n]*" lines "${lines}")
  list(TRANSFORM lines REPLACE ".* " "")
  set(${result} "${lines}" PARENT_SCOPE)
endfunction()

symbols("${USER}" U left_out)
symbols("${ONCE}" [TW] compiled)
foreach(needed IN ITEMS 4planC1 9executionD1 4bury)
  if(NOT left_out MATCHES "${needed}")
    message(SEND_ERROR "${USER} does not leave out ${needed}")
  endif()
endforeach()
foreach(name IN LISTS left_out)
  if(NOT name IN_LIST compiled)
    message(SEND_ERROR "${ONCE} lacks ${name}")
  endif()
endforeach()
symbols("${USER}" [TtWV] own)
foreach(name IN LISTS own)
  if(name MATCHES "crew_run|collapsed_graph|elf_file|worker_crew")
    message(SEND_ERROR "${USER} compiles ${name}")
  endif()
endforeach()
