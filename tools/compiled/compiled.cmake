# The target dally::compiled, for dally as a folder and as an installed package: made of source by whoever links it, so
# that it fits his compiler and flags; who does not link it does not build it. An imported target stands before it: a
# library that links dally::compiled and is exported names it, and whoever uses that library makes his own.
if(NOT TARGET dally_compiled)
  add_library(dally_compiled STATIC EXCLUDE_FROM_ALL "${CMAKE_CURRENT_LIST_DIR}/compiled.cpp")
  target_compile_definitions(dally_compiled INTERFACE DALLY_COMPILED)
  target_link_libraries(dally_compiled PUBLIC dally::dally)
  set_target_properties(dally_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
  add_library(dally::compiled INTERFACE IMPORTED GLOBAL)
  target_link_libraries(dally::compiled INTERFACE dally_compiled)
endif()
