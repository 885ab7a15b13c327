#!/bin/bash
# llama2_70b_lora
export BENCHMARK=llama2_70b_lora
export DGXNNODES=1
export DGXNGPU=8
export TP=4
export CP=1
export SP=1
export MBS=1
export MINIBS=8
export FP8=True
export LR=0.0004
export LORA_A2A=1
