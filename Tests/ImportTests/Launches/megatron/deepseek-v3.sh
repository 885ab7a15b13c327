#!/bin/bash
# 671B with latent attention, 256 experts and a dense start.
NODES=128
ARGS=(
  --num-layers 61 --hidden-size 7168 --ffn-hidden-size 18432 --num-attention-heads 128
  --multi-latent-attention --q-lora-rank 1536 --kv-lora-rank 512 --qk-head-dim 128 --qk-pos-emb-head-dim 64 --v-head-dim 128
  --qk-layernorm --swiglu --normalization RMSNorm --position-embedding-type rope --disable-bias-linear --untie-embeddings-and-output-weights
  --num-experts 256 --moe-router-topk 8 --moe-ffn-hidden-size 2048 --moe-shared-expert-intermediate-size 2048
  --moe-layer-freq "([0]*3+[1]*58)" --moe-router-enable-expert-bias --moe-router-score-function sigmoid --moe-router-num-groups 8 --moe-router-group-topk 4
  --moe-grouped-gemm --moe-token-dispatcher-type flex --moe-enable-deepep --moe-permute-fusion
  --vocab-size 129280 --make-vocab-size-divisible-by 3232
  --seq-length 4096 --max-position-embeddings 4096 --micro-batch-size 1 --global-batch-size 8192
  --tensor-model-parallel-size 2 --pipeline-model-parallel-size 16 --expert-model-parallel-size 32 --expert-tensor-parallel-size 1 --sequence-parallel
  --decoder-first-pipeline-num-layers 3 --decoder-last-pipeline-num-layers 2
  --use-distributed-optimizer --bf16 --fp8-format e4m3 --fp8-recipe blockwise --train-samples 585937500
  --recompute-granularity selective --recompute-modules mla_up_proj moe_act layernorm
)
torchrun --nnodes $NODES --nproc-per-node 8 pretrain_gpt.py "${ARGS[@]}"
