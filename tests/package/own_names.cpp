// A program's functions may have the names that POSIX gives its own, in the global namespace, and be tasks: dally
// brings none of these there. What the standard library brings itself is left out: with g++ `read`, `write`, `close`,
// `index`.
#include <dally/dally.hpp>

// clang-format off
#define DALLY_OWN_NAMES(X)                                                                                  \
  X(open) X(openat) X(creat) X(fcntl) X(stat) X(lstat) X(fstat) X(statx) X(chmod) X(mkdir) X(mknod)         \
  X(umask) X(mmap) X(munmap) X(mprotect) X(madvise) X(mlock) X(msync) X(shm_open) X(memfd_create)           \
  X(signal) X(sigaction) X(raise) X(kill) X(sigfillset) X(sigdelset) X(killpg) X(psignal) X(get_nprocs)     \
  X(dlopen) X(dlsym) X(dlclose) X(dlerror) X(dladdr) X(socket) X(bind) X(listen) X(accept) X(connect)       \
  X(send) X(recv) X(sendmsg) X(recvmsg) X(shutdown) X(poll) X(epoll_wait) X(wait) X(waitpid) X(waitid)      \
  X(prctl) X(getrlimit) X(setrlimit) X(mallopt)
// clang-format on

#define DALLY_DEFINE(name) \
  int name(int x) { return x + 1; }
DALLY_OWN_NAMES(DALLY_DEFINE)

// Nor are a program's variables and types of such names in the way.
int sigset_size = 0;
struct sockaddr {
  int port;
};
struct rlimit {
  int soft;
};

int main() {
  int const four = dally::delayed(open)(dally::delayed(stat)(dally::delayed(signal)(1))).compute();
  int count = 0;
#define DALLY_COUNT(name) count += dally::delayed(name)(0).compute();
  DALLY_OWN_NAMES(DALLY_COUNT)
#define DALLY_ONE(name) +1
  bool const all = count == 0 DALLY_OWN_NAMES(DALLY_ONE);
  return four == 4 && all && sigset_size == 0 && sizeof(sockaddr) == sizeof(rlimit) ? 0 : 1;
}
