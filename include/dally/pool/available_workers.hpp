#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

#include "dally/core/text.hpp"

namespace dally {

namespace detail {

/// What a file holds; empty if it cannot be read. For the small files by which the kernel answers.
[[gnu::cold]] inline std::string kernel_text(std::string const& path) {
  std::string text;
  int const descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return text;
  char block[1024];
  for (;;) {
    auto const got = ::read(descriptor, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || text.size() > 1u << 20u) break;
    text.append(block, static_cast<std::size_t>(got));
  }
  ::close(descriptor);
  return text;
}

/// Cuts the number in front off `text`; 0 if there is none (`max`, `-1`), or none that fits.
[[gnu::cold, gnu::noinline]] inline unsigned long long cut_number(std::string_view& text) {
  unsigned long long number = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (__builtin_mul_overflow(number, 10ull, &number) ||
        __builtin_add_overflow(number, static_cast<unsigned>(text.front() - '0'), &number)) {
      return 0;
    }
    text.remove_prefix(1);
  }
  return number;
}

/// The smaller of two limits of which 0 is none.
inline unsigned smaller_limit(unsigned a, unsigned b) { return a == 0 || (b != 0 && b < a) ? b : a; }

/// Whole CPUs that cover `quota` out of every `period` of time, at least one; 0 if either is not given.
[[gnu::cold, gnu::noinline]] inline unsigned cpus_for(unsigned long long quota, unsigned long long period) {
  if (quota == 0 || period == 0) return 0;
  auto const cpus = quota / period + (quota % period != 0 ? 1 : 0);
  return cpus < 1u << 30u ? static_cast<unsigned>(cpus) : 0;
}

/// The limit that one cgroup's own folder states, in the words of version 2 or 1.
[[gnu::cold]] inline unsigned folder_cpu_limit(std::string_view folder) {
  auto const v2 = kernel_text(joined({folder, "/cpu.max"}));  // "150000 100000" or "max 100000"
  std::string_view rest{v2};
  auto const quota = cut_number(rest);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  auto limit = cpus_for(quota, cut_number(rest));
  auto const v1_quota = kernel_text(joined({folder, "/cpu.cfs_quota_us"}));  // "150000" or "-1"
  auto const v1_period = kernel_text(joined({folder, "/cpu.cfs_period_us"}));
  std::string_view v1_quota_rest{v1_quota}, v1_period_rest{v1_period};
  return smaller_limit(limit, cpus_for(cut_number(v1_quota_rest), cut_number(v1_period_rest)));
}

/// The least limit of the cgroup `path` (`/a/b`) below `root` and of those around it. In a container `path` may be the
/// host's: then its folders are missing and `root` is the container's own.
[[gnu::cold]] inline unsigned path_cpu_limit(std::string_view root, std::string_view path) {
  if (path.find("/..") != path.npos) path = {};  // outside of what is mounted here
  unsigned limit = folder_cpu_limit(root);
  while (!path.empty()) {
    if (path != "/") limit = smaller_limit(limit, folder_cpu_limit(joined({root, path})));
    path = path.substr(0, path.rfind('/') == path.npos ? 0 : path.rfind('/'));
  }
  return limit;
}

}  // namespace detail

/// How many CPUs' worth of time the process's control groups grant it, rounded up; 0 if they set no limit or cannot be
/// read. `proc_self_cgroup_file` is in the format of /proc/self/cgroup, `cgroup_root` where the groups are mounted:
/// version 1, 2, or both as systemd's hybrid lays them out.
[[gnu::cold]] inline unsigned cgroup_cpu_limit(char const* proc_self_cgroup_file, char const* cgroup_root) {
  auto const groups = detail::kernel_text(proc_self_cgroup_file);
  std::string_view const root{cgroup_root};
  unsigned limit = 0;
  for (std::string_view rest{groups}; !rest.empty();) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() < rest.size() ? line.size() + 1 : line.size());
    // number:controllers:path, where version 2 has no controllers and a path may contain colons
    auto const first = line.find(':');
    auto const second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    auto const controllers = line.substr(first + 1, second - first - 1);
    auto const path = line.substr(second + 1);
    if (controllers.empty()) {
      limit = detail::smaller_limit(limit, detail::path_cpu_limit(root, path));
      limit = detail::smaller_limit(limit, detail::path_cpu_limit(joined({root, "/unified"}), path));
    } else if (joined({",", controllers, ","}).find(",cpu,") != std::string::npos) {
      limit = detail::smaller_limit(limit, detail::path_cpu_limit(joined({root, "/", controllers}), path));
      limit = detail::smaller_limit(limit, detail::path_cpu_limit(joined({root, "/cpu"}), path));
    }
  }
  return limit;
}

namespace detail {

/// How many CPUs the calling thread may run on, and with it the threads that it starts.
[[gnu::cold]] inline unsigned allowed_cpus() {
#ifdef __linux__
  // The kernel refuses a mask smaller than its own; cpu_set_t ends at 1,024 CPUs, this one at 65,536.
  unsigned long mask[1024] = {};
  if (::sched_getaffinity(0, sizeof mask, reinterpret_cast<cpu_set_t*>(mask)) == 0) {
    unsigned count = 0;
    for (auto word : mask) count += static_cast<unsigned>(std::popcount(word));
    return count;
  }
#endif
  auto const online = ::sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<unsigned>(online) : 0;
}

}  // namespace detail

/// How many threads can be busy at once in this process: the CPUs that its affinity allows, or as many as its control
/// groups' quota pays for if these are fewer; at least 1.
///
/// Cost   asked of the system at the first call, with the affinity of the calling thread; the same answer ever after
inline unsigned available_workers() {
  static unsigned const workers = [] {
    auto const count =
        detail::smaller_limit(detail::allowed_cpus(), cgroup_cpu_limit("/proc/self/cgroup", "/sys/fs/cgroup"));
    return count > 0 ? count : 1u;
  }();
  return workers;
}

}  // namespace dally
