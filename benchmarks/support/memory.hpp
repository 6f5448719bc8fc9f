#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

namespace support {

namespace detail {

/// A field of /proc/self/status that is given in kB, in bytes; 0 where there is none.
inline std::uint64_t status_bytes(char const* field) {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  if (status == nullptr) return 0;
  char line[256];
  unsigned long long kilobytes = 0;
  auto const length = std::strlen(field);
  while (std::fgets(line, sizeof line, status) != nullptr)
    if (std::strncmp(line, field, length) == 0 && std::sscanf(line + length, ": %llu", &kilobytes) == 1) break;
  std::fclose(status);
  return kilobytes * 1024;
}

}  // namespace detail

/// Resident memory of this process now.
inline std::uint64_t rss_bytes() { return detail::status_bytes("VmRSS"); }

/// The most it ever had, or had since the last reset_peak_rss that succeeded.
inline std::uint64_t peak_rss_bytes() { return detail::status_bytes("VmHWM"); }

/// Lets the peak start again from the memory in use now; false where the kernel does not allow it.
inline bool reset_peak_rss() {
  std::FILE* clear = std::fopen("/proc/self/clear_refs", "w");
  if (clear == nullptr) return false;
  bool const written = std::fputs("5", clear) >= 0;
  return std::fclose(clear) == 0 && written;
}

}  // namespace support
