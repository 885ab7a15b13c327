#!/bin/bash
GPUS_PER_NODE=8
NNODES=8
torchrun --nproc_per_node ${GPUS_PER_NODE} --nnodes ${NNODES} pretrain_gpt.py --num-layers 64 --hidden-size 5120 --ffn-hidden-size 27648 \
  --num-attention-heads 40 --group-query-attention --num-query-groups 8 --kv-channels 128 --qk-layernorm --seq-length 4096 --max-position-embeddings 4096 \
  --vocab-size 151936 --swiglu --normalization RMSNorm --position-embedding-type rope --disable-bias-linear --untie-embeddings-and-output-weights \
  --micro-batch-size 1 --global-batch-size 128 --bf16 --use-distributed-optimizer --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params \
  --no-gradient-accumulation-fusion --init-model-with-meta-device --recompute-granularity full --recompute-method uniform --recompute-num-layers 1
