#!/usr/bin/env bash
# ./run.sh demo | test | help: from a fresh machine to the result, in one command.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${DALLY_BUILD_DIR:-$root/build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
jobs=${CMAKE_BUILD_PARALLEL_LEVEL:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}

usage() {
  cat <<END
usage: ./run.sh demo | test | help

  demo   builds and runs the examples of README: three seconds of work in two, and the sum of 100 sleeping
         increments, with pictures of its graphs where Graphviz is installed
  test   builds and runs all tests
  help   this text

On Debian 12 and 13 each command first installs, by apt-get as root or with sudo, what is missing of:
g++, cmake, ninja-build, libfmt-dev, libgraphviz-dev, pkg-config; catch2 for test. On Ubuntu, 24.04 or later, the packages
have the same names (untested). Elsewhere it names what is missing. Nothing is installed where nothing is missing.

DALLY_BUILD_DIR              where to build (now $build)
DALLY_CMAKE_ARGS             more arguments for cmake, as in -DDALLY_WERROR=ON
CMAKE_BUILD_PARALLEL_LEVEL   how many compilers at once (now $jobs)
END
}

say() { printf '\n== %s\n' "$*"; }
fail() {
  printf 'run.sh: %s\n' "$*" >&2
  exit 2
}

# ---- what is needed -------------------------------------------------------------------------------------------------

has_program() { command -v "$1" >/dev/null 2>&1; }

has_header() {
  local prefix
  local -a prefixes=(/usr /usr/local /opt/homebrew)
  IFS=':;' read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}:/usr:/usr/local:/opt/homebrew"
  for prefix in "${prefixes[@]}"; do
    if [ -n "$prefix" ] && [ -e "$prefix/include/$1" ]; then return 0; fi
  done
  return 1
}

has_graphviz() { has_program pkg-config && pkg-config --exists libgvc libcgraph; }

# The Debian packages that the command given needs and this machine lacks, one per line.
missing() {
  has_program "${CXX:-g++}" || has_program c++ || echo g++
  has_program cmake || echo cmake
  has_program ninja || has_program make || echo ninja-build
  has_header fmt/format.h || echo libfmt-dev
  if [ "$1" = test ]; then
    has_header catch2/catch.hpp || has_header catch2/catch_test_macros.hpp || echo catch2
  fi
}

# What to do elsewhere for each of these packages.
describe() {
  case $1 in
    g++) echo "g++ 12 or later, or clang++ 17 or later, by name in the variable CXX" ;;
    cmake) echo "CMake 3.24 or later (cmake.org)" ;;
    ninja-build) echo "ninja, or make" ;;
    libfmt-dev) echo "the library fmt, 9 or later (fmt.dev), in a directory of CMAKE_PREFIX_PATH" ;;
    catch2) echo "the library Catch2, 2.13 or 3 (github.com/catchorg/Catch2), in a directory of CMAKE_PREFIX_PATH" ;;
  esac
}

# Installs packages with apt-get; false where that is not possible.
install() {
  local -a as_root=()
  has_program apt-get || return 1
  if [ "$(id -u)" != 0 ]; then
    has_program sudo || return 1
    as_root=(sudo)
  fi
  say "apt-get install $*"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update || true # an old list may do
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@"
}

provide() {
  local package
  local -a needed wanted
  mapfile -t needed < <(missing "$1")
  wanted=("${needed[@]}")
  has_graphviz || wanted+=(libgraphviz-dev pkg-config)
  if [ ${#wanted[@]} -gt 0 ] && ! install "${wanted[@]}" && [ ${#needed[@]} -gt 0 ]; then
    mapfile -t needed < <(missing "$1")
    if [ ${#needed[@]} -gt 0 ]; then
      {
        echo "run.sh: missing here:"
        for package in "${needed[@]}"; do printf '  %-12s %s\n' "$package" "$(describe "$package")"; done
        echo "On Debian and Ubuntu, as root: apt-get install ${needed[*]}"
      } >&2
      exit 2
    fi
  fi
  has_graphviz || echo "run.sh: no Graphviz library here (libgraphviz-dev, pkg-config), so there will be no SVG"
}

# ---- build ----------------------------------------------------------------------------------------------------------

configure() {
  local home
  local -a generator=()
  if [ -f "$build/CMakeCache.txt" ]; then
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt")
    [ "$home" -ef "$root" ] || fail "$build belongs to $home: remove it, or choose another DALLY_BUILD_DIR"
  elif has_program ninja; then
    generator=(-G Ninja)
  fi
  say "cmake: $build"
  # shellcheck disable=SC2086  # several words are several arguments
  cmake -S "$root" -B "$build" "${generator[@]}" "$@" ${DALLY_CMAKE_ARGS:-}
}

# ---- commands -------------------------------------------------------------------------------------------------------

demo() {
  local out=$build/demo dot
  local -a picture=()
  provide demo
  configure -DDALLY_BUILD_TESTS=OFF -DDALLY_BUILD_EXAMPLES=ON -DDALLY_BUILD_BENCHMARKS=ON
  cmake --build "$build" --parallel "$jobs" --target lesson increment_sum replay
  mkdir -p "$out"

  say "examples/lesson.cpp: two increments and an add, a second each"
  (cd "$out" && "$build/examples/lesson")

  say "benchmarks/increment_sum.cpp: the sum of 100 increments, 100 ms each, on 4 workers"
  "$build/benchmarks/increment_sum" --n 100 --sleep-ms 100 --workers 4 --scheduler threads --answer 1,2,serial \
    --dot "$out/increment_sum.dot" | tee "$out/increment_sum.txt"

  if has_graphviz; then
    "$build/benchmarks/increment_sum" --n 100 --sleep-ms 0 --repeat 1 --scheduler synchronous --answer 1,2 \
      --dot "$out/increment_sum.svg" >/dev/null
    picture=(--visualize "$out/replay.svg")
  fi

  say "benchmarks/replay.cpp: a graph of 401 tasks from Estee's workloads, its run times scaled to 1.4 s"
  "$build/benchmarks/replay" --kind sleep --work-seconds 1.4 --bytes-scale 0.0001 --workers 4 \
    --scheduler synchronous,threads --repeat 1 "${picture[@]}" "$root/benchmarks/data/estee-gridcat.dag" |
    tee "$out/replay.txt"

  if ! has_graphviz && has_program dot; then
    for dot in "$out"/*.dot; do dot -Tsvg "$dot" -o "${dot%.dot}.svg"; done
  fi

  say "everything lies in $out"
  (cd "$out" && ls -1)
  echo "The programs: $build/examples/lesson, $build/benchmarks/increment_sum --help, $build/benchmarks/replay --help"
}

run_tests() {
  provide test
  configure -DDALLY_BUILD_TESTS=ON -DDALLY_BUILD_EXAMPLES=ON -DDALLY_BUILD_BENCHMARKS=ON
  cmake --build "$build" --parallel "$jobs"
  say "ctest"
  ctest --test-dir "$build" --output-on-failure --parallel "$jobs"
}

case "$#:${1:-}" in
  1:demo) demo ;;
  1:test) run_tests ;;
  1:help | 1:-h | 1:--help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
