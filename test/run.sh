# Every test, or those that the arguments name, as vitest takes them: npm test -- guard -t "a program".
# Those that wait most of their time have a worker beside the others, which do the CPUs' work meanwhile. They come first where both want
# a CPU: what they wait for has a time by which it is to happen. CI: both write to one terminal, line by line.
if [ $# -gt 0 ]; then exec vitest run --exclude 'test/engine/**' "$@"; fi
export CI=1
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failed_files=$(cd "$(dirname -- "$0")" && pwd)/failedFiles.mts
FAILED_FILES=$results/waiting vitest run --project=waiting --maxWorkers=1 --reporter=default --reporter="$failed_files" &
waiting=$!
FAILED_FILES=$results/others nice -n 5 vitest run --project=unit --project=sql --project=local \
  --reporter=default --reporter="$failed_files" &
others=$!
# A shell hears a signal while it waits, and not while a command runs in its foreground.
trap 'kill $waiting $others; wait; exit 130' INT TERM
wait $others
others_ended=$?
wait $waiting
waiting_ended=$?
[ $waiting_ended -eq 0 ] && [ $others_ended -eq 0 ] && exit
[ "${ONCE_MORE:-}" ] || exit 1

# Once more, alone: a machine that others share can be late by minutes. What fails again has failed; what does not is named, and is to be
# made steady. Where anything but tests went wrong in one of the two, it names no file (failedFiles.mts), and has failed.
{ [ $waiting_ended -eq 0 ] || [ -s "$results/waiting" ]; } && { [ $others_ended -eq 0 ] || [ -s "$results/others" ]; } || {
  echo "nothing is run once more: not only tests failed, see the errors above"
  exit 1
}
failed=$(cat "$results"/* | paste -s -d ' ' -)
echo "once more, alone: $failed"
# shellcheck disable=SC2086 # one word each
ONCE_MORE=now FAILED_FILES=$results/again vitest run --exclude 'test/engine/**' --maxWorkers=1 \
  --reporter=default --reporter="$failed_files" $failed || exit 1
echo "passed only when run once more, alone: $failed"
