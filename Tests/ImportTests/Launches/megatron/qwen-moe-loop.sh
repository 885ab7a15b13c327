#!/bin/bash
# Options gathered in a loop and by a function.
OPTS=""
add() { OPTS="$OPTS --$1 $2"; }
add num-layers 24
add hidden-size 2048
add num-attention-heads 16
add seq-length 4096
add max-position-embeddings 4096
add num-experts 64
add moe-router-topk 4
add moe-ffn-hidden-size 1408
add ffn-hidden-size 5632
add vocab-size 151936
for flag in swiglu disable-bias-linear add-qkv-bias bf16 use-distributed-optimizer untie-embeddings-and-output-weights; do
  OPTS+=" --${flag}"
done
EP=8
eval "torchrun --nproc_per_node=8 --nnodes=2 pretrain_gpt.py $OPTS --expert-model-parallel-size $EP --normalization RMSNorm --position-embedding-type rope \
  --micro-batch-size 2 --global-batch-size 64 --moe-expert-capacity-factor 1.25 --moe-pad-expert-input-to-capacity"
