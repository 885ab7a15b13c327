#!/bin/bash
#SBATCH -N 64
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=1
source ./llama3-common.sh
MODEL_PARALLEL="--tensor-model-parallel-size 8 --pipeline-model-parallel-size 4 --num-virtual-stages-per-pipeline-rank 5"
srun torchrun --nnodes=$SLURM_NNODES --nproc_per_node=8 pretrain_gpt.py $LLAMA $MODEL_PARALLEL \
  --num-layers 80 --hidden-size 8192 --ffn-hidden-size 28672 --num-attention-heads 64 \
  --micro-batch-size 1 --global-batch-size $((SLURM_NNODES * 8)) --sequence-parallel --bf16 --use-distributed-optimizer \
  --recompute-activations --train-iters 1000
