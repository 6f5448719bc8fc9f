#!/usr/bin/env bash
# What including dally costs: the lesson's program beside a program that only includes the standard headers it needs.
# benchmarks/compile_cost.sh [compiler] [repetitions]: CPU seconds of an object at -O2, the least of the repetitions;
# preprocessed lines; bytes of text.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
compiler=${1:-g++}
repetitions=${2:-5}
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

cat >"$work/lesson.cpp" <<'END'
#include <dally/dally.hpp>

#include <chrono>
#include <thread>
using namespace std::chrono_literals;

int increment(int x) {
  std::this_thread::sleep_for(1s);
  return x + 1;
}
int add(int x, int y) {
  std::this_thread::sleep_for(1s);
  return x + y;
}

int main() {
  auto x = dally::delayed(increment)(1);
  auto y = dally::delayed(increment)(2);
  auto z = dally::delayed(add)(x, y);
  int const five = z.compute();
  z.visualize("z.dot");
  return five == 5 ? 0 : 1;
}
END

# The standard headers that the program and the headers of dally which it reaches name themselves.
"$compiler" -std=c++20 -I"$root/include" -fsyntax-only -H "$work/lesson.cpp" 2>&1 | grep -o "$root/include/.*" | sort -u |
  xargs sed -n 's/^\(#include <[a-z_]*>\).*/\1/p' "$work/lesson.cpp" | sort -u >"$work/bare.cpp"
echo 'int main() {}' >>"$work/bare.cpp"

seconds() { # the least CPU time of compiling $1
  local best='' run
  for ((run = 0; run < repetitions; ++run)); do
    TIMEFORMAT='%U %S'
    used=$({ time "$compiler" -std=c++20 -O2 -I"$root/include" -c "$work/$1.cpp" -o "$work/$1.o"; } 2>&1 |
      awk '{ print $1 + $2 }')
    best=$(printf '%s\n' $best "$used" | sort -g | head -n 1)
  done
  echo "$best"
}

printf '%-8s %10s %10s %10s\n' program 'CPU s' lines 'text B'
for program in bare lesson; do
  least=$(seconds "$program")
  lines=$("$compiler" -std=c++20 -I"$root/include" -E -P "$work/$program.cpp" | wc -l)
  text=$(size "$work/$program.o" | awk 'END { print $1 }')
  printf '%-8s %10s %10s %10s\n' "$program" "$least" "$lines" "$text"
  declare "$program=$least"
done
awk -v lesson="$lesson" -v bare="$bare" 'BEGIN { printf "lesson / bare: %.1f\n", lesson / bare }'
