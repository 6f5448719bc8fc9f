# The programs of a stranger's project, which has found dally in one way or another.
foreach(library IN ITEMS dally graphviz)
  if(library STREQUAL "graphviz" AND NOT TARGET dally::graphviz)
    continue()
  endif()
  add_executable(consumer_${library} "${CMAKE_CURRENT_LIST_DIR}/consumer_${library}.cpp")
  target_link_libraries(consumer_${library} PRIVATE dally::${library})
  target_compile_options(consumer_${library} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
endforeach()
