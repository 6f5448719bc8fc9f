#!/usr/bin/env bash
# Compiles each header alone, silently under strict warnings: without code, so that it takes a compiler a minute or two.
#
#   check_headers.sh [--together] COMPILER [FLAG...]   as in: check_headers.sh clang++-19 -stdlib=libc++
#
# --together: all of them in one file instead, in some seconds.
# Those that need Graphviz are left out where its library is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

together=false
if [ "${1:-}" = --together ]; then
  together=true
  shift
fi
compile=("$@" -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror -Iinclude -fsyntax-only)
mapfile -t headers < <(find include/dally -name '*.hpp' | sort)
if command -v pkg-config >/dev/null && pkg-config --exists libgvc libcgraph; then
  read -ra graphviz < <(pkg-config --cflags-only-I libgvc libcgraph | sed 's/-I/-isystem /g')
  compile+=("${graphviz[@]}")
else
  mapfile -t headers < <(printf '%s\n' "${headers[@]}" | grep -vE '/dally/visualize\.hpp|/visualize/render\.hpp')
fi

if $together; then
  printf '#include "%s"\n' "${headers[@]#include/}" | "${compile[@]}" -x c++ -
  printf '%s: %d headers compile together\n' "$*" ${#headers[@]}
  exit
fi

alone() {
  printf '#include "%s"\n' "${1#include/}" | "${@:2}" -x c++ - || {
    printf '%s does not compile alone: %s\n' "$1" "${*:2}" >&2
    return 1
  }
}
export -f alone
printf '%s\0' "${headers[@]}" |
  xargs -0 -P "$(getconf _NPROCESSORS_ONLN)" -I {} bash -c 'alone "$@"' alone {} "${compile[@]}"
printf '%s: %d headers compile alone\n' "$*" ${#headers[@]}
