#pragma once

#include <sys/utsname.h>

#include <fstream>
#include <string>
#include <thread>

#include <fmt/format.h>

namespace support {

/// The processor's name, or "unknown processor".
inline std::string processor() {
  std::ifstream list{"/proc/cpuinfo"};
  for (std::string line; std::getline(list, line);)
    if (line.starts_with("model name"))
      if (auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return "unknown processor";
}

/// One line on where the numbers below it were measured: processor, cores, system, compiler, kind of build.
inline std::string machine() {
#if defined(__clang__)
  std::string const compiler = "clang " __clang_version__;
#elif defined(__GNUC__)
  std::string const compiler = "g++ " __VERSION__;
#else
  std::string const compiler = "unknown compiler";
#endif
#if defined(__OPTIMIZE__) && defined(NDEBUG)
  auto const* build = "optimized, NDEBUG";
#elif defined(__OPTIMIZE__)
  auto const* build = "optimized, with assertions";
#else
  auto const* build = "NOT optimized";
#endif
  utsname system{};
  auto const* release = uname(&system) == 0 ? system.release : "?";
  return fmt::format("{}, {} cores, Linux {}, {}, {}", processor(), std::thread::hardware_concurrency(), release,
                     compiler, build);
}

}  // namespace support
