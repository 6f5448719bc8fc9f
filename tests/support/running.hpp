#pragma once

#include <cstdio>

namespace dally::tests {

/// Whether a process is there and no zombie, for which whoever inherits orphans waits.
inline bool is_running(int pid) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  std::FILE* const file = std::fopen(path, "r");
  if (file == nullptr) return false;
  char state = 0;
  bool const read = std::fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
  std::fclose(file);
  return read && state != 'Z' && state != 'X';
}

}  // namespace dally::tests
