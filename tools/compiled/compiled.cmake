# The target dally::compiled, for dally as a folder and as an installed package: made of source by whoever links it, so
# that it fits his compiler and flags; who does not link it does not build it.
if(NOT TARGET dally_compiled)
  add_library(dally_compiled STATIC EXCLUDE_FROM_ALL "${CMAKE_CURRENT_LIST_DIR}/compiled.cpp")
  add_library(dally::compiled ALIAS dally_compiled)
  target_compile_definitions(dally_compiled INTERFACE DALLY_COMPILED)
  target_link_libraries(dally_compiled PUBLIC dally::dally)
  set_target_properties(dally_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
endif()
