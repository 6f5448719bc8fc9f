#!/usr/bin/env bash
# Checks the models of tools/models with Spin: every interleaving of the protocol that wakes sleeping workers, and of that by
# which two share a graph, ends as it must, and each mutant of them, which does without a step or does two in the other
# order, is reported. Some three minutes on one core.
#   tools/check_models.sh           all of it
#   tools/check_models.sh --quick   pairs, the model by steps, and the mutant that drops a wake-up: some ten seconds
# Needs spin and a C compiler.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
model=wake_up # or pairs
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
failures=0

# search MACRO...: searches all states of the model so defined; sets `errors` and `states`.
search() {
  rm -rf "$work"/*
  (cd "$work" && spin -a "${@/#/-D}" "$root/tools/models/$model.pml" >spin.txt && cc -O1 -DSAFETY -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c)
  (cd "$work" && ./pan -m1000000 >out.txt)
  # An unfinished search has found nothing out.
  if grep -q 'Search not completed\|max search depth too small\|out of memory' "$work/out.txt" &&
    ! grep -q '^pan:1: \(invalid end state\|assertion violated\)' "$work/out.txt"; then
    cat "$work/out.txt" >&2
    exit 1
  fi
  errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/out.txt")
  states=$(awk '/states, stored/ { print $1; exit }' "$work/out.txt")
}

row() { printf '%-8s %-54s %10s states  %s\n' "$model" "$1" "$states" "$2"; }

right() {
  search "$@"
  if [ "$errors" = 0 ]; then
    row "$*" "no error"
  else
    row "$*" "ERROR: $(grep '^pan:1' "$work/out.txt")"
    failures=$((failures + 1))
  fi
}

mutant() {
  search "$@"
  if [ "$errors" != 0 ]; then
    row "$*" "reported, as it must be: $(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$work/out.txt")"
  else
    row "$*" "ERROR: not reported"
    failures=$((failures + 1))
  fi
}

begun_alone=TASKS=2
steps=(OBSERVED TASKS=4)
two_callers=(OBSERVED RUNS=2 POOL=1 TASKS=2)

finish() {
  if [ $failures != 0 ]; then
    echo "check_models.sh: $failures of the above went wrong" >&2
    exit 1
  fi
  exit 0
}

model=pairs
right
mutant END_IS_AN_ERROR
mutant NO_FENCE
mutant HELD_HAS_RUN
mutant LEAVES_UNLOCKED
mutant NOT_RELEASED
mutant NO_LOOK_AT_MARKS
mutant HELD_IS_READY
mutant REST_IS_AN_ERROR
mutant NOT_WAITED_FOR
mutant OTHER_NOT_RELEASED

model=wake_up
right "${steps[@]}"
mutant "${steps[@]}" DROPPED_WAKE_UP
if [ "${1:-}" = --quick ]; then finish; fi

right $begun_alone
right OBSERVED HERE=1 TASKS=3
right "${two_callers[@]}"

# The run comes to its end, so that the above is said of something.
mutant "${steps[@]}" END_IS_AN_ERROR

# Steps left out.
mutant "${steps[@]}" NO_LAST_LOOK
mutant "${steps[@]}" NO_LOOK_AFTER_FIND
mutant "${steps[@]}" CALLER_SLEEPS_BLINDLY
mutant "${steps[@]}" CALLER_NOT_TOLD
mutant "${two_callers[@]}" NO_SECOND_LOOK
mutant $begun_alone NOBODY_WATCHES

# What weaker orders than sequentially consistent ones would allow.
mutant "${steps[@]}" LATE_ANNOUNCE
mutant "${steps[@]}" LATE_SLEEPER
mutant "${steps[@]}" LATE_GIVING_UP
mutant "${steps[@]}" LATE_CALLER_SLEEPS
mutant TASKS=3 LATE_STEPPING

finish
