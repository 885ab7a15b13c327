import Foundation
import Import
import Testing

/// A launch file of the folder Launches, what its caller adds, and keys that were read off it by hand.
struct LaunchCase: Sendable, CustomTestStringConvertible {
    let format: LaunchFormat
    let file: String
    var model: String?
    var gpus: Int?
    let keys: [String: String]
    var testDescription: String { "\(format.rawValue)/\(file)" }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Launches").path

    init(_ format: LaunchFormat, _ file: String, model: String? = nil, gpus: Int? = nil, _ keys: [String: String]) {
        (self.format, self.file, self.model, self.gpus, self.keys) = (format, file, model, gpus, keys)
    }

    var request: ImportRequest {
        var request = ImportRequest(format, path: "\(Self.folder)/\(format.rawValue)/\(file)")
        (request.model, request.gpus) = (model, gpus)
        return request
    }

    static let all: [LaunchCase] =
        megatron + deepspeed + torchtitan + nemo + mlperf + [
            LaunchCase(.huggingface, "llama-1b.json", ["cluster.gpus": "8", "layout.zero": "3", "training.sequence": "4096"]),
            LaunchCase(.huggingface, "qwen3-8b.json", gpus: 16, ["cluster.gpus": "16"]),
        ]

    private static let megatron: [LaunchCase] = [
        // 50257 tokens in multiples of 128 x tensor.
        LaunchCase(
            .megatron, "gpt-345m.sh",
            [
                "model.layers": "24", "model.ffn": "4096", "model.vocab": "50304", "cluster.gpus": "8", "training.micro_batch": "8",
                "training.global_batch": "64", "training.precision.compute": "fp16", "training.steps": "500000", "layout.zero": "0",
            ]),
        LaunchCase(
            .megatron, "gpt-345m-2020.sh",
            [
                "layout.tensor": "2", "model.vocab": "50432", "training.micro_batch": "8", "training.global_batch": "32",
                "training.recompute": "full",
                "cluster.gpus": "8",
            ]),
        LaunchCase(
            .megatron, "gpt3-175b.sh",
            [
                "layout.tensor": "8", "layout.pipeline": "16", "cluster.gpus": "1024", "training.global_batch": "1536",
                "training.steps": "95367",
                "model.vocab": "51200",
            ]),
        LaunchCase(
            .megatron, "gpt-462b-mcore.sh",
            [
                "cluster.gpus": "6144", "layout.virtual": "7", "layout.sequence_parallel": "true", "layout.zero": "1",
                "software.tensor_overlap": "user-buffer",
                "model.tied_embeddings": "false", "layout.overlap.grad_reduce": "true",
            ]),
        LaunchCase(
            .megatron, "llama2-7b.sh",
            [
                "model.hidden": "4096", "model.ffn": "11008", "model.activation": "swiglu", "model.norm": "rms", "model.biases": "false",
                "layout.pipeline": "2",
                "cluster.gpus": "32", "model.vocab": "32000", "software.flash_attention": "true",
            ]),
        LaunchCase(
            .megatron, "llama3-8b-fp8.sh",
            [
                "model.kv_heads": "8", "layout.context": "2", "training.precision.compute": "fp8", "training.precision.gradients": "bf16",
                "model.vocab": "128256", "training.steps": "15258789", "cluster.gpus": "16",
            ]),
        LaunchCase(
            .megatron, "llama3-70b.sh",
            [
                "layout.virtual": "5", "cluster.gpus": "512", "training.global_batch": "512", "training.recompute": "selective",
                "model.kv_heads": "8",
            ]),
        LaunchCase(
            .megatron, "llama-args-file.sh",
            ["model.layers": "16", "training.recompute": "{layers: 4}", "training.micro_batch": "2", "cluster.gpus": "8"]),
        LaunchCase(
            .megatron, "mixtral-8x7b.sh",
            [
                "model.moe.experts": "8", "model.moe.active": "2", "model.moe.ffn": "14336", "layout.expert": "8", "layout.pipeline": "4",
                "cluster.gpus": "64",
                "training.global_batch": "256",
            ]),
        LaunchCase(
            .megatron, "deepseek-v3.sh",
            [
                "model.attention.kind": "mla", "model.moe.dense_layers": "3", "model.moe.shared_ffn": "2048", "layout.expert_tensor": "1",
                "training.recompute": "{modules: [mla-up, activation, norms]}", "training.precision.compute": "fp8",
                "layout.stage_layers": "[3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2]", "model.moe.balancing_bias": "true",
            ]),
        LaunchCase(
            .megatron, "qwen-moe-loop.sh",
            [
                "model.moe.experts": "64", "model.moe.ffn": "1408", "model.qkv_bias": "true", "model.moe.capacity": "1.25",
                "layout.expert": "8",
                "software.routing": "drop",
            ]),
        LaunchCase(.megatron, "bert-large.sh", ["model.causal": "false", "model.vocab": "30592", "training.sequence": "512"]),
        LaunchCase(
            .megatron, "fsdp-32b.sh", ["layout.zero": "3", "model.qk_norm": "true", "training.recompute": "full", "cluster.gpus": "64"]),
        LaunchCase(
            .megatron, "printed-arguments.log",
            [
                "model.layers": "48", "model.biases": "false", "model.vocab": "32000", "cluster.gpus": "64",
                "training.precision.compute": "bf16",
                "training.precision.gradients": "fp32", "layout.zero": "1",
            ]),
    ]

