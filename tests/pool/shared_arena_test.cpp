#include "dally/pool/shared_arena.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "dally/serialize/codec.hpp"
#include "support/catch2.hpp"
#include "support/random_graphs.hpp"

using dally::arena_range;
using dally::shared_arena;

// The linker sends this program's calls of fallocate here: --wrap, see tests/CMakeLists.txt.
extern "C" {
int __real_fallocate(int, int, off_t, off_t);
int __wrap_fallocate(int, int, off_t, off_t);
}

namespace {

/// What the machine has left, of which every fallocate takes.
std::int64_t machine_has = -1;
int interruptions = 0;

constexpr std::size_t mib = std::size_t{1} << 20;

std::uint64_t bytes_in_use(shared_arena const& arena) {
  struct stat status{};
  REQUIRE(::fstat(arena.file().get(), &status) == 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size) {
  if (interruptions > 0) {
    --interruptions;
    errno = EINTR;
    return -1;
  }
  if (mode == 0 && machine_has >= 0) {
    if (size > machine_has) {
      errno = ENOSPC;
      return -1;
    }
    machine_has -= size;
  }
  return __real_fallocate(fd, mode, offset, size);
}

TEST_CASE("pieces do not overlap, keep their bytes, and are used again", "[shared_arena]") {
  for (std::uint32_t i = 0; i < 10; ++i) {
    std::uint32_t const seed = dally::tests::first_seed() + i;
    CAPTURE(seed);
    std::mt19937 random{seed};
    shared_arena arena{16 * mib, (random() % 4) * mib};
    REQUIRE(arena.write_here());
    std::map<std::uint64_t, std::pair<arena_range, unsigned char>> live;  // the dull twin, by offset
    for (int step = 0; step < 400; ++step) {
      if (random() % 2 == 0 || live.empty()) {
        auto const piece = arena.allocate(random() % (random() % 8 == 0 ? 2 * mib : 20000));
        if (!piece) {
          CHECK(arena.refusal() == ENOSPC);
          continue;
        }
        REQUIRE(arena.holds(*piece));
        CHECK((piece->offset + 8) % 64 == 0);
        auto const after = live.lower_bound(piece->offset);
        if (after != live.end()) REQUIRE(piece->offset + piece->size <= after->first);
        if (after != live.begin()) {
          auto const& before = std::prev(after)->second.first;
          REQUIRE(before.offset + before.size <= piece->offset);
        }
        auto const fill = static_cast<unsigned char>(random());
        std::memset(arena.data(*piece), fill, piece->size);
        live[piece->offset] = {*piece, fill};
      } else {
        auto chosen = live.begin();
        std::advance(chosen, random() % live.size());
        auto const [piece, fill] = chosen->second;
        bool kept = true;
        for (std::uint64_t k = 0; k < piece.size; k += 97) kept = kept && arena.data(piece)[k] == std::byte{fill};
        CHECK(kept);
        arena.free(piece);
        live.erase(chosen);
      }
    }
    for (auto const& [offset, entry] : live) arena.free(entry.first);
    // All of it is one piece again.
    auto const whole = arena.allocate(arena.capacity() - 4096);
    CHECK(whole);
    arena.clear();
    CHECK(bytes_in_use(arena) == 0);
  }
}

TEST_CASE("warm pages are used before new ones, and above the limit go back to the system", "[shared_arena]") {
  shared_arena arena{64 * mib, 4 * mib};
  REQUIRE(arena.write_here());
  auto const small = arena.allocate(mib);
  auto const big = arena.allocate(8 * mib);
  auto const last = arena.allocate(1000);
  REQUIRE((small && big && last));
  CHECK(bytes_in_use(arena) >= 9 * mib);
  arena.free(*small);
  CHECK(bytes_in_use(arena) >= 9 * mib);
  CHECK(arena.allocate(mib) == small);
  arena.free(*big);
  CHECK(bytes_in_use(arena) < 2 * mib);
  CHECK(arena.allocate(8 * mib) == big);
  CHECK(bytes_in_use(arena) >= 9 * mib);
}

TEST_CASE("a full arena and a full machine are answers", "[shared_arena]") {
  shared_arena arena{mib};
  REQUIRE(arena.write_here());
  CHECK_FALSE(arena.allocate(mib));
  CHECK(arena.refusal() == ENOSPC);
  CHECK_FALSE(arena.allocate(~std::size_t{0}));
  machine_has = 100 * 4096;
  interruptions = 3;
  auto const half = arena.allocate(99 * 4096);
  CHECK(half);
  CHECK_FALSE(arena.allocate(2 * 4096));
  CHECK(arena.refusal() == ENOSPC);
  machine_has = -1;
  CHECK(arena.allocate(2 * 4096));
  // What was refused lost nothing.
  arena.free(*half);
  CHECK(arena.allocate(99 * 4096) == half);
}

TEST_CASE("an arena is no larger than the system lets a file be", "[shared_arena]") {
  rlimit former{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &former) == 0);
  rlimit const small{10 * mib, former.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::size_t capacity = 0;
  bool allocated = false;
  {
    shared_arena arena{1024 * mib};
    capacity = arena.capacity();
    allocated = arena.write_here() && arena.allocate(9 * mib).has_value();
  }
  rlimit const none{100, former.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &none);
  int code = 0;
  try {
    shared_arena const arena{1024 * mib};
  } catch (dally::resource_error const& e) {
    code = e.code();
  }
  ::setrlimit(RLIMIT_FSIZE, &former);
  CHECK(capacity == 10 * mib);
  CHECK(allocated);
  CHECK(code == EFBIG);
}

TEST_CASE("ranges that a worker claims are checked", "[shared_arena]") {
  shared_arena const arena{mib};
  CHECK(arena.holds({0, mib}));
  CHECK_FALSE(arena.holds({1, mib}));
  CHECK_FALSE(arena.holds({mib + 1, 0}));
  CHECK_FALSE(arena.holds({~std::uint64_t{0}, 2}));
  CHECK_FALSE(arena.holds({2, ~std::uint64_t{0}}));
}

TEST_CASE("another process reads a worker's result where it lies, aligned, also after the worker's death",
          "[shared_arena]") {
  shared_arena arena{64 * mib};
  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  std::vector<double> numbers(1'000'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i);
  pid_t const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (!arena.write_here()) ::_exit(1);
    dally::archive_writer counting;
    counting.add(numbers);
    auto const piece = arena.allocate(counting.size());
    if (!piece) ::_exit(2);
    dally::archive_writer out{arena.data(*piece), piece->size};
    out.add(numbers);
    ::_exit(::write(pipe_ends[1], &*piece, sizeof *piece) == sizeof *piece ? 0 : 3);
  }
  arena_range piece;
  REQUIRE(::read(pipe_ends[0], &piece, sizeof piece) == sizeof piece);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  REQUIRE(arena.holds(piece));
  CHECK(reinterpret_cast<std::uintptr_t>(arena.data(piece) + 8) % 64 == 0);
  CHECK(std::memcmp(arena.data(piece) + 8, numbers.data(), numbers.size() * sizeof(double)) == 0);
  dally::archive_reader in{arena.data(piece), piece.size};
  CHECK(in.read<std::vector<double>>() == numbers);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST_CASE("only the writer can write", "[shared_arena]") {
  shared_arena const arena{mib};
  pid_t const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGSEGV, SIG_DFL);
    rlimit const none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    *static_cast<std::byte volatile*>(arena.data({0, 1})) = std::byte{1};
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
}

TEST_CASE("an arena knows which ranges it gives, and which it never does", "[shared_arena]") {
  shared_arena arena{4 * mib};
  REQUIRE(arena.write_here());
  for (std::size_t const size : {std::size_t{1}, std::size_t{4000}, mib}) {
    auto const given = arena.allocate(size);
    REQUIRE(given);
    CHECK(arena.gives(*given));
    CHECK_FALSE(arena.gives({given->offset + 1, size}));
    CHECK_FALSE(arena.gives({given->offset, 0}));
    CHECK_FALSE(arena.gives({given->offset, 4 * mib}));
  }
  CHECK_FALSE(arena.gives({~std::uint64_t{0}, 1}));
  CHECK_FALSE(arena.gives({56, ~std::uint64_t{0}}));
  CHECK_FALSE(arena.gives({4 * mib + 56, 1}));
}
