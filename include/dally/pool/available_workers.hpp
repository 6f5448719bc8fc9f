#pragma once

#include <sched.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "dally/core/function.hpp"
#include "dally/os/files.hpp"

namespace dally {

// C strings and buffers throughout: every program compiles this, and none runs it twice.

namespace detail {

/// The number in front of a file of `folder`, whose first `length` characters count; 0 if there is none (`max`, a
/// blank), a huge one for what is negative or does not fit. `second` gets the number after it.
[[gnu::cold]] DALLY_FUNCTION unsigned long long read_number(char* folder, std::size_t length, char const* file,
                                                            unsigned long long* second = nullptr) noexcept {
  char line[64];
  std::strcpy(folder + length, file);
  std::FILE* const opened = std::fopen(folder, "re");
  if (opened == nullptr) return 0;
  char* rest = std::fgets(line, sizeof line, opened);
  std::fclose(opened);
  if (rest == nullptr || *rest == ' ') return 0;
  auto const number = std::strtoull(rest, &rest, 10);
  if (second != nullptr) *second = std::strtoull(rest, nullptr, 10);
  return number;
}

/// The smaller of two limits of which 0 is none.
inline unsigned smaller_limit(unsigned a, unsigned b) noexcept { return a == 0 || (b != 0 && b < a) ? b : a; }

/// Whole CPUs that cover `quota` out of every `period` of time, at least one; 0 if either is not given.
[[gnu::cold]] DALLY_FUNCTION_WITHIN unsigned cpus_for(unsigned long long quota, unsigned long long period) noexcept {
  if (quota == 0 || period == 0) return 0;
  auto const cpus = (quota - 1) / period + 1;
  return cpus < 1u << 30u ? static_cast<unsigned>(cpus) : 0;
}

/// The least limit of the cgroup `path` (`/a/b`) below `root` and `hierarchy` and of those around it, in the words of
/// version 2 or 1. In a container `path` may be the host's: then its folders are missing and the top is the container's
/// own.
[[gnu::cold]] DALLY_FUNCTION_WITHIN unsigned path_cpu_limit(char const* root, char const* hierarchy,
                                                            char const* path) noexcept {
  char folder[4608];                         // longer than any path that can be opened
  constexpr auto most = sizeof folder - 32;  // the names of files fit behind it
  auto const top = std::strlen(root) + std::strlen(hierarchy);
  if (std::strstr(path, "/..") != nullptr) path = "";  // outside of what is mounted here
  if (top + std::strlen(path) >= most) path = "";
  auto const written = std::snprintf(folder, most, "%s%s%s", root, hierarchy, path);
  if (written < 0 || top >= most) return 0;
  unsigned limit = 0;
  for (auto length = static_cast<std::size_t>(written);;) {
    unsigned long long period = 0;
    auto quota = read_number(folder, length, "/cpu.max", &period);  // "150000 100000" or "max 100000"
    limit = smaller_limit(limit, cpus_for(quota, period));
    quota = read_number(folder, length, "/cpu.cfs_quota_us");  // "150000" or "-1"
    limit = smaller_limit(limit, cpus_for(quota, read_number(folder, length, "/cpu.cfs_period_us")));
    if (length == top) return limit;
    while (length > top && folder[--length] != '/') {
    }
  }
}

}  // namespace detail

/// How many CPUs' worth of time the process's control groups grant it, rounded up; 0 if they set no limit or cannot be
/// read. `proc_self_cgroup_file` is in the format of /proc/self/cgroup, `cgroup_root` where the groups are mounted:
/// version 1, 2, or both as systemd's hybrid lays them out.
[[gnu::cold]] DALLY_FUNCTION_WITHIN unsigned cgroup_cpu_limit(char const* proc_self_cgroup_file,
                                                              char const* cgroup_root) noexcept {
  std::FILE* const groups = std::fopen(proc_self_cgroup_file, "re");
  if (groups == nullptr) return 0;
  unsigned limit = 0;
  char line[4608];
  while (std::fgets(line, sizeof line, groups) != nullptr) {
    line[std::strcspn(line, "\n")] = '\0';
    // number:controllers:path, where version 2 has no controllers and a path may contain colons
    char* const controllers = std::strchr(line, ':');
    char* const path = controllers != nullptr ? std::strchr(controllers + 1, ':') : nullptr;
    if (path == nullptr) continue;
    char const* hierarchies[] = {"/unified", ""};
    if (path != controllers + 1) {
      *controllers = *path = ',';
      char const* const cpu = std::strstr(controllers, ",cpu,");
      if (cpu == nullptr || cpu >= path) continue;
      *controllers = '/';
      hierarchies[0] = controllers;
      hierarchies[1] = "/cpu";
    }
    *path = '\0';
    for (char const* const hierarchy : hierarchies) {
      limit = detail::smaller_limit(limit, detail::path_cpu_limit(cgroup_root, hierarchy, path + 1));
    }
  }
  std::fclose(groups);
  return limit;
}

namespace detail {

/// How many CPUs the calling thread may run on, and with it the threads that it starts.
[[gnu::cold]] DALLY_FUNCTION_WITHIN unsigned allowed_cpus() noexcept {
#ifdef __linux__
  // The kernel refuses a mask smaller than its own; cpu_set_t ends at 1,024 CPUs, this one at 65,536.
  unsigned long mask[1024] = {};
  if (::sched_getaffinity(0, sizeof mask, reinterpret_cast<cpu_set_t*>(mask)) == 0) {
    int count = 0;
    for (auto word : mask) count += __builtin_popcountl(word);
    return static_cast<unsigned>(count);
  }
#endif
  return os::online_cpus();
}

[[gnu::cold]] DALLY_FUNCTION_WITHIN unsigned count_workers() noexcept {
  auto const count = smaller_limit(allowed_cpus(), cgroup_cpu_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
  return count > 0 ? count : 1u;
}

}  // namespace detail

/// How many threads can be busy at once in this process: the CPUs that its affinity allows, or as many as its control
/// groups' quota pays for if these are fewer; at least 1.
///
/// Cost   asked of the system at the first call, with the affinity of the calling thread; the same answer ever after
[[gnu::cold, gnu::noinline]] inline unsigned available_workers() noexcept {
  static unsigned const workers = detail::count_workers();
  return workers;
}

}  // namespace dally
