# The programs of a stranger's project, which has found dally in one way or another.
foreach(library IN ITEMS dally compiled graphviz)
  if(library STREQUAL "graphviz" AND NOT TARGET dally::graphviz)
    continue()
  endif()
  set(source consumer_${library})
  if(library STREQUAL "compiled")
    set(source consumer_dally)  # the same program
  endif()
  add_executable(consumer_${library} "${CMAKE_CURRENT_LIST_DIR}/${source}.cpp")
  target_link_libraries(consumer_${library} PRIVATE dally::${library})
  target_compile_options(consumer_${library} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
endforeach()
