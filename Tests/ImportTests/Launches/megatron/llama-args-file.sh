#!/bin/sh
torchrun --nproc_per_node=8 --nnodes=1 pretrain_gpt.py @llama.args --micro-batch-size=2 --global-batch-size=32
