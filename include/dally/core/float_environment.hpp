#pragma once

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <cfenv>
#endif
#include <cstdint>

namespace dally {

/// How a thread rounds, whether it takes denormal numbers for zero, and which floating-point exceptions trap: what
/// std::fesetround, _MM_SET_FLUSH_ZERO_MODE and feenableexcept set. Each thread has its own. Without the flags that say
/// what has happened. Elsewhere than on x86-64 and AArch64 the direction of rounding alone.
class float_environment {
 public:
  /// That of the calling thread.
  [[nodiscard]] static float_environment current() noexcept {
#if defined(__x86_64__)
    std::uint16_t x87 = 0;
    asm volatile("fnstcw %0" : "=m"(x87));
    return float_environment{std::uint64_t{x87} << 32 | (__builtin_ia32_stmxcsr() & ~sse_flags)};
#elif defined(__aarch64__)
    std::uint64_t control = 0;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return float_environment{control};
#else
    return float_environment{static_cast<std::uint64_t>(std::fegetround())};
#endif
  }

  /// Makes it the calling thread's, unless it is already.
  void apply() const noexcept {
    if (bits_ != current().bits_) [[unlikely]]
      set();
  }

  friend bool operator==(float_environment, float_environment) noexcept = default;

  /// As a number, for another process of the same program.
  [[nodiscard]] std::uint64_t bits() const noexcept { return bits_; }
  [[nodiscard]] static float_environment of(std::uint64_t bits) noexcept { return float_environment{bits}; }

 private:
  explicit float_environment(std::uint64_t bits) noexcept : bits_{bits} {}

  void set() const noexcept {
#if defined(__x86_64__)
    auto const x87 = static_cast<std::uint16_t>(bits_ >> 32);
    asm volatile("fldcw %0" : : "m"(x87));
    __builtin_ia32_ldmxcsr(static_cast<std::uint32_t>(bits_) | (__builtin_ia32_stmxcsr() & sse_flags));
#elif defined(__aarch64__)
    asm volatile("msr fpcr, %0" : : "r"(bits_));
#else
    std::fesetround(static_cast<int>(bits_));
#endif
  }

#if defined(__x86_64__)
  static constexpr std::uint32_t sse_flags = 0x3f;
#endif
  friend class scoped_float_environment;

  std::uint64_t bits_;
};

/// Makes an environment the calling thread's for as long as it lives.
class scoped_float_environment {
 public:
  explicit scoped_float_environment(float_environment wanted) noexcept
      : former_{float_environment::current()}, changed_{former_ != wanted} {
    if (changed_) [[unlikely]]
      wanted.set();
  }
  scoped_float_environment(scoped_float_environment const&) = delete;
  scoped_float_environment& operator=(scoped_float_environment const&) = delete;
  ~scoped_float_environment() {
    if (changed_) [[unlikely]]
      former_.set();
  }

 private:
  float_environment const former_;
  bool const changed_;
};

}  // namespace dally
