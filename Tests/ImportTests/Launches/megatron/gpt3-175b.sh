#!/bin/bash
#SBATCH --nodes=128
#SBATCH --exclusive
#SBATCH --ntasks-per-node=8
#SBATCH --job-name=gpt3-175b

DIR=`pwd`
DATETIME=`date +'date_%y-%m-%d_time_%H-%M-%S'`
mkdir -p $DIR/logs

options=" \
        --tensor-model-parallel-size 8 \
        --pipeline-model-parallel-size 16 \
        --num-layers 96 \
        --hidden-size 12288 \
        --num-attention-heads 96 \
        --seq-length 2048 \
        --max-position-embeddings 2048 \
        --micro-batch-size 1 \
        --global-batch-size 1536 \
        --rampup-batch-size 16 16 5859375 \
        --train-samples 146484375 \
        --lr 6.0e-5 --min-lr 6.0e-6 --lr-decay-style cosine \
        --log-interval 10 \
        --vocab-file gpt2-vocab.json --merge-file gpt2-merges.txt \
        --clip-grad 1.0 --weight-decay 0.1 --adam-beta1 0.9 --adam-beta2 0.95 \
        --init-method-std 0.006 \
        --tensorboard-dir $DIR/tb \
        --fp16 \
        --activations-checkpoint-method uniform "

run_cmd="python -u ${DIR}/pretrain_gpt.py $@ ${options}"

srun -l \
     --container-image "nvcr.io/nvidia/pytorch:20.12-py3" \
     --output=$DIR/logs/%x_%j_$DATETIME.log sh -c "${run_cmd}"
