#!/bin/bash
# Llama 3 8B in FP8 with context parallelism.
NUM_NODES=2
GPUS_PER_NODE=8
TP_SIZE=1
CP_SIZE=2
DTYPE=fp8
EXTRA_ARGS=""
if [[ $DTYPE == "fp8" ]]; then
  EXTRA_ARGS+=" --fp8-format hybrid --fp8-amax-history-len 1024 --fp8-amax-compute-algo max --fp8-param-gather"
fi
torchrun --nproc_per_node $GPUS_PER_NODE --nnodes $NUM_NODES pretrain_gpt.py \
  --num-layers 32 --hidden-size 4096 --ffn-hidden-size 14336 --num-attention-heads 32 \
  --group-query-attention --num-query-groups 8 --kv-channels 128 \
  --seq-length 8192 --max-position-embeddings 8192 --position-embedding-type rope --rotary-base 1000000 \
  --swiglu --normalization RMSNorm --disable-bias-linear --untie-embeddings-and-output-weights \
  --attention-dropout 0.0 --hidden-dropout 0.0 \
  --micro-batch-size 1 --global-batch-size 128 --train-samples 1953125000 \
  --tokenizer-type NullTokenizer --vocab-size 128255 --mock-data \
  --bf16 --grad-reduce-in-bf16 --cross-entropy-loss-fusion \
  --tensor-model-parallel-size $TP_SIZE --context-parallel-size $CP_SIZE --sequence-parallel \
  --use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather \
  --manual-gc --empty-unused-memory-level 1 \
  $EXTRA_ARGS
