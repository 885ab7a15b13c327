#!/bin/sh
# Ours, then NumPy and PyTorch, in one run on one core: taskset keeps both to it.
set -e
cd "$(dirname "$0")"
swift build -c release
taskset -c 0 env OPENBLAS_NUM_THREADS=1 "$(swift build -c release --show-bin-path)/NumericsBench"
taskset -c 0 env OMP_NUM_THREADS=1 "${PYTHON:-python3}" compare.py
