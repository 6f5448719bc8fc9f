#pragma once

#include <dirent.h>
#include <sys/wait.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "support/catch2.hpp"

namespace dally::tests {

/// What a process has that a run must give back. Made before a run; its destructor finds nothing more than there was.
class ledger {
 public:
  ledger() : descriptors_{descriptors()}, shared_{shared_mappings()} {}
  ledger(ledger const&) = delete;
  ledger& operator=(ledger const&) = delete;
  ~ledger() {
    CHECK(descriptors() == descriptors_);
    CHECK(shared_mappings() == shared_);
    CHECK(!has_children());
  }

  static int descriptors() {
    int count = 0;
    DIR* const all = opendir("/proc/self/fd");
    while (readdir(all) != nullptr) ++count;
    closedir(all);
    return count;
  }
  static int shared_mappings() {
    int count = 0;
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);) {
      count += line.find("dally results") != line.npos || line.find("/dev/zero") != line.npos ? 1 : 0;
    }
    return count;
  }
  /// Also of those that have ended and were not waited for.
  static bool has_children() {
    siginfo_t info{};
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
  }

 private:
  int descriptors_;
  int shared_;
};

}  // namespace dally::tests
