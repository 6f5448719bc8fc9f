#!/usr/bin/env bash
# What including dally costs: the lesson's program, all of it and with dally compiled elsewhere, beside a program that only
# includes the standard headers it needs, and beside the same by oneTBB's flow graph, where its headers are.
# benchmarks/compile_cost.sh [compiler] [repetitions]: CPU seconds of an object at -O2, the least of the interleaved
# repetitions; preprocessed lines; bytes of text.
# benchmarks/compile_cost.sh --instructions [compiler]: what the parts of it take, in millions of the compiler's
# instructions, counted by callgrind, which takes minutes.
# benchmarks/compile_cost.sh --check: fails where the lesson takes more CPU time to compile, or more bytes of text, than the
# same program by oneTBB's flow graph, compiled in turn with it, up to 9 times until it does not: a busy machine makes single
# times longer, never shorter. Without oneTBB's headers it says so and fails nothing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
check=false
instructions=false
if [ "${1:-}" = --check ]; then
  check=true
  set -- "${CXX:-g++}" 3
elif [ "${1:-}" = --instructions ]; then
  instructions=true
  shift
  command -v valgrind >/dev/null || {
    echo "compile_cost.sh: valgrind is missing (Debian, Ubuntu: apt-get install valgrind)" >&2
    exit 2
  }
fi
compiler=${1:-g++}
repetitions=${2:-5}
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

cat >"$work/tasks.hpp" <<'END'
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
END

cat >"$work/lesson.cpp" <<'END'
#include <dally/dally.hpp>

#include "tasks.hpp"

int main() {
  auto x = dally::delayed(increment)(1);
  auto y = dally::delayed(increment)(2);
  auto z = dally::delayed(add)(x, y);
  int const five = z.compute();
  z.visualize("z.dot");
  return five == 5 ? 0 : 1;
}
END

cat >"$work/tbb.cpp" <<'END'
#include <oneapi/tbb/flow_graph.h>

#include <tuple>

#include "tasks.hpp"

int main() {
  using namespace tbb::flow;
  int five = 0;
  graph g;
  function_node<int, int> x{g, serial, increment}, y{g, serial, increment};
  join_node<std::tuple<int, int>> both{g};
  function_node<std::tuple<int, int>> z{g, serial, [&](std::tuple<int, int> const& of) {
    five = std::apply(add, of);
    return continue_msg{};
  }};
  make_edge(x, input_port<0>(both));
  make_edge(y, input_port<1>(both));
  make_edge(both, z);
  x.try_put(1);
  y.try_put(2);
  g.wait_for_all();
  return five == 5 ? 0 : 1;
}
END

# The standard headers that the program and the headers of dally which it reaches name themselves.
"$compiler" -std=c++20 -I"$root/include" -fsyntax-only -H "$work/lesson.cpp" 2>&1 | grep -o "$root/include/.*" | sort -u |
  xargs sed -n 's/^\(#include <[a-z_]*>\).*/\1/p' "$work/tasks.hpp" | sort -u >"$work/bare.cpp"
echo 'int main() {}' >>"$work/bare.cpp"
# The lesson's program where dally is compiled once, by tools/compiled/compiled.cpp.
{ echo '#define DALLY_COMPILED' && cat "$work/lesson.cpp"; } >"$work/compiled.cpp"

if $instructions; then
  echo '#include <dally/dally.hpp>' >"$work/parsed.cpp"
  "$compiler" --version | head -n 1
  count() { # WHAT PROGRAM OPTIONS...
    valgrind --trace-children=yes --tool=callgrind --callgrind-out-file=/dev/null \
      "$compiler" -std=c++20 -I"$root/include" "${@:3}" "$work/$2.cpp" -o "$work/$2.s" 2>&1 |
      awk -v what="$1" '/Collected/ { all += $NF } END { printf "%-50s %6.0f\n", what, all / 1e6 }'
  }
  count "the standard headers" bare -fsyntax-only
  count "and dally's, parsed" parsed -fsyntax-only
  count "and what the lesson uses of them, instantiated" lesson -fsyntax-only
  count "and code for it, at -O0" lesson -O0 -S
  count "the same at -O2" lesson -O2 -S
  count "the lesson with dally compiled elsewhere, at -O2" compiled -O2 -S
  exit
fi

programs='bare lesson compiled'
if echo '#include <oneapi/tbb/flow_graph.h>' | "$compiler" -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; then
  programs+=' tbb'
fi

declare -A least
# Whether the lesson has taken no more time than oneTBB's program so far.
is_cheaper() { awk -v a="${least[lesson]}" -v b="${least[tbb]:-9999}" 'BEGIN { exit !(a <= b) }'; }
for ((run = 0; run < repetitions || (run < 9 && again); ++run)); do
  for program in $programs; do
    TIMEFORMAT='%U %S'
    used=$({ time "$compiler" -std=c++20 -O2 -I"$root/include" -c "$work/$program.cpp" -o "$work/$program.o"; } 2>&1 |
      awk '{ print $1 + $2 }')
    least[$program]=$(printf '%s\n' "${least[$program]:-$used}" "$used" | sort -g | head -n 1)
  done
  again=0
  if $check && ! is_cheaper; then again=1; fi
done

"$compiler" --version | head -n 1
printf '%-8s %10s %10s %10s\n' program 'CPU s' lines 'text B'
for program in $programs; do
  lines=$("$compiler" -std=c++20 -I"$root/include" -E -P "$work/$program.cpp" | wc -l)
  text=$(size "$work/$program.o" | awk 'END { print $1 }')
  case $program in
    lesson) lesson_text=$text ;;
    tbb) tbb_text=$text ;;
  esac
  printf '%-8s %10s %10s %10s\n' "$program" "${least[$program]}" "$lines" "$text"
done
for program in $programs; do
  if [ "$program" != bare ]; then
    awk -v p="$program" -v a="${least[$program]}" -v b="${least[bare]}" 'BEGIN { printf "%s / bare: %.1f\n", p, a / b }'
  fi
done
if $check; then
  if [ -z "${least[tbb]:-}" ]; then
    echo "not compared: no headers of oneTBB here (Debian, Ubuntu: libtbb-dev)"
  elif [ "$lesson_text" -gt "$tbb_text" ]; then
    echo "compile_cost.sh: the lesson's program has $lesson_text bytes of text, with oneTBB $tbb_text" >&2
    exit 1
  elif ! is_cheaper; then
    echo "compile_cost.sh: the lesson's program takes ${least[lesson]} s to compile, with oneTBB ${least[tbb]} s" >&2
    exit 1
  fi
fi
