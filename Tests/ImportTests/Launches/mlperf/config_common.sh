# Read by the others.
export MODEL_SIZE="${MODEL_SIZE:-175b}"
export SEQ_PARALLEL=True
export MICRO_BATCH_SIZE=1
export WALLTIME_MINUTES=120
export NCCL_TEST=1
