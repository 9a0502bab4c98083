# Every test, or those that the arguments name, as vitest takes them: npm test -- guard -t "a program".
# Those that wait most of their time have a worker beside the others, which do the CPUs' work meanwhile. They come first where both want
# a CPU: what they wait for has a time by which it is to happen. CI: both write to one terminal, line by line.
if [ $# -gt 0 ]; then exec vitest run --exclude 'test/engine/**' "$@"; fi
CI=1 vitest run --project=waiting --maxWorkers=1 & waiting=$!
CI=1 nice -n 5 vitest run --project=unit --project=sql --project=local & others=$!
# A shell hears a signal while it waits, and not while a command runs in its foreground.
trap 'kill $waiting $others; wait; exit 130' INT TERM
wait $others
ended=$?
wait $waiting && exit $ended
