"""Llama 3.1 405B by a recipe; read and never run."""
import nemo_run as run
from nemo.collections import llm


def configure(nodes: int = 72):
    recipe = llm.llama31_405b.pretrain_recipe(
        dir="/checkpoints/llama31",
        name="llama31_405b",
        num_nodes=72,
        num_gpus_per_node=8,
    )
    recipe.trainer.strategy.tensor_model_parallel_size = 8
    recipe.trainer.strategy.pipeline_model_parallel_size = 9
    recipe.trainer.strategy.virtual_pipeline_model_parallel_size = 7
    recipe.trainer.strategy.context_parallel_size = 2  # long sequences
    recipe.trainer.strategy.sequence_parallel = True
    recipe.data.global_batch_size = 252
    recipe.data.micro_batch_size = 1
    recipe.data.seq_length = 8192
    recipe.trainer.max_steps = 100
    return recipe
