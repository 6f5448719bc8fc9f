#include "dally/os/declared.hpp"

#include <cstddef>
#include <cstdlib>
#include <type_traits>

#include "dally/os/files.hpp"
#include "dally/os/memory.hpp"
#include "dally/os/modules.hpp"
#include "dally/os/signals.hpp"
#include "dally/os/system_call.hpp"

// The system's own headers, to compare with.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <thread>

#include "support/catch2.hpp"

namespace os = dally::os;

// What dally declares itself is what the system's headers say.
static_assert(os::detail::read_and_write == (PROT_READ | PROT_WRITE));
static_assert(os::detail::private_anonymous == (MAP_PRIVATE | MAP_ANONYMOUS));
static_assert(static_cast<int>(os::advice::huge_pages) == MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
static_assert(static_cast<int>(os::advice::populate_write) == MADV_POPULATE_WRITE);
#endif
#ifdef MADV_COLLAPSE
static_assert(static_cast<int>(os::advice::collapse) == MADV_COLLAPSE);
#endif
static_assert(os::interrupt_signal == SIGINT && os::detail::sig_setmask == SIG_SETMASK);
static_assert(os::futex_wait_private == FUTEX_WAIT_PRIVATE && os::futex_wake_private == FUTEX_WAKE_PRIVATE);
static_assert(os::membarrier_private_expedited == MEMBARRIER_CMD_PRIVATE_EXPEDITED);
static_assert(os::membarrier_register_private_expedited == MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);

static_assert(sizeof(os::detail::signal_set) >= sizeof(sigset_t) &&
              alignof(os::detail::signal_set) >= alignof(sigset_t));
static_assert(sizeof(os::detail::signal_action) >= sizeof(struct sigaction) &&
              alignof(os::detail::signal_action) >= alignof(struct sigaction));

static_assert(sizeof(os::module_place) == sizeof(Dl_info));
static_assert(offsetof(os::module_place, dli_fname) == offsetof(Dl_info, dli_fname));
static_assert(offsetof(os::module_place, dli_fbase) == offsetof(Dl_info, dli_fbase));
static_assert(offsetof(os::module_place, dli_sname) == offsetof(Dl_info, dli_sname));
static_assert(offsetof(os::module_place, dli_saddr) == offsetof(Dl_info, dli_saddr));

#if DALLY_OS_DECLARED
static_assert(sizeof(os::detail::file_status) == sizeof(struct statx));
static_assert(offsetof(os::detail::file_status, mode) == offsetof(struct statx, stx_mode));
static_assert(AT_FDCWD == -100 && STATX_TYPE == 1 && S_IFMT == 0170000 && S_IFREG == 0100000);

#pragma GCC diagnostic ignored "-Wignored-attributes"  // of the system's functions, as arguments of a template

// The functions take and return what the system's do.
template <class Ours, class Theirs>
inline constexpr bool same_shape = false;
template <class R, class... A, class S, class... B>
inline constexpr bool same_shape<R (*)(A...) noexcept, S (*)(B...)> =
    sizeof...(A) == sizeof...(B) && sizeof(R) == sizeof(S) && ((sizeof(A) == sizeof(B)) && ...) &&
    std::is_pointer_v<R> == std::is_pointer_v<S> && ((std::is_pointer_v<A> == std::is_pointer_v<B>) && ...);
template <class R, class... A, class S, class... B>
inline constexpr bool same_shape<R (*)(A...) noexcept, S (*)(B...) noexcept> =
    same_shape<R (*)(A...) noexcept, S (*)(B...)>;

static_assert(same_shape<decltype(&os::detail::dally_os_mmap), decltype(&::mmap)>);
static_assert(same_shape<decltype(&os::detail::dally_os_munmap), decltype(&::munmap)>);
static_assert(same_shape<decltype(&os::detail::dally_os_madvise), decltype(&::madvise)>);
static_assert(same_shape<decltype(&os::detail::dally_os_signal), decltype(&::signal)>);
static_assert(same_shape<decltype(&os::detail::dally_os_sigaction), decltype(&::sigaction)>);
static_assert(same_shape<decltype(&os::detail::dally_os_raise), decltype(&::raise)>);
static_assert(same_shape<decltype(&os::detail::dally_os_sigfillset), decltype(&::sigfillset)>);
static_assert(same_shape<decltype(&os::detail::dally_os_sigdelset), decltype(&::sigdelset)>);
static_assert(same_shape<decltype(&os::detail::dally_os_pthread_sigmask), decltype(&::pthread_sigmask)>);
static_assert(same_shape<decltype(&os::detail::dally_os_dladdr), decltype(&::dladdr)>);
static_assert(same_shape<decltype(&os::detail::dally_os_statx), decltype(&::statx)>);
static_assert(same_shape<decltype(&os::detail::dally_os_getpid), decltype(&::getpid)>);
static_assert(same_shape<decltype(&os::detail::dally_os_get_nprocs), decltype(&::get_nprocs)>);
#endif

TEST_CASE("the signals that a thread brings upon itself are the machine's", "[os/signals]") {
  int const own[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGPROF, SIGSYS};
  bool left[32] = {};
  std::thread{[&] {
    os::signals_left_to_others const guard;
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (int signal = 1; signal < 32; ++signal) left[signal] = sigismember(&mask, signal) == 1;
  }}.join();
  for (int signal = 1; signal < 32; ++signal) {
    CAPTURE(signal);
    bool const never = signal == SIGKILL || signal == SIGSTOP;  // cannot be left to anybody
    CHECK((never || left[signal] == (std::find(std::begin(own), std::end(own), signal) == std::end(own))));
  }
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(sigismember(&mask, SIGUSR1) == 0);
}

namespace {
int volatile seen = 0;
}  // namespace

TEST_CASE("a handler that was replaced comes back with its flags", "[os/signals]") {
  struct sigaction mine = {};
  mine.sa_sigaction = [](int, siginfo_t*, void*) { seen = 1; };
  mine.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaddset(&mine.sa_mask, SIGUSR2);
  struct sigaction former = {};
  REQUIRE(::sigaction(SIGUSR1, &mine, &former) == 0);
  os::replaced_handler replaced;
  replaced.replace(SIGUSR1, [](int) { seen = 2; });
  os::raise_signal(SIGUSR1);
  CHECK(seen == 2);
  struct sigaction now = {};
  ::sigaction(SIGUSR1, nullptr, &now);
  CHECK((now.sa_flags & SA_RESTART) != 0);
  replaced.restore(SIGUSR1);
  os::raise_signal(SIGUSR1);
  CHECK(seen == 1);
  ::sigaction(SIGUSR1, &former, &now);
  CHECK((now.sa_flags & (SA_SIGINFO | SA_NODEFER | SA_RESTART)) == (SA_SIGINFO | SA_NODEFER));
  CHECK(sigismember(&now.sa_mask, SIGUSR2) == 1);
}

TEST_CASE("memory from the system is zero and can be given back", "[os/memory]") {
  constexpr std::size_t bytes = std::size_t{1} << 21;
  auto* const memory = static_cast<char*>(os::map(bytes));
  REQUIRE(memory != nullptr);
  os::advise(memory, bytes, os::advice::populate_write);
  CHECK((memory[0] == 0 && memory[bytes - 1] == 0));
  memory[0] = memory[bytes - 1] = 1;
  os::unmap(memory, bytes);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(os::map(~std::size_t{0} / 4) == nullptr);  // more than there are addresses
#endif
}

TEST_CASE("what is no plain file is told from what is, and from what is not there", "[os/files]") {
  CHECK(os::is_special("/dev/null"));
  CHECK(os::is_special("/"));
  CHECK(!os::is_special("/proc/self/exe"));
  CHECK(!os::is_special("/no such file"));
  CHECK(os::process_id() == ::getpid());
  CHECK(os::online_cpus() == static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN)));
}

TEST_CASE("an address is found in its module", "[os/modules]") {
  os::module_place ours{};
  Dl_info theirs{};
  REQUIRE(::dladdr(reinterpret_cast<void*>(&std::abort), &theirs) != 0);
  REQUIRE(os::find_module(reinterpret_cast<void*>(&std::abort), ours));
  CHECK(ours.dli_fbase == theirs.dli_fbase);
  CHECK(std::string{ours.dli_fname} == theirs.dli_fname);
}
