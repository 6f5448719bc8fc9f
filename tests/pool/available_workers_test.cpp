#include "dally/pool/available_workers.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "support/catch2.hpp"

using dally::cgroup_cpu_limit;

namespace {

/// A folder that looks like /sys/fs/cgroup, and a file that looks like /proc/self/cgroup.
class fake_cgroups {
 public:
  explicit fake_cgroups(std::string const& proc_self_cgroup) {
    auto name = (std::filesystem::temp_directory_path() / "dally_cgroups_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    write("self", proc_self_cgroup);
  }
  ~fake_cgroups() { std::filesystem::remove_all(folder_); }
  fake_cgroups(fake_cgroups const&) = delete;
  fake_cgroups& operator=(fake_cgroups const&) = delete;

  fake_cgroups& with(std::string const& file, std::string const& text) {
    write("root/" + file, text);
    return *this;
  }

  fake_cgroups& with_v1(std::string const& folder, std::string const& quota, std::string const& period) {
    return with(folder + "/cpu.cfs_quota_us", quota + "\n").with(folder + "/cpu.cfs_period_us", period + "\n");
  }

  unsigned limit() const { return cgroup_cpu_limit((folder_ / "self").c_str(), (folder_ / "root").c_str()); }

 private:
  void write(std::string const& file, std::string const& text) const {
    std::filesystem::create_directories((folder_ / file).parent_path());
    std::ofstream{folder_ / file} << text;
  }

  std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("there is always a worker, and the answer stays", "[available_workers]") {
  auto const workers = dally::available_workers();
  REQUIRE(workers >= 1);
  REQUIRE(workers <= static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_CONF)));
  REQUIRE(dally::available_workers() == workers);
}

#ifdef __linux__
TEST_CASE("a thread bound to one CPU is allowed one", "[available_workers]") {
  REQUIRE(dally::detail::allowed_cpus() >= 1);
  unsigned allowed = 0;
  int bound = -1;
  std::thread{[&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
    bound = ::sched_setaffinity(0, sizeof one, &one);
    allowed = dally::detail::allowed_cpus();
  }}.join();
  REQUIRE(bound == 0);
  REQUIRE(allowed == 1);
}
#endif

TEST_CASE("version 2 quotas are rounded up to whole CPUs", "[available_workers]") {
  auto limit_of = [](std::string const& cpu_max) {
    return fake_cgroups{"0::/job\n"}.with("job/cpu.max", cpu_max).limit();
  };
  REQUIRE(limit_of("200000 100000\n") == 2);
  REQUIRE(limit_of("150000 100000\n") == 2);
  REQUIRE(limit_of("1000 100000\n") == 1);
  REQUIRE(limit_of("350000 50000") == 7);
  REQUIRE(limit_of("max 100000\n") == 0);
}

TEST_CASE("the least quota on the way to the root counts", "[available_workers]") {
  fake_cgroups groups{"0::/a/b/c\n"};
  groups.with("a/cpu.max", "800000 100000\n")
      .with("a/b/cpu.max", "300000 100000\n")
      .with("a/b/c/cpu.max", "max 100000\n");
  REQUIRE(groups.limit() == 3);
  groups.with("a/b/c/cpu.max", "500000 100000\n");
  REQUIRE(groups.limit() == 3);
  groups.with("a/b/c/cpu.max", "200000 100000\n");
  REQUIRE(groups.limit() == 2);
  groups.with("cpu.max", "100000 100000\n");
  REQUIRE(groups.limit() == 1);
  groups.with("a/d/cpu.max", "10 100000\n");
  REQUIRE(groups.limit() == 1);
}

TEST_CASE("version 1 quotas are found under the controller's folder", "[available_workers]") {
  std::string const self = "12:pids:/x\n4:cpu,cpuacct:/docker/abc\n3:cpuset:/x\n1:name=systemd:/x\n";
  REQUIRE(fake_cgroups{self}.with_v1("cpu,cpuacct/docker/abc", "250000", "100000").limit() == 3);
  REQUIRE(fake_cgroups{self}.with_v1("cpu/docker/abc", "400000", "100000").limit() == 4);
  REQUIRE(fake_cgroups{self}.with_v1("cpu/docker", "400000", "200000").limit() == 2);
  REQUIRE(fake_cgroups{self}.with_v1("cpu/docker/abc", "-1", "100000").limit() == 0);
  REQUIRE(fake_cgroups{self}.with_v1("cpuset/x", "100000", "100000").limit() == 0);
  REQUIRE(fake_cgroups{"4:cpuacct:/a\n3:cpuset:/a\n"}.with_v1("cpu/a", "100000", "100000").limit() == 0);
}

TEST_CASE("a container that sees the host's path is limited by its own root", "[available_workers]") {
  REQUIRE(fake_cgroups{"4:cpu,cpuacct:/docker/abc\n"}.with_v1("cpu,cpuacct", "200000", "100000").limit() == 2);
  REQUIRE(fake_cgroups{"0::/docker/abc\n"}.with("cpu.max", "200000 100000\n").limit() == 2);
  REQUIRE(fake_cgroups{"0::/../elsewhere\n"}.with("cpu.max", "200000 100000\n").limit() == 2);
  REQUIRE(fake_cgroups{"0::/\n"}.with("cpu.max", "200000 100000\n").limit() == 2);
}

TEST_CASE("both versions side by side are both read", "[available_workers]") {
  fake_cgroups groups{"4:cpu:/a\n0::/user.slice/a:b\n"};
  groups.with("unified/user.slice/a:b/cpu.max", "500000 100000\n");
  REQUIRE(groups.limit() == 5);
  groups.with_v1("cpu/a", "300000", "100000");
  REQUIRE(groups.limit() == 3);
}

TEST_CASE("what cannot be read or makes no sense is no limit", "[available_workers]") {
  REQUIRE(cgroup_cpu_limit("/nonexistent/cgroup", "/nonexistent") == 0);
  for (auto const* self : {"", "\n\n", "0", "0:", "0::", "::", ":::::", "0::relative", "0::/a//b/", "x:cpu"}) {
    CAPTURE(self);
    REQUIRE(fake_cgroups{self}.limit() == 0);
  }
  for (auto const* text : {"", "max", "max max", "100000", "100000 ", "100000 0", "0 100000", "-5 100000", " 1 1",
                           "1,1", "99999999999999999999999999 1", "18446744073709551615 1", "4294967296 1"}) {
    CAPTURE(text);
    REQUIRE(fake_cgroups{"0::/a"}.with("a/cpu.max", text).limit() == 0);
  }
  REQUIRE(fake_cgroups{"1:cpu:/a"}.with("cpu/a/cpu.cfs_quota_us", "100000").limit() == 0);
  REQUIRE(fake_cgroups{"0::/a"}.with("a/cpu.max/is_a_folder", "").limit() == 0);
}
