// Lazies go between a program, its libraries and a plugin, each with dally compiled in and hidden from the others.

#include <dlfcn.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "parts.hpp"

extern "C" library const* one_functions();
extern "C" library const* two_functions();

int parts::scaled::operator()(int x) const { return x * 7; }

namespace {

int failures = 0;

void check(bool good, char const* what, char const* of) {
  if (good) return;
  std::printf("not so for %s: %s\n", of, what);
  ++failures;
}

struct part {
  char const* name;
  library const* is;
};

// What is recorded here and there, in turn, has the right value wherever it is computed, and a key of its own.
void pass_lazies(std::vector<part> const& parts_of_all) {
  std::map<dally::key, int> values;
  std::vector<dally::lazy<int>> all{dally::lazy<int>{0}};
  int expected = 0;
  for (int i = 0; i < 300; ++i) {
    for (part const& p : parts_of_all) {
      auto const here = dally::delayed(parts::increment)(all.back());
      all.push_back(p.is->record(here, i));
      expected += 2 + 2 * i;
      check(values.emplace(all.back().key(), expected).second, "keys of different tasks differ", p.name);
      check(values.emplace(here.key(), 0).second, "keys of different tasks differ", p.name);
      check(!dally::same_node(here, all.back()) && dally::same_node(here, dally::lazy{here}), "same_node", p.name);
    }
  }
  // And of what is recorded independently of each other.
  dally::lazy<int> const input{1};
  std::set<dally::key> keys;
  for (int i = 0; i < 300; ++i) {
    for (part const& p : parts_of_all) {
      check(keys.insert(p.is->record(input, i).key()).second, "keys of independent tasks differ", p.name);
    }
  }
  for (part const& p : parts_of_all) {
    check(p.is->compute(all.back()) == expected, "values of tasks of all parts", p.name);
    check(p.is->compute(all.back().persist()) == expected, "values that are kept", p.name);
    int sum = 0;
    for (int i = 0; i < 50; ++i) sum += all[static_cast<std::size_t>(i)].compute();
    check(p.is->compute_on_threads({all.begin(), all.begin() + 50}) == sum, "sums on threads", p.name);
  }
  check(all.back().compute() == expected, "values of tasks of all parts", "the program");
}

// Functions of one name are not taken for each other where each part has its own.
void pass_pure_calls(std::vector<part> const& parts_of_all) {
  dally::lazy<int> const x = dally::delayed(parts::increment)(1);
  std::vector<dally::lazy<int>> scaled{dally::pure::delayed(parts::scaled{})(x)};
  for (part const& p : parts_of_all) {
    scaled.push_back(p.is->scale(x));
    check(dally::same_node(scaled.back(), p.is->scale(x)), "equal pure calls of one part are one", p.name);
  }
  std::set<dally::key> keys;
  for (auto const& s : scaled) keys.insert(s.key());
  check(keys.size() == scaled.size(), "pure calls of functions that share a name only are different", "all");
  auto const sum = parts::sum_of(scaled).compute();
  check(sum == 2 * (7 + 2 + 3) || sum == 2 * (7 + 2 + 3 + 5), "and each calls its own", "all");
}

/// Counts what it runs.
struct counting {
  int* runs;
  void run(dally::execution& job) const {
    ++*runs;
    dally::synchronous{}.run(job);
  }
};

// What the program says holds in its libraries, and the other way round.
void share_state(std::vector<part> const& parts_of_all) {
  std::set<std::thread::id> workers;
  for (part const& p : parts_of_all) {
    {
      int runs = 0;
      dally::scoped_scheduler const guard{counting{&runs}};
      check(p.is->compute(dally::delayed(parts::increment)(1)) == 2 && runs == 1, "a scope's scheduler is its default",
            p.name);
    }
    try {
      p.is->fail();
      check(false, "a task's exception arrives", p.name);
    } catch (std::runtime_error const&) {
    }
    auto const failed = dally::last_failure();
    check(failed && failed->name == "refuse", "last_failure() tells its tasks", p.name);
    for (part const& other : parts_of_all) check(other.is->last_failure_is("refuse"), "and there too", other.name);
    try {
      p.is->misuse();
      check(false, "dally's exceptions arrive", p.name);
    } catch (dally::graph_error const&) {
    } catch (...) {
      check(false, "dally's exceptions arrive as what they are", p.name);
    }
    check(!dally::last_failure(), "no task's failure", p.name);
    for (auto const id : p.is->threads_of_tasks()) workers.insert(id);
    {
      dally::stop_on_interrupt const guard;
      std::raise(SIGINT);
      try {
        p.is->compute(dally::delayed(parts::increment)(1));
        check(false, "an interrupt cancels its runs", p.name);
      } catch (dally::cancelled const&) {
      }
      check(p.is->compute(dally::delayed(parts::increment)(1)) == 2, "once", p.name);
    }
  }
  check(workers.size() == 2, "one pool of two serves all", "all");
}

long mapped_kilobytes() {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmSize:")) return std::stol(line.substr(7));
  }
  return 0;
}

// Whether a child can record and compute: fork takes the mutex of each dally in the process once.
bool forks() {
  pid_t const child = ::fork();
  if (child == 0) {
    int const two = dally::delayed(parts::increment)(1).compute(dally::synchronous{});
    ::_exit(two == 2 ? 0 : 1);
  }
  int status = 1;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

bool is_loaded(char const* path) {
  void* const again = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  if (again != nullptr) dlclose(again);
  return again != nullptr;
}

// A plugin with a dally of its own leaves nothing behind when it is unloaded, and the program can still fork.
void load_plugin(std::vector<part> const& parts_of_all) {
  long mapped = 0;
  dally::lazy<int> const input = dally::delayed(parts::increment)(1);
  std::set<dally::key> keys;
  for (int round = 0; round < 24; ++round) {
    void* const loaded = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (loaded == nullptr) {
      check(false, dlerror(), "the plugin");
      return;
    }
    auto const functions = reinterpret_cast<library const* (*)()>(dlsym(loaded, "plugin_functions"));
    std::thread{[&] {
      check(keys.insert(functions()->record(input, 0).key()).second, "keys of another loading differ", "the plugin");
      check(keys.insert(functions()->scale(input).key()).second, "keys of another loading differ", "the plugin");
      auto both = parts_of_all;
      both.push_back({"the plugin", functions()});
      pass_lazies(both);
      pass_pure_calls(both);
      check(functions()->threads_of_tasks().size() == 2, "threads", "the plugin");
    }}.join();
    dlclose(loaded);
    check(!is_loaded(PLUGIN), "it is unloaded", "the plugin");
    check(round != 0 || forks(), "the program forks", "the plugin");
    if (round == 3) mapped = mapped_kilobytes();
  }
  check(mapped_kilobytes() < mapped + 20 * 1024, "20 loadings leave less than 20 MiB behind", "the plugin");
  check(forks(), "the program still forks", "the plugin");
}

}  // namespace

int main() {
  mallopt(M_ARENA_MAX, 1);  // of the C library's memory, which comes in pieces of 64 MiB for new threads
  std::vector<part> const libraries{{"one", one_functions()}, {"two", two_functions()}};
  pass_lazies(libraries);
  pass_pure_calls(libraries);
  share_state(libraries);
  check(forks(), "the program forks", "all");
  load_plugin(libraries);
  if (failures == 0) std::printf("dally %s: %d\n", dally::version, (dally::lazy{1} + 2 + dally::lazy{3}).compute());
  return failures == 0 ? 0 : 1;
}
