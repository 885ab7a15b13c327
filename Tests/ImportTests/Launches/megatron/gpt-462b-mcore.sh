#!/usr/bin/env bash
# Arrays, virtual stages, everything overlapped.
NNODES=${NNODES:-768}
GPUS=8
TP=8; PP=16; LAYERS=112

MODEL=(
  --use-mcore-models
  --num-layers ${LAYERS}
  --hidden-size 18432
  --num-attention-heads 144
  --seq-length 4096
  --max-position-embeddings 4096
  --untie-embeddings-and-output-weights   # comment in a list
  --tokenizer-type GPTSentencePieceTokenizer
  --tokenizer-model /data/tok.model
)
PARALLEL=(
  --tensor-model-parallel-size ${TP}
  --pipeline-model-parallel-size ${PP}
  --num-layers-per-virtual-pipeline-stage 1
  --sequence-parallel
  --use-distributed-optimizer
)
OVERLAP=(--overlap-grad-reduce --overlap-param-gather)
[ "${TP}" -gt 1 ] && OVERLAP+=(--tp-comm-overlap)
TRAIN=(--micro-batch-size 1 --global-batch-size 6144 --train-iters 100 --bf16 --lr 1e-4 --attention-dropout 0.0 --hidden-dropout 0.0)

torchrun --nproc-per-node=${GPUS} --nnodes=${NNODES} pretrain_gpt.py "${MODEL[@]}" "${PARALLEL[@]}" "${OVERLAP[@]}" "${TRAIN[@]}" 2>&1 | tee out.log
