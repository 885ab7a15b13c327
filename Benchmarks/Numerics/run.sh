#!/bin/sh
# Ours beside NumPy and PyTorch, in turn on one core: taskset keeps both to it. The figures go to reports/numerics/speed.md.
set -e
cd "$(dirname "$0")"
swift build -c release --product NumericsBench
mkdir -p ../../reports/numerics
taskset -c "${CORE:-0}" env OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 "${PYTHON:-python3}" compare.py \
  "$(swift build -c release --show-bin-path)/NumericsBench" ../../reports/numerics/speed.md
