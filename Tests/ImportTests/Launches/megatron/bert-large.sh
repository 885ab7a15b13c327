#!/bin/bash
torchrun --nproc_per_node=8 --nnodes=1 pretrain_bert.py --num-layers 24 --hidden-size 1024 --num-attention-heads 16 --micro-batch-size 16 \
  --global-batch-size 256 --seq-length 512 --max-position-embeddings 512 --train-iters 2000000 --vocab-file bert-vocab.txt \
  --tokenizer-type BertWordPieceLowerCase --lr 0.0001 --fp16
