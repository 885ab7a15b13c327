#!/bin/bash
set -euo pipefail
TP=${TP:-1}
PP=${PP:-2}
MBS=1
GBS=128
case ${MODEL_SIZE:-7b} in
  7b)  L=32; H=4096; A=32; F=11008 ;;
  13b) L=40; H=5120; A=40; F=13824 ;;
  *) echo "unknown size"; exit 1 ;;
esac
torchrun --nproc_per_node 8 --nnodes 4 --rdzv_id 1 pretrain_gpt.py \
  --tensor-model-parallel-size $TP --pipeline-model-parallel-size $PP \
  --num-layers $L --hidden-size $H --num-attention-heads $A --ffn-hidden-size $F \
  --seq-length 4096 --max-position-embeddings 4096 \
  --micro-batch-size $MBS --global-batch-size $GBS --train-iters 250000 \
  --tokenizer-type Llama2Tokenizer --tokenizer-model tokenizer.model \
  --swiglu --normalization RMSNorm --use-rotary-position-embeddings --position-embedding-type rope \
  --no-position-embedding --disable-bias-linear --untie-embeddings-and-output-weights \
  --use-flash-attn --use-distributed-optimizer --bf16 \
  --lr 3e-4 --lr-decay-style cosine --weight-decay 0.1 --clip-grad 1.0
