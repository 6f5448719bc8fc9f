#!/usr/bin/env bash
# Other programs read dally's DOT texts: boxes, arrows, labels and colours must be those that dally means.
#
#   tests/neighbours/dot_readers.sh    on Debian 12 or later, as root or with what it needs installed. Exit status 0:
#                                      every reader that could be had reads the right graphs
#
# Installs what is missing: Debian's python3-networkx, python3-pydot, python3-pygraphviz, libboost-graph-dev, and, into a
# temporary folder, npm's ts-graphviz, @dagrejs/graphlib-dot and vis-network. Says "skipped" of a reader that is not had.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"

packages=(python3-networkx python3-pydot python3-pygraphviz libboost-graph-dev)
if ! dpkg -s "${packages[@]}" >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  apt-get -q install -y --no-install-recommends "${packages[@]}" >apt.log 2>&1 || echo "apt-get: $(tail -n 1 apt.log)"
fi
if command -v npm >/dev/null; then
  echo '{ "private": true }' >package.json
  npm install --silent --no-fund --no-audit ts-graphviz@3.0.7 @dagrejs/graphlib-dot@1.0.2 vis-network@10.1.5 \
    vis-data@8.0.6 vis-util@6.0.3 >npm.log 2>&1 || echo "npm: $(tail -n 1 npm.log)"
fi

"${CXX:-g++}" -std=c++20 -O0 -I"$root/include" "$here/pictures.cpp" -o pictures -lfmt -pthread
./pictures .

failed=0
read_by() { # NAME COMMAND...: the file's name follows
  local name=$1 picture said
  shift
  for picture in hostile middle whole collapsed; do
    if ! "$@" "$picture.dot" >"$picture.found" 2>"$picture.errors"; then
      said="refuses it: $(grep -m 1 -i error "$picture.errors" || tail -n 1 "$picture.errors")"
      failed=1
    elif ! said=$(python3 "$here/compare.py" "$picture.txt" "$picture.found"); then
      failed=1
      said="WRONG
$said"
    fi
    printf '%-14s %-10s %s\n' "$name" "$picture" "$said"
  done
}
skipped() { printf '%-14s skipped: %s is not here\n' "$1" "$2"; }

python=/usr/bin/python3 # where Debian's packages are
for reader in pydot pygraphviz; do
  if $python -c "import networkx, $reader" 2>/dev/null; then
    read_by "$reader" $python "$here/read_dot.py" $reader
  else
    skipped $reader "networkx or $reader"
  fi
done
if [ -e /usr/include/boost/graph/graphviz.hpp ] && "${CXX:-g++}" -std=c++20 -O0 "$here/read_dot.cpp" -o read_dot -lboost_graph 2>boost.log; then
  read_by Boost.Graph ./read_dot
else
  skipped Boost.Graph libboost-graph-dev
fi
for reader in ts-graphviz graphlib-dot vis-network; do
  if [ -d "node_modules/$reader" ] || [ -d "node_modules/@dagrejs/$reader" ]; then
    read_by $reader node "$here/read_dot.mjs" $reader
  else
    skipped $reader "npm's package"
  fi
done
exit $failed
