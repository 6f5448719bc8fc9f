#!/usr/bin/env bash
# Runs dally's commands in an empty Debian of another release, from nothing: the README's two, or what CI does there.
#
#   other_debian.sh SUITE COMMAND    SUITE: bookworm (12) or trixie (13)
#
#   demo, test   ./run.sh demo, ./run.sh test
#   check        a few minutes: the headers with each compiler, the lesson, the tests of core, graph, visualize
#   headers      each header alone, with each compiler
#   shell        a shell to look around
#
#   DALLY_DEBIAN_MIRROR   where packages come from; by default where this machine's apt has its own from
#   DALLY_DEBIAN_ROOT     an empty or new folder for the root, which is then kept; by default one that is removed
#
# Needs root (mounts, chroot) and mmdebstrap. Exit status 77, after "skipped: why", where such a root cannot be made.
# The mounts and every process belong to namespaces of their own, and are gone when the script is, however it ends.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  sed -n '2,/^set -/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
}
skip() {
  printf 'skipped: %s\n' "$*"
  exit 77
}

# ---- inside, in namespaces of our own: $1 is the root, $2 what a shell is to do there ---------------------------------

if [ "${1:-}" = --inside ]; then
  root=$2
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  exec env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive \
    chroot "$root" /bin/bash -euc "cd /srv/dally && $3"
fi

# ---- what is asked ----------------------------------------------------------------------------------------------------

[ $# = 2 ] || usage
suite=$1
command=$2
case $suite in
  bookworm) compilers=(g++ clang++-19) ;;
  trixie) compilers=(g++ clang++-17 clang++-19) ;;
  *) usage ;;
esac
packages="g++ $(printf '%s\n' "${compilers[@]}" | sed -n 's/^clang++/clang/p' | tr '\n' ' ')"
packages+="cmake ninja-build libfmt-dev libgraphviz-dev pkg-config catch2"
install="apt-get -q update && apt-get -q install -y --no-install-recommends $packages"
case $command in
  demo | test) script="./run.sh $command" ;;
  shell) script="exec bash -i" ;;
  headers) script=$install$(printf ' && tools/check_headers.sh %s' "${compilers[@]}") ;;
  check)
    script=$install$(printf ' && tools/check_headers.sh --together %s' "${compilers[@]}")
    script+=' && cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Debug -DDALLY_WERROR=ON -DDALLY_BUILD_BENCHMARKS=OFF'
    script+=' && cmake --build build --target lesson strict_warnings test_core test_graph test_visualize test_visualize_graphviz'
    script+=' && build/examples/lesson | tee lesson.txt && grep -qx 5 lesson.txt && build/tests/strict_warnings'
    # shellcheck disable=SC2016  # for the shell there
    script+=' && ctest --test-dir build --output-on-failure -j "$(nproc)" --label-regex "^(core|graph|visualize)\$"'
    ;;
  *) usage ;;
esac

# ---- whether it can be done -------------------------------------------------------------------------------------------

[ "$(id -u)" = 0 ] || skip "an empty Debian is made by root, and this is $(id -un)"
command -v mmdebstrap >/dev/null || skip "no mmdebstrap here (apt-get install mmdebstrap)"
apart=(unshare --mount --propagation private --pid --fork --kill-child)
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/dally-debian.XXXXXX")
trap 'rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$scratch/proc"
"${apart[@]}" mount -t proc proc "$scratch/proc" 2>/dev/null || skip "mounts and namespaces are refused here"

# The archive that this machine's own packages come from, and how apt is to behave: proxies, checks, timeouts.
mirror=${DALLY_DEBIAN_MIRROR:-}
if [ -z "$mirror" ]; then
  # shellcheck disable=SC2016  # apt's own fields
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1) || true
  [ -n "$mirror" ] || skip "this machine's apt has no archive: say where Debian is in DALLY_DEBIAN_MIRROR"
fi
apt-config dump --no-empty --format '%F "%v";%n' | grep '^Acquire::' | grep -vE '^Acquire::(IndexTargets|Changelogs)' \
  >"$scratch/apt.conf" || true
hooks=()
if [ -n "$(ls -A /etc/apt/auth.conf.d 2>/dev/null)" ]; then
  hooks+=(--setup-hook='copy-in /etc/apt/auth.conf.d /etc/apt')
fi

# ---- the root, and the repository in it ---------------------------------------------------------------------------------

root=${DALLY_DEBIAN_ROOT:-$scratch/root}
mmdebstrap --quiet --variant=apt --aptopt="$scratch/apt.conf" "${hooks[@]}" "$suite" "$root" "$mirror" ||
  skip "$suite cannot be had from $mirror"
for file in resolv.conf hosts; do
  if [ -e "/etc/$file" ]; then cp -L "/etc/$file" "$root/etc/$file"; fi
done
mkdir -p "$root/srv/dally"
# What is tracked, as it lies here.
git -C "$repository" ls-files -z | tar -C "$repository" --null --ignore-failed-read -c -T - |
  tar -C "$root/srv/dally" -x --no-same-owner

status=0
"${apart[@]}" "$(readlink -f "${BASH_SOURCE[0]}")" --inside "$root" "$script" || status=$?
printf '%s, %s: exit status %d\n' "$suite" "$command" "$status"
[ $status != 77 ] || status=1
exit $status