    private static let deepspeed: [LaunchCase] = [
        // 256 / (8 x 4) replicas.
        LaunchCase(
            .deepspeed, "zero0.json", model: "gpt2-xl", ["cluster.gpus": "8", "layout.zero": "0", "training.precision.compute": "fp16"]),
        LaunchCase(
            .deepspeed, "zero1-bf16.json", model: "llama2-7b", gpus: 16,
            ["training.global_batch": "512", "layout.zero": "1", "layout.bucket": "1000000000 B", "training.micro_batch": "2"]),
        LaunchCase(
            .deepspeed, "zero2-offload.json", model: "llama2-7b", gpus: 8,
            ["layout.zero": "2", "layout.offload": "{what: optimizer, to: cpu}"]),
        LaunchCase(
            .deepspeed, "zero2-2020.json", model: "gpt2-xl", gpus: 64,
            ["layout.zero": "2", "training.global_batch": "64", "layout.offload": "{what: optimizer, to: cpu}"]),
        LaunchCase(
            .deepspeed, "zero3.json", model: "llama2-13b", gpus: 32,
            ["layout.zero": "3", "training.recompute": "full", "training.micro_batch": "4"]),
        LaunchCase(
            .deepspeed, "zero3-nvme.json", model: "llama2-70b", gpus: 8,
            ["layout.offload": "{what: parameters, to: cpu}", "layout.zero": "3"]),
        LaunchCase(.deepspeed, "zeropp.json", model: "llama2-13b", gpus: 64, ["layout.shard_group": "8"]),
        LaunchCase(
            .deepspeed, "trainer.sh",
            [
                "model.preset": "llama2-13b", "cluster.gpus": "16", "training.sequence": "4096", "training.global_batch": "512",
                "training.recompute": "full",
            ]),
        LaunchCase(
            .deepspeed, "megatron-bigscience.sh",
            [
                "cluster.gpus": "384", "layout.tensor": "4", "layout.pipeline": "12", "layout.zero": "1", "model.positions": "alibi",
                "training.recompute": "full",
                "software.framework": "megatron-deepspeed", "training.steps": "107421",
            ]),
    ]

