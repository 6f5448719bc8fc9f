// What crosses from process to process, what cannot, and how workers are kept.

#include <dally/dally.hpp>
#include <dally/processes.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <vector>

#include "support/catch2.hpp"
#include "support/ledger.hpp"
#include "support/plain_tasks.hpp"
#include "support/sanitizers.hpp"
#include "support/shared.hpp"

using dally::delayed;
using dally::lazy;
using dally::memory_size;
using dally::processes;
using dally::tests::contains;
using dally::tests::ledger;
using dally::tests::own_pid;
using dally::tests::same;
using dally::tests::shared_array;
using dally::tests::shared_counter;
using dally::tests::sum;

namespace {

/// A handle of something that is in one process only.
struct shape {
  virtual ~shape() = default;
  virtual int area() const { return 4; }
};

/// Its codec throws, to write or to read.
struct fussy {
  int value = 0;
};

struct point {
  int x;
  std::string name;
  std::array<double, 20> big;
};

}  // namespace

template <>
struct dally::codec<fussy> {
  static void encode(dally::archive_writer& out, fussy const& f) {
    if (f.value == 1) throw std::domain_error{"cannot write 1"};
    out(f.value);
  }
  static fussy decode(dally::archive_reader& in) {
    fussy f{in.read<int>()};
    if (f.value == 2) throw std::domain_error{"cannot read 2"};
    return f;
  }
};

TEST_CASE("tasks run in other processes, and each run has its own", "[processes]") {
  ledger books;
  int const me = getpid();
  int const first = delayed(own_pid)(0).compute(processes{2});
  int const second = delayed(own_pid)(0).compute(processes{2});
  CHECK(first != me);
  CHECK(second != me);
  CHECK(first != second);
  CHECK(delayed(own_pid, {.here = true})(0).compute(processes{2}) == me);
}

TEST_CASE("results of every kind arrive, small and large, and are taken by value and by reference", "[processes]") {
  ledger books;
  auto make = delayed([](int n) {
    point p{n, std::string(static_cast<std::size_t>(n), 'x'), {}};
    p.big[19] = n;
    return p;
  });
  auto read =
      delayed([](point const& p) { return p.x + static_cast<int>(p.name.size()) + static_cast<int>(p.big[19]); });
  auto take = delayed([](point p, int more) {
    p.name.clear();
    return p.x + more;
  });
  auto p = make(1000);
  CHECK(take(p, read(p)).compute(processes{2}) == 4000);
  CHECK(p.compute(processes{2}).name.size() == 1000);

  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, std::size_t{8'191}, std::size_t{8'192},
                                 std::size_t{100'000}, std::size_t{2'000'000}}) {
    CAPTURE(size);
    auto numbers = delayed([size](int from) {
      std::vector<double> v(size);
      std::iota(v.begin(), v.end(), from);
      return v;
    });
    auto total = [](std::vector<double> const& a, std::vector<double> b) {
      return std::accumulate(a.begin(), a.end(), 0.0) + std::accumulate(b.begin(), b.end(), 0.0);
    };
    auto const n = static_cast<double>(size);
    auto a = numbers(0), b = numbers(1);
    auto [value, back] = dally::compute(processes{2}, delayed(total)(a, b), a);
    CHECK(value == n * (n - 1) + n);
    CHECK(back.size() == size);
    CHECK((back.empty() || back.back() == n - 1));
  }
  auto texts = delayed([] { return std::map<std::string, std::vector<bool>>{{"a", {true, false, true}}}; })();
  CHECK(texts.compute(processes{1}) == std::map<std::string, std::vector<bool>>{{"a", {true, false, true}}});
}

