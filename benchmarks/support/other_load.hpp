#pragma once

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

namespace support {

/// How much of the machine's processors others took meanwhile: a measurement beside much of it says little.
class other_load {
 public:
  /// In cores, since construction: of all processes but this one and its children that have ended. 0 where the system
  /// does not tell. The system counts in steps of some 10 ms: of less than 100 ms it says little.
  [[nodiscard]] double cores() const {
    std::chrono::duration<double> const passed = std::chrono::steady_clock::now() - begin_;
    double const others = (machine_seconds() - machine_) - (own_seconds() - own_);
    return std::clamp(others / passed.count(), 0.0, static_cast<double>(std::thread::hardware_concurrency()));
  }

 private:
  /// Seconds that all processors were busy since the machine began.
  static double machine_seconds() {
    std::FILE* const file = std::fopen("/proc/stat", "r");
    if (file == nullptr) return 0;
    unsigned long long user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, soft_irq = 0, steal = 0;
    int const read = std::fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
                                 &waiting, &irq, &soft_irq, &steal);
    std::fclose(file);
    if (read < 8) return 0;
    return static_cast<double>(user + nice + system + irq + soft_irq + steal) /
           static_cast<double>(sysconf(_SC_CLK_TCK));
  }

  static double own_seconds() {
    double seconds = 0;
    for (auto const whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
      rusage used{};
      getrusage(whose, &used);
      for (timeval const t : {used.ru_utime, used.ru_stime}) {
        seconds += static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
      }
    }
    return seconds;
  }

  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  double machine_ = machine_seconds(), own_ = own_seconds();
};

}  // namespace support
