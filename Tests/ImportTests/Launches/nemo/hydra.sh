#!/bin/bash
#SBATCH -N 4
torchrun --nproc_per_node=8 --nnodes=4 examples/nlp/language_modeling/megatron_gpt_pretraining.py \
  --config-path=. --config-name=gpt3-5b trainer.num_nodes=4 model.tensor_model_parallel_size=4 ++model.sequence_parallel=true model.global_batch_size=256
