# Installs dally into a fresh prefix below WORK, which then moves; configures, builds and runs the stranger's project
# CONSUMER, which gets to know both the prefix and the source directory and takes the one it wants. No step may warn.
# Its PROGRAMS print all the same.
#
#   cmake -DCONSUMER=tests/package/find_package -DPROGRAMS="dally;compiled" -DLIBRARIES="dally;graphviz" \
#         -DVERSION=0.1.0 -DDALLY_SOURCE=. -DDALLY_BUILD=build -DWORK=dir -DGENERATOR=Ninja -DCOMPILER=g++ -P consume.cmake
#
# Instead of a folder with a project CONSUMER may be `pkg_config`, or `plain`: the compiler's command line alone. The
# folder exported_library holds two projects: a library that is installed itself, and who uses it.
cmake_policy(VERSION 3.24)

function(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  message("${output}")
  if(NOT result EQUAL 0 OR output MATCHES "[Ww]arning")
    message(FATAL_ERROR "not silent, or no success: ${ARGN}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# Runs a consumer of the given library.
function(run program)
  step("${program}")
  if(NOT output STREQUAL "dally ${VERSION}: 6\n")
    message(FATAL_ERROR "not what a consumer of dally ${VERSION} should print")
  endif()
endfunction()

set(sources "${CMAKE_CURRENT_LIST_DIR}")
set(compile "${COMPILER}" -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")

if(CONSUMER STREQUAL "plain")
  step(${compile} "-I${DALLY_SOURCE}/include" "${sources}/consumer_dally.cpp" -lfmt -o "${WORK}/linked")
  run("${WORK}/linked")
  step(${compile} -DFMT_HEADER_ONLY "-I${DALLY_SOURCE}/include" "${sources}/consumer_dally.cpp" -o "${WORK}/header_only")
  run("${WORK}/header_only")
  step(${compile} -DDALLY_COMPILED "-I${DALLY_SOURCE}/include" "${sources}/consumer_dally.cpp"
       "${DALLY_SOURCE}/tools/compiled/compiled.cpp" -lfmt -o "${WORK}/compiled")
  run("${WORK}/compiled")
  return()
endif()

step("${CMAKE_COMMAND}" --install "${DALLY_BUILD}" --prefix "${WORK}/installed")
file(RENAME "${WORK}/installed" "${WORK}/prefix")

if(CONSUMER STREQUAL "pkg_config")
  set(ENV{PKG_CONFIG_PATH} "${WORK}/prefix/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  step("${PKG_CONFIG}" --modversion dally)
  if(NOT output STREQUAL "${VERSION}\n")
    message(FATAL_ERROR "another version than ${VERSION}")
  endif()
  execute_process(COMMAND "${PKG_CONFIG}" --exists "dally >= 99" RESULT_VARIABLE result)
  if(result EQUAL 0)
    message(FATAL_ERROR "pkg-config takes this for dally 99")
  endif()
  foreach(library IN LISTS LIBRARIES)
    string(REGEX REPLACE "^dally-dally$" "dally" package "dally-${library}")
    step("${PKG_CONFIG}" --cflags "${package}")
    separate_arguments(flags UNIX_COMMAND "${output}")
    step("${PKG_CONFIG}" --libs "${package}")
    separate_arguments(libraries UNIX_COMMAND "${output}")
    step(${compile} ${flags} "${sources}/consumer_${library}.cpp" ${libraries} -o "${WORK}/consumer_${library}")
    run("${WORK}/consumer_${library}")
  endforeach()
  return()
endif()

cmake_path(GET CONSUMER FILENAME name)
if(name STREQUAL "exported_library")
  set(configure "${CMAKE_COMMAND}" -G "${GENERATOR}" -DCMAKE_BUILD_TYPE=Debug --no-warn-unused-cli
                "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DDALLY_SOURCE=${DALLY_SOURCE}")
  foreach(as_folder IN ITEMS ON OFF)
    set(there "${WORK}/as_folder_${as_folder}")
    step(${configure} -S "${CONSUMER}/library" -B "${there}/library" "-DCMAKE_PREFIX_PATH=${WORK}/prefix"
         "-DDALLY_AS_FOLDER=${as_folder}")
    step("${CMAKE_COMMAND}" --build "${there}/library")
    step("${CMAKE_COMMAND}" --install "${there}/library" --prefix "${there}/prefix")
    if(EXISTS "${there}/prefix/include/dally")
      message(FATAL_ERROR "dally was installed with a library that had not asked for it")
    endif()
    set(prefixes "${there}/prefix")
    if(as_folder)
      step("${CMAKE_COMMAND}" --install "${there}/library" --prefix "${there}/prefix" --component dally)
    else()
      string(APPEND prefixes "$<SEMICOLON>${WORK}/prefix")
    endif()
    string(REPLACE "$<SEMICOLON>" "\\;" prefixes "${prefixes}")
    step(${configure} -S "${CONSUMER}/user" -B "${there}/user" "-DCMAKE_PREFIX_PATH=${prefixes}")
    step("${CMAKE_COMMAND}" --build "${there}/user")
    run("${there}/user/user")
  endforeach()
  return()
endif()

step("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK}/build" -G "${GENERATOR}" -DCMAKE_BUILD_TYPE=Release --no-warn-unused-cli
     "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DDALLY_SOURCE=${DALLY_SOURCE}"
     "-DDALLY_VERSION_EXPECTED=${VERSION}")
step("${CMAKE_COMMAND}" --build "${WORK}/build")
foreach(program IN LISTS PROGRAMS)
  run("${WORK}/build/consumer_${program}")
endforeach()
