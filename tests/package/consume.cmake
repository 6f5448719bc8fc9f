# Installs dally into a fresh prefix below WORK, then configures, builds and runs the stranger's project CONSUMER,
# which gets to know both the prefix and the source directory and takes the one it wants. No step may warn.
#
#   cmake -DCONSUMER=find_package -DDALLY_SOURCE=. -DDALLY_BUILD=build -DWORK=dir -DGENERATOR=Ninja -DCOMPILER=g++ \
#         -P consume.cmake
cmake_policy(VERSION 3.24)

function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  message("${output}")
  if(NOT result EQUAL 0 OR output MATCHES "[Ww]arning")
    message(FATAL_ERROR "not silent, or no success: ${ARGN}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${WORK}")
step("${CMAKE_COMMAND}" --install "${DALLY_BUILD}" --prefix "${WORK}/prefix")
step("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK}/build" -G "${GENERATOR}" -DCMAKE_BUILD_TYPE=Release --no-warn-unused-cli
     "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DDALLY_SOURCE=${DALLY_SOURCE}")
step("${CMAKE_COMMAND}" --build "${WORK}/build")
step("${WORK}/build/consumer")
if(NOT output MATCHES "^dally [0-9.]+: 6\n$")
  message(FATAL_ERROR "not what the consumer should print")
endif()
