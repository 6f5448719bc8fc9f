#!/usr/bin/env bash
# Makes each acquire, release or sequentially consistent operation of the hot path relaxed, one at a time, and expects
# ThreadSanitizer to report it, or a wrong result without ThreadSanitizer. What neither can show stands below with the
# reason; the wake-up protocol is check_models.sh's matter. Needs g++ and perl.
#
#   check_orders.sh [FILE...]   FILE as in pool/deque.hpp; all of them without
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A header, and the program of tools/orders/ that strains it.
headers='
pool/deque.hpp             pool
pool/parking.hpp           pool
schedulers/crew_run.hpp    run
execution/execution.hpp    run
graph/tracked_results.hpp  run
graph/inputs.hpp           run
'

# What a relaxed order cannot show: header | the line and the one before it, as a Perl regular expression | the reason.
exceptions='
pool/deque.hpp | auto top = top_\.load\(std::memory_order_seq_cst\) | total order with pop'"'"'s store; x86 keeps loads in order
pool/deque.hpp | won = top_\.compare_exchange | total order; a locked instruction on x86 in any case
pool/deque.hpp | !top_\.compare_exchange | total order, and make_room'"'"'s partner; a locked instruction on x86 in any case
pool/deque.hpp | top_seen_ = top_\.load | orders reads of atomic slots: no data race, and x86 keeps them in order
pool/deque.hpp | size\(\) const|auto const top = .*auto const bottom = | size(): the wake-up protocol
schedulers/crew_run.hpp | searching_|caller_sleeps_|next_root_|announced|!stepping_\. | the wake-up protocol
schedulers/crew_run.hpp | as a claim does|parts_\[1\]\.claims\.begun\.load | the mark that is read next acquires as much, if loads stay in order, as on x86
schedulers/crew_run.hpp | wanted | the wake-up protocol; what it hands over is released with the stretch
schedulers/crew_run.hpp | bool stepping\(\) const | for a pool thread that looks in between the store and the wake-up after it: too rare to meet
schedulers/crew_run.hpp | left_\.compare_exchange_weak\(task, task->next | after a lost swap only; the load before it has acquired
execution/execution.hpp | atomic_signal_fence | for the compiler alone, which does not happen to swap what stands around it
execution/execution.hpp | on_unused|uses\[edge\]\.fetch_sub\(1, std::memory_order_acq_rel\) != 1 | one thread calls it
execution/execution.hpp | sinks_left_\. | close() orders it too; for schedulers that have none
execution/execution.hpp | failed_\. | the counters, or the end of the sweep, order it too
'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aslr=()
g++ -fsanitize=thread -x c++ -o "$work/probe" - <<<'int main() {}'
"$work/probe" 2>/dev/null || aslr=(setarch "$(uname -m)" --addr-no-randomize)

# One run under ThreadSanitizer; some races are met in every second run only.
strain() { TSAN_OPTIONS=halt_on_error=1 timeout 100 "${aslr[@]}" "$dir/program" >"$dir/log" 2>&1; }

# try HEADER PROGRAM OCCURRENCE: prints the row of the table; OCCURRENCE 0 is the header as it is.
try() {
  local header=$1 program=$2 occurrence=$3 dir row verdict='nothing reported'
  dir=$work/$program.${header//\//.}.$occurrence
  mkdir -p "$dir/dally/${header%/*}"
  row=$(perl -e '
    my ($header, $occurrence, $in, $out) = @ARGV;
    my @known = map { [/^(\S+) \| (.*) \| (.*)$/] } grep /\S/, split /\n/, $ENV{exceptions};
    open my $from, "<", $in or die;
    open my $to, ">", $out or die;
    my ($n, $before) = (0, "");
    while (my $line = <$from>) {
      my $was = $line;
      if ($line !~ m{^\s*//}) {
        $line =~ s{memory_order_(acquire|release|acq_rel|seq_cst)}{
          my $order = $1;
          if (++$n == $occurrence) {
            my ($why) = map { $_->[2] } grep { $_->[0] eq $header && "$before$was" =~ /$_->[1]/s } @known;
            print "$.\t$order\t", $why // "";
            $order = "relaxed";
          }
          "memory_order_$order"
        }ge;
      }
      print $to $line;
      $before = $was;
    }' "$header" "$occurrence" "$root/include/dally/$header" "$dir/dally/$header")
  [ "$occurrence" != 0 ] || row=$'0\tas it is\t'
  if [ -z "${row##*$'\t'}" ]; then
    local -a build=(g++ -std=c++20 -I"$dir" -I"$root/include" "$root/tools/orders/$program.cpp" -o "$dir/program")
    if ! "${build[@]}" -O1 -g1 -fsanitize=thread >"$dir/log" 2>&1; then
      verdict='does not compile'
    elif ! { strain && { [ "$occurrence" = 0 ] || { strain && strain; }; }; }; then
      verdict='a wrong result'
      ! grep -q 'ThreadSanitizer: data race' "$dir/log" || verdict='ThreadSanitizer: data race'
    elif "${build[@]}" -O2 && ! timeout 100 "$dir/program" >"$dir/log" 2>&1; then
      verdict='a wrong result without ThreadSanitizer'
    fi
  fi
  printf '%s\t%s\t%s\n' "$header" "$verdict" "$row"
  rm -rf "$dir"
}
export -f try strain
export root work exceptions
export ASLR="${aslr[*]}"

for_each() {
  while read -r header program; do
    [ -n "$header" ] || continue
    [ $# = 0 ] || [[ " $* " == *" $header "* ]] || continue
    count=$(grep -v '^ *//' "$root/include/dally/$header" | grep -o 'memory_order_\(acquire\|release\|acq_rel\|seq_cst\)' | wc -l)
    for ((i = 0; i <= count; ++i)); do echo "$header $program $i"; done
  done <<<"$headers"
}

# shellcheck disable=SC2016
for_each "$@" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 bash -c 'aslr=($ASLR); try "$@"' try >"$work/rows"

wrong=0
while IFS=$'\t' read -r header verdict line order why; do
  if [ -n "$why" ]; then
    verdict="not tried: $why"
  elif case $order:$verdict in
    'as it is:nothing reported') false ;;
    'as it is:'*) true ;;
    *'wrong result'* | *'data race') false ;;
    esac then
    verdict="ERROR: $verdict"
    wrong=$((wrong + 1))
  fi
  printf '%-30s %-8s %s\n' "$header:$line" "$order" "$verdict"
done < <(sort -t $'\t' -k1,1 -k3,3n "$work/rows")
if [ $wrong != 0 ]; then
  echo "check_orders.sh: $wrong of the above went wrong" >&2
  exit 1
fi
