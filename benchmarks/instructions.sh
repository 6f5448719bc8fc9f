#!/usr/bin/env bash
# How many instructions a node costs: record, plan, run twice on the calling thread, destroy. Counted by callgrind, so
# repeatable to a fraction of a percent, whatever else the machine is doing.
#
#   benchmarks/instructions.sh           prints the counts of W1 to W6
#   benchmarks/instructions.sh --check   compares them with benchmarks/instructions.txt, and fails on more than +10 %;
#                                        with another compiler or libc than the file's it compares nothing
#   benchmarks/instructions.sh --write   writes that file
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
known=$root/benchmarks/instructions.txt
compiler=${CXX:-g++}
command -v valgrind >/dev/null || {
  echo "instructions.sh: valgrind is missing (Debian, Ubuntu: apt-get install valgrind)" >&2
  exit 2
}
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

cat >"$work/program.cpp" <<'END_OF_PROGRAM'
#include <cstdio>
#include <cstdlib>

#include "speed/run_dally.hpp"

// program WORKLOAD TIMES: prints the number of nodes.
int main(int, char** argv) {
  auto const shape = speed::shape_of(argv[1], 50);
  for (int times = std::atoi(argv[2]); times-- > 0;) {
    if (speed::run_dally(shape, 1).result != shape.expected()) return 1;
  }
  std::printf("%zu\n", shape.size());
}
END_OF_PROGRAM
"$compiler" -std=c++20 -O2 -DNDEBUG -I"$root/include" -I"$root/benchmarks" "$work/program.cpp" -o "$work/program" -lfmt

instructions() { # of WORKLOAD run TIMES times
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$work/program" "$1" "$2" 2>&1 >/dev/null |
    awk '/Collected/ { print $NF }'
}

versions="$("$compiler" -dumpfullversion) $(getconf GNU_LIBC_VERSION 2>/dev/null || echo libc)"
echo "# $versions" >"$work/now.txt"
for workload in W1 W2 W3 W4 W5 W6; do
  nodes=$("$work/program" $workload 0)
  # Two graphs less one: what the first costs besides, pages and tables, is no node's.
  once=$(instructions $workload 1)
  twice=$(instructions $workload 2)
  awk -v w=$workload -v a="$once" -v b="$twice" -v n="$nodes" 'BEGIN { printf "%s %.1f\n", w, (b - a) / n }' >>"$work/now.txt"
done
cat "$work/now.txt"

case ${1:-} in
  --write) cp "$work/now.txt" "$known" ;;
  --check)
    if [ "$(head -n 1 "$known")" != "# $versions" ]; then
      echo "not compared: $known was counted with $(head -n 1 "$known" | cut -c3-)"
      exit 0
    fi
    awk 'NR == FNR { before[$1] = $2; next }
         !/^#/ && $2 > before[$1] * 1.1 { printf "%s: %s instructions a node, %s before: more than +10 %%\n", $1, $2, before[$1]; bad = 1 }
         END { exit bad }' "$known" "$work/now.txt"
    ;;
esac