    private static let torchtitan: [LaunchCase] = [
        LaunchCase(
            .torchtitan, "llama3-8b.toml", gpus: 8,
            ["model.preset": "llama3-8b", "layout.zero": "3", "training.global_batch": "8", "training.recompute": "selective"]),
        LaunchCase(
            .torchtitan, "llama3-70b-tp8.toml",
            [
                "cluster.gpus": "128", "layout.tensor": "8", "training.precision.compute": "fp8", "software.scaling": "rowwise",
                "software.tensor_overlap": "async",
                "training.global_batch": "128", "training.recompute": "full",
            ]),
        LaunchCase(
            .torchtitan, "llama3-405b-pp.toml", gpus: 512,
            [
                "layout.pipeline": "8", "layout.schedule": "interleaved", "layout.virtual": "2", "training.micro_batch": "1",
                "training.global_batch": "512",
            ]),
        LaunchCase(
            .torchtitan, "llama2-2024.toml", gpus: 64,
            ["layout.tensor": "2", "training.recompute": "{layers: 20}", "model.preset": "llama2-13b"]),
        LaunchCase(
            .torchtitan, "hsdp-cp.toml",
            ["cluster.gpus": "64", "layout.context": "8", "layout.shard_group": "16", "training.sequence": "131072", "layout.zero": "3"]),
        LaunchCase(.torchtitan, "deepseek-v3.toml", gpus: 8, ["model.preset": "deepseek-v2-lite", "layout.expert": "8"]),
        LaunchCase(.torchtitan, "run.sh", ["cluster.gpus": "8", "layout.tensor": "2", "training.steps": "50"]),
    ]

    private static let nemo: [LaunchCase] = [
        LaunchCase(
            .nemo, "gpt3-5b.yaml",
            [
                "cluster.gpus": "128", "model.ffn": "16384", "layout.tensor": "2", "layout.zero": "1", "training.recompute": "selective",
                "training.precision.compute": "bf16",
            ]),
        LaunchCase(
            .nemo, "llama2-70b.yaml",
            [
                "model.activation": "swiglu", "model.kv_heads": "8", "layout.virtual": "20", "training.precision.compute": "fp8",
                "model.tied_embeddings": "false", "model.biases": "false",
            ]),
        LaunchCase(
            .nemo, "llama3-recipe.py",
            [
                "model.preset": "llama3-405b", "cluster.gpus": "576", "layout.pipeline": "9", "layout.virtual": "7", "layout.context": "2",
                "training.global_batch": "252",
            ]),
        LaunchCase(
            .nemo, "recipe-export.yaml",
            [
                "model.preset": "llama3-8b", "cluster.gpus": "16", "layout.context": "2", "layout.zero": "1",
                "training.precision.compute": "bf16",
            ]),
        LaunchCase(.nemo, "hydra.sh", ["cluster.gpus": "32", "layout.tensor": "4", "training.global_batch": "256", "model.layers": "24"]),
    ]

    private static let mlperf: [LaunchCase] = [
        LaunchCase(
            .mlperf, "config_DGXH100_64x8x32xtp4pp8cp1.sh",
            [
                "model.preset": "gpt3-175b", "cluster.gpus": "512", "cluster.gpu": "h100-sxm-80gb", "layout.virtual": "6",
                "training.global_batch": "1536",
                "training.precision.compute": "fp8",
            ]),
        LaunchCase(
            .mlperf, "config_DGXB200_llama31_405b.sh",
            ["model.preset": "llama3-405b", "cluster.gpu": "b200-sxm-180gb", "layout.context": "2", "training.global_batch": "1152"]),
        LaunchCase(.mlperf, "config_lora_h200.sh", ["model.preset": "llama2-70b", "layout.tensor": "4", "training.global_batch": "16"]),
        LaunchCase(
            .mlperf, "config_resnet_dgxa100.sh",
            ["model.preset": "resnet50", "training.micro_batch": "204", "training.global_batch": "26112", "cluster.gpu": "a100-sxm-80gb"]),
    ]
}