TEST_CASE("a shared_array is read where its task has put it, through a span, and outlives the run", "[processes]") {
  ledger books;
  using numbers = dally::shared_array<double>;
  auto make = delayed([](std::size_t size) {
    return numbers::make(size, [](std::span<double> to) { std::iota(to.begin(), to.end(), 0.0); });
  });
  auto total = [](std::span<double const> all) { return std::accumulate(all.begin(), all.end(), 0.0); };
  // Where it lies: two tasks that read it where it is find one address, in two processes or in one.
  auto place = [](numbers const& all, int) { return reinterpret_cast<std::uintptr_t>(all.data()); };
  auto keep = [](numbers const& all) { return numbers{all}; };
  auto append = [](numbers all, double more) {
    return numbers::make(all.size() + 1, [&](std::span<double> to) {
      std::copy(all.begin(), all.end(), to.begin());
      to.back() = more;
    });
  };
  for (std::size_t const size : {std::size_t{0}, std::size_t{3}, std::size_t{1'000'000}}) {
    CAPTURE(size);
    auto const n = static_cast<double>(size);
    auto all = make(size);
    auto [sum_of, a, b, kept, more] =
        dally::compute(processes{2}, delayed(total)(all), delayed(place)(all, 1), delayed(place)(all, 2),
                       delayed(keep)(all), delayed(append)(all, n));
    CHECK(sum_of == n * (n - 1) / 2);
    CHECK((size < 10'000 || a == b));
    CHECK(a % alignof(double) == 0);
    CHECK(kept.size() == size);
    CHECK(more.size() == size + 1);
    CHECK((more[size] == n && (size == 0 || (kept[size - 1] == n - 1 && more[size - 1] == n - 1))));
    numbers const copy{kept};
    CHECK(copy.data() == kept.data());
    CHECK(delayed(total)(all).compute(dally::threads{2}) == sum_of);
  }
}

TEST_CASE("a span of a vector that another process made is read where it lies", "[processes]") {
  ledger books;
  auto make = delayed([](std::size_t size) {
    std::vector<double> all(size);
    std::iota(all.begin(), all.end(), 0.0);
    return all;
  });
  auto total = [](std::span<double const> all) { return std::accumulate(all.begin(), all.end(), 0.0); };
  auto place = [](std::span<double const> all, int) { return reinterpret_cast<std::uintptr_t>(all.data()); };
  // Reading it both ways, and taking it, are as good as ever.
  auto both = [](std::span<double const> all, std::vector<double> const& same, std::vector<double> own) {
    own.at(0) += 1;
    return all[1] + same[2] + own[0] + static_cast<double>(all.size());
  };
  dally::process_pool const pool{2};
  for (dally::any_scheduler const& scheduler :
       {dally::any_scheduler{processes{2}}, dally::any_scheduler{pool}, dally::any_scheduler{dally::synchronous{}}}) {
    for (std::size_t const size : {std::size_t{3}, std::size_t{10'000}, std::size_t{1'000'000}}) {
      CAPTURE(size);
      auto const n = static_cast<double>(size);
      auto all = make(size);
      auto [sum_of, a, b, all_of] = dally::compute(scheduler, delayed(total)(all), delayed(place)(all, 1),
                                                   delayed(place)(all, 2), delayed(both)(all, all, all));
      CHECK(sum_of == n * (n - 1) / 2);
      CHECK((size < 10'000 || a == b));
      CHECK(a % alignof(double) == 0);
      CHECK(all_of == 4 + n);
    }
    CHECK(delayed(total)(std::vector<double>(100'000, 1.0)).compute(scheduler) == 100'000);
    CHECK(delayed(total)(lazy{std::vector<double>(100'000, 1.0)}).compute(scheduler) == 100'000);
  }
}

TEST_CASE("a shared_array is made where it will be read, and what is not sent is given back", "[processes]") {
  ledger books;
  using numbers = dally::shared_array<double>;
  dally::tests::shared_array<std::uintptr_t> made{4};
  auto make = delayed([&made](int at, std::size_t size) {
    auto all = numbers::make(size, [](std::span<double> to) { std::fill(to.begin(), to.end(), 2.0); });
    made[static_cast<std::size_t>(at)] = reinterpret_cast<std::uintptr_t>(all.data());
    return all;
  });
  auto place = [](numbers const& all) { return reinterpret_cast<std::uintptr_t>(all.data()); };
  std::uintptr_t const read = delayed(place)(make(0, std::size_t{100'000})).compute(processes{1});
  CHECK(read == made[0]);
  // A copy that outlives the task keeps the memory, so what is sent is another.
  auto keep = delayed([&made](std::size_t size) {
    static numbers kept;
    kept = numbers::make(size, [](std::span<double> to) { std::fill(to.begin(), to.end(), 3.0); });
    made[1] = reinterpret_cast<std::uintptr_t>(kept.data());
    return kept;
  });
  std::uintptr_t const read_copy = delayed(place)(keep(std::size_t{100'000})).compute(processes{1});
  CHECK(read_copy != made[1]);
  // Thrown away again and again, it does not fill the machine: 400 of 80 MB.
  auto waste = delayed([](int rounds) {
    double sum_of = 0;
    for (int i = 0; i < rounds; ++i) {
      auto const all = numbers::make(10'000'000, [&](std::span<double> to) { to.front() = i; });
      sum_of += all[0];
    }
    return sum_of;
  });
  CHECK(waste(400).compute(processes{1}) == 400 * 399 / 2);
}

TEST_CASE("large results go both ways at once", "[processes]") {
  ledger books;
  using bytes = std::vector<unsigned char>;
  auto make = delayed([](int i) { return bytes(1 << 20, static_cast<unsigned char>(i)); });
  auto mix = delayed([](bytes a, bytes const& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<unsigned char>(a[i] + b[i]);
    return a;
  });
  std::vector<lazy<bytes>> row;
  for (int i = 0; i < 16; ++i) row.push_back(make(i));
  for (int step = 0; step < 4; ++step) {
    std::vector<lazy<bytes>> next;
    for (std::size_t i = 0; i < row.size(); ++i) next.push_back(mix(row[i], row[(i + 1) % row.size()]));
    row = next;
  }
  auto const out = dally::compute(processes{3}, row);
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::size_t const binomial[] = {1, 4, 6, 4, 1};
    std::size_t expected = 0;
    for (std::size_t k = 0; k < 5; ++k) expected += binomial[k] * ((i + k) % 16);
    CHECK(out[i] == bytes(1 << 20, static_cast<unsigned char>(expected)));
  }
}

TEST_CASE("a task that was sent behind a long one is taken back for a worker that has nothing to do", "[processes]") {
  ledger books;
  shared_counter done;
  // So short that the next ones are sent by the dozen: some of them behind the long one.
  std::vector<lazy<int>> shorts;
  for (int i = 0; i < 500; ++i) shorts.push_back(delayed(same)(i));
  auto const ready = delayed([](std::vector<int> const&) { return 1; })(shorts);
  auto longest = delayed([&done](int x) {
    while (done.value() < 40) std::this_thread::yield();  // ends when all others have
    return x;
  });
  auto other = delayed([&done](int x, int i) {
    done.add();
    return x + i;
  });
  std::vector<lazy<int>> parts{longest(ready)};
  for (int i = 0; i < 40; ++i) parts.push_back(other(ready, i));
  CHECK(delayed(sum)(parts).compute(processes{2}) == 41 + 780);
}

TEST_CASE("a result that cannot cross a process border is refused before anything runs", "[processes]") {
  ledger books;
  shared_counter calls;
  auto first = delayed([&calls] {
    calls.add();
    return 1;
  })();
  auto make = [](int) -> std::shared_ptr<shape> { return std::make_shared<shape>(); };
  auto use = [](std::shared_ptr<shape> const& s) { return s->area(); };
  auto made = delayed(make, {.name = "load"})(first);
  try {
    made.then(use).compute(processes{2});
    FAIL("nothing was thrown");
  } catch (dally::not_serializable const& e) {
    CHECK(e.task() == "load");
    CHECK(e.key() == made.key());
    CHECK_THAT(e.type_name(), contains("shape"));
    CHECK_THAT(e.what(), contains("load") && contains("shape") && contains("processes_test.cpp") && contains("codec") &&
                             contains(".here = true"));
  }
  CHECK(calls.value() == 0);
  // Both on the calling thread: then nothing has to cross.
  CHECK(delayed(use, {.here = true})(delayed(make, {.here = true})(first)).compute(processes{2}) == 4);
  CHECK(calls.value() == 1);
  CHECK_THROWS_AS(delayed(use)(delayed(make, {.here = true})(first)).compute(processes{2}), dally::not_serializable);
  // What the graph holds is inherited.
  auto const held = std::make_shared<shape>();
  CHECK(delayed(use)(held).compute(processes{2}) == 4);
  CHECK(delayed(use)(lazy{held}).compute(processes{2}) == 4);
  CHECK(delayed(use)(std::cref(held)).compute(processes{2}) == 4);

  int outside = 1;
  auto write = [](int& to) { to = 7; };
  CHECK_THROWS_WITH(delayed(write)(std::ref(outside)).compute(processes{2}), contains("std::ref"));
  CHECK_THROWS_AS(delayed(write)(std::ref(outside)).after(first).compute(processes{2}), dally::not_serializable);
  delayed(write, {.here = true})(std::ref(outside)).compute(processes{2});
  CHECK(outside == 7);
}

TEST_CASE("exceptions arrive as themselves where they can be rebuilt, else as a remote_error", "[processes]") {
  ledger books;
  auto thrower = [](auto make) { return delayed([make](int) -> int { throw make(); }, {.name = "thrower"})(1); };
  CHECK_THROWS_AS(thrower([] { return std::invalid_argument{"x"}; }).compute(processes{2}), std::invalid_argument);
  CHECK_THROWS_WITH(thrower([] { return std::bad_alloc{}; }).compute(processes{2}), std::bad_alloc{}.what());
  try {
    thrower([] { return std::system_error{ENOENT, std::generic_category(), "file"}; }).compute(processes{2});
    FAIL("nothing was thrown");
  } catch (std::system_error const& e) {
    CHECK(e.code().value() == ENOENT);
  }
  struct own {};
  try {
    thrower([] { return own{}; }).compute(processes{2});
    FAIL("nothing was thrown");
  } catch (dally::remote_error const& e) {
    CHECK(e.task() == "thrower");
    CHECK_THAT(e.type_name(), contains("own"));
  }
  REQUIRE(dally::last_failure().has_value());
  CHECK(dally::last_failure()->name == "thrower");
}

TEST_CASE("a codec that throws fails its task, and nothing else", "[processes]") {
  ledger books;
  auto make = delayed([](int x) { return fussy{x}; }, {.name = "make"});
  auto use = delayed([](fussy const& f) { return f.value; }, {.name = "use"});
  CHECK(use(make(5)).compute(processes{2}) == 5);
  try {
    use(make(1)).compute(processes{2});
    FAIL("nothing was thrown");
  } catch (dally::remote_error const& e) {
    CHECK(e.task() == "make");
    CHECK_THAT(e.what(), contains("cannot write 1"));
  }
  CHECK_THROWS_WITH(use(make(2)).compute(processes{2}), contains("cannot read 2"));
  CHECK_THROWS_WITH(make(2).compute(processes{2}), contains("cannot read 2"));
}

TEST_CASE("retries try again in a worker what has thrown, with inputs as at first", "[processes]") {
  ledger books;
  shared_counter calls;
  auto flaky = delayed(
      [&calls](std::vector<int> v, int more) {
        v.push_back(more);
        calls.add();
        if (calls.value() <= 2) throw std::runtime_error{"flaky"};
        return sum(v);
      },
      {.retries = 2});
  auto input = delayed([] { return std::vector<int>{1, 2, 3}; })();
  CHECK(flaky(input, 4).compute(processes{2}) == 10);
  CHECK(calls.value() == 3);
  calls.add(-10);
  CHECK_THROWS_AS(flaky(input, 4).compute(processes{2}), std::runtime_error);
  CHECK(calls.value() == -4);
}

TEST_CASE("a compute inside a task runs in that task's worker", "[processes]") {
  ledger books;
  auto nested = delayed([](int x) {
    std::vector<lazy<int>> inner;
    for (int i = 0; i < 4; ++i) inner.push_back(delayed(own_pid)(x + i));
    std::set<int> seen;
    for (int const pid : dally::compute(processes{4}, inner)) seen.insert(pid);
    for (int const pid : dally::compute(inner)) seen.insert(pid);
    return seen == std::set<int>{getpid()} ? 1 : 0;
  });
  CHECK((nested(0) + nested(10)).compute(processes{2}) == 2);
}

TEST_CASE("tasks that return lazies are flattened: they run here, the graphs they record in workers", "[processes]") {
  ledger books;
  int const me = getpid();
  auto expand = delayed([](int n) {
    std::vector<lazy<int>> pids;
    for (int i = 0; i < n; ++i) pids.push_back(delayed(own_pid)(i));
    return dally::collect(pids);
  });
  auto const pids = dally::flatten(expand(delayed(same)(6))).compute(processes{2});
  CHECK(pids.size() == 6);
  CHECK(std::count(pids.begin(), pids.end(), me) == 0);
}

namespace {
lazy<int> loop(int left, std::string const& text) {
  if (left == 0) return lazy{static_cast<int>(text.size())};
  auto next_text = delayed([](std::string t) { return t + 'x'; })(text);
  return dally::flatten(delayed(loop)(left - 1, next_text));
}
}  // namespace

TEST_CASE("a loop of flattened tasks forks for each of its graphs, and keeps nothing of those before", "[processes]") {
  ledger books;
  CHECK(dally::flatten(delayed(loop)(300, std::string{})).compute(processes{2}) == 300);
}

TEST_CASE("workers are replaced after so many tasks, or when they have grown", "[processes]") {
  ledger books;
  std::vector<lazy<int>> pids;
  for (int i = 0; i < 12; ++i) pids.push_back(delayed(own_pid)(i));
  auto const distinct = [&](processes const& scheduler) {
    auto const all = dally::compute(scheduler, pids);
    return std::set<int>(all.begin(), all.end()).size();
  };
  CHECK(distinct(processes{{.workers = 1}}) == 1);
  CHECK(distinct(processes{{.workers = 1, .max_tasks_per_worker = 3}}) >= 4);

  auto leak = delayed([](int x) {
    static std::vector<std::string> never_freed;
    never_freed.emplace_back(std::size_t{8} << 20, 'x');
    return x + getpid();
  });
  std::vector<lazy<int>> leaks;
  for (int i = 0; i < 8; ++i) leaks.push_back(leak(0));
  auto const all = dally::compute(processes{{.workers = 1, .max_worker_growth = "20 MB"}}, leaks);
  CHECK(std::set<int>(all.begin(), all.end()).size() >= 2);
}

TEST_CASE("an initializer runs first in each worker, and what it throws ends the run", "[processes]") {
  ledger books;
  static int prepared = 0;
  auto look = delayed([](int) { return prepared; });
  CHECK((look(1) + look(2)).compute(processes{{.workers = 2, .initializer = [] { prepared = 21; }}}) == 42);
  CHECK(prepared == 0);
  shared_counter calls;
  auto count = delayed([&calls] { calls.add(); });
  CHECK_THROWS_WITH(
      count().compute(processes{{.workers = 2, .initializer = [] { throw std::runtime_error{"no licence"}; }}}),
      "no licence");
  CHECK(calls.value() == 0);
}

TEST_CASE("a worker's memory is limited beyond what it inherits", "[processes]") {
  if (dally::tests::sanitized) return;  // a sanitizer's own memory would count
  ledger books;
  std::vector<char> const ballast(std::size_t{300} << 20, 'b');
  auto take = delayed([](std::size_t bytes) {
    std::vector<char> const v(bytes, 'x');
    return v.size();
  });
  auto const limited = processes{{.workers = 1, .worker_memory = "100 MiB"}};
  CHECK(take(std::size_t{50} << 20).compute(limited) == std::size_t{50} << 20);
  CHECK_THROWS_AS(take(std::size_t{200} << 20).compute(limited), std::bad_alloc);
  CHECK(take(std::size_t{200} << 20).compute(processes{1}) == std::size_t{200} << 20);
}

TEST_CASE("options that make no sense are refused by saying what does", "[processes]") {
  CHECK_THROWS_AS(processes{0}, dally::config_error);
  CHECK_THROWS_WITH(processes{10'000}, contains("4096"));
  CHECK_THROWS_AS((processes{{.workers = 5000}}), dally::config_error);
  CHECK(processes{}.workers() >= 1);
  CHECK(processes{7}.workers() == 7);
  CHECK(memory_size{"2GB"}.bytes == 2'000'000'000);
  CHECK(memory_size{"1.5 GiB"}.bytes == std::uint64_t{3} << 29);
  CHECK(memory_size{"512 kB"}.bytes == 512'000);
  CHECK(memory_size{"77"}.bytes == 77);
  for (char const* const bad : {"", "GB", "2 parsecs", "-1 GB", "1.2.3 GB", "99999999999 TB", "1e9"}) {
    CAPTURE(bad);
    CHECK_THROWS_WITH(memory_size{bad}, contains("MiB"));
  }
}

TEST_CASE("the environment's name for the scheduler is processes", "[processes]") {
  CHECK(delayed(own_pid)(0).compute(dally::scheduler_by_name("processes")) != getpid());
  CHECK(delayed(own_pid)(0).compute(dally::scheduler_by_name("processes", 3)) != getpid());
}

TEST_CASE("many small runs leave nothing behind", "[processes]") {
  ledger books;
  for (int i = 0; i < 100; ++i) CHECK((delayed(same)(i) + 1).compute(processes{2}) == i + 1);
}
