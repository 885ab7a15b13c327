#!/bin/bash
# Fine-tuning by a trainer with a configuration beside it.
deepspeed --num_gpus 8 --num_nodes 2 train.py \
    --deepspeed zero3.json \
    --model_name_or_path meta-llama/Llama-2-13b-hf \
    --bf16 True \
    --per_device_train_batch_size 4 \
    --gradient_accumulation_steps 8 \
    --model_max_length 4096 \
    --gradient_checkpointing True \
    --learning_rate 2e-5 --num_train_epochs 3 --output_dir ./out --logging_steps 1 --save_strategy steps
