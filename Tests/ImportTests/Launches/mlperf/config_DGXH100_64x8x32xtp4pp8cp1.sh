## GPT-3 175B on 512 H100
source $(dirname ${BASH_SOURCE[0]})/config_common.sh
export MINIBS=96
export TENSOR_MODEL_PARALLEL=4
export PIPELINE_MODEL_PARALLEL=8
export INTERLEAVED_PIPELINE=6
export MAX_STEPS=600
export FP8=True
export TP_COMM_OVERLAP=True
export DGXNNODES=64
export DGXSYSTEM=$(basename $(readlink -f ${BASH_SOURCE[0]}) | sed 's/^config_//' | sed 's/\.sh$//')
export DGXNGPU=8
