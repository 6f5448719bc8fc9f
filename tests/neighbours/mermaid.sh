#!/usr/bin/env bash
# Mermaid 11 and 12 show dally's flowcharts in Chromium: every label and arrow must be the one that dally means.
#
#   tests/neighbours/mermaid.sh    on Debian 12 or later, as root or with chromium and npm installed. Exit status 0: both
#                                  show all, or one of these is not there ("skipped: why")
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"

skip() {
  echo "mermaid skipped: $*"
  exit 0
}
command -v npm >/dev/null || skip "npm is not here"
if ! command -v chromium >/dev/null; then
  [ "$(id -u)" = 0 ] || skip "chromium is not here"
  apt-get -q install -y --no-install-recommends chromium >apt.log 2>&1 || skip "apt-get: $(tail -n 1 apt.log)"
fi
echo '{ "private": true }' >package.json
npm install --silent --no-fund --no-audit playwright-core@1.65.1 mermaid11@npm:mermaid@11.17.2 \
  mermaid12@npm:mermaid@12.3.0 >npm.log 2>&1 || skip "npm: $(tail -n 1 npm.log)"

"${CXX:-g++}" -std=c++20 -O0 -I"$here/../../include" "$here/pictures.cpp" -o pictures -lfmt -pthread
./pictures .
failed=0
for version in mermaid11 mermaid12; do
  node "$here/mermaid.mjs" "$(command -v chromium)" $version hostile collapsed middle || failed=1
done
exit $failed
