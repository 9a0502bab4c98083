# Every test. Those that wait most of their time have a worker beside the others, which do the CPUs' work meanwhile. They come first where
# both want a CPU: what they wait for has a time by which it is to happen. CI: both write to one terminal, line by line.
CI=1 vitest run --project=waiting --maxWorkers=1 &
waiting=$!
trap 'kill $waiting; exit 130' INT TERM
CI=1 nice -n 5 vitest run --project=unit --project=sql --project=local
others=$?
wait $waiting && exit $others
