# Every test, or those that the arguments name, as vitest takes them: npm test -- guard -t "a program".
# Those that wait most of their time have a worker beside the others, which do the CPUs' work meanwhile. They come first where both want
# a CPU: what they wait for has a time by which it is to happen. CI: both write to one terminal, line by line.
if [ $# -gt 0 ]; then exec vitest run --exclude 'test/engine/**' "$@"; fi
export CI=1
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
vitest run --project=waiting --maxWorkers=1 --reporter=default --reporter=json --outputFile.json="$results/waiting.json" &
waiting=$!
nice -n 5 vitest run --project=unit --project=sql --project=local \
  --reporter=default --reporter=json --outputFile.json="$results/others.json" &
others=$!
# A shell hears a signal while it waits, and not while a command runs in its foreground.
trap 'kill $waiting $others; wait; exit 130' INT TERM
wait $others
ended=$?
wait $waiting && [ $ended -eq 0 ] && exit
[ "${ONCE_MORE:-}" ] || exit 1

# Once more, alone: a machine that others share can be late by minutes. What fails again has failed; what does not is named, and is to be
# made steady. None is named where vitest itself failed.
failed=$(node -p '
  process.argv.slice(1).flatMap((file) => JSON.parse(fs.readFileSync(file)).testResults)
    .filter(({ status }) => status === "failed").map(({ name }) => path.relative("", name)).join(" ")
' "$results/waiting.json" "$results/others.json") && [ "$failed" ] || exit 1
echo "once more, alone: $failed"
# shellcheck disable=SC2086 # one word each
vitest run --exclude 'test/engine/**' --maxWorkers=1 $failed || exit 1
echo "passed only when run once more, alone: $failed"
