import Foundation
import Testing

@testable import Workload

/// Published configurations with the number of parameters of their checkpoints.
@Suite struct LaterFamiliesTests {
    @Test(arguments: [
        (
            "OLMo-2-1124-7B",
            #"{"model_type": "olmo2", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 100352, "max_position_embeddings": 4096, "tie_word_embeddings": false}"#,
            7_298_617_344
        ),
        (
            "OLMo-7B",
            #"{"model_type": "olmo", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 50304, "tie_word_embeddings": false}"#,
            6_888_095_744
        ),
        (
            "gemma-3-27b: the language model",
            #"{"model_type": "gemma3", "vision_config": {"hidden_size": 1152}, "text_config": {"model_type": "gemma3_text", "head_dim": 128, "hidden_size": 5376, "intermediate_size": 21504, "num_attention_heads": 32, "num_hidden_layers": 62, "num_key_value_heads": 16, "sliding_window": 1024, "vocab_size": 262208}}"#,
            27_009_346_304
        ),
        (
            "gemma-3-4b: what equals the defaults is left out",
            #"{"model_type": "gemma3", "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34, "sliding_window": 1024}}"#,
            3_880_263_168
        ),
        (
            "pythia-6.9b",
            #"{"model_type": "gpt_neox", "hidden_size": 4096, "intermediate_size": 16384, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 50432, "max_position_embeddings": 2048, "hidden_act": "gelu", "tie_word_embeddings": false}"#,
            6_857_302_016
        ),
        (
            "gpt-neox-20b",
            #"{"model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44, "num_attention_heads": 64, "vocab_size": 50432, "max_position_embeddings": 2048, "hidden_act": "gelu_fast"}"#,
            20_554_567_680
        ),
        (
            "phi-2",
            #"{"model_type": "phi", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 51200, "hidden_act": "gelu_new", "tie_word_embeddings": false}"#,
            2_779_683_840
        ),
        (
            "phi-4",
            #"{"model_type": "phi3", "hidden_size": 5120, "intermediate_size": 17920, "num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 10, "vocab_size": 100352, "max_position_embeddings": 16384}"#,
            14_659_507_200
        ),
        (
            "c4ai-command-r-v01",
            #"{"model_type": "cohere", "hidden_size": 8192, "intermediate_size": 22528, "num_hidden_layers": 40, "num_attention_heads": 64, "num_key_value_heads": 64, "vocab_size": 256000, "use_qk_norm": false}"#,
            34_980_831_232
        ),
        (
            "c4ai-command-r-plus",
            #"{"model_type": "cohere", "hidden_size": 12288, "intermediate_size": 33792, "num_hidden_layers": 64, "num_attention_heads": 96, "num_key_value_heads": 8, "vocab_size": 256000, "use_qk_norm": true}"#,
            103_810_674_688
        ),
        (
            "dbrx-base",
            #"{"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40, "max_seq_len": 32768, "vocab_size": 100352, "attn_config": {"kv_n_heads": 8, "clip_qkv": 8}, "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}, "tie_word_embeddings": false}"#,
            131_596_523_520
        ),
        (
            "starcoder2-7b",
            #"{"model_type": "starcoder2", "hidden_size": 4608, "intermediate_size": 18432, "num_hidden_layers": 32, "num_attention_heads": 36, "num_key_value_heads": 4, "vocab_size": 49152, "sliding_window": 4096, "max_position_embeddings": 16384, "use_bias": true, "hidden_act": "gelu_pytorch_tanh"}"#,
            7_173_923_840
        ),
        (
            "OLMoE-1B-7B",
            #"{"model_type": "olmoe", "hidden_size": 2048, "intermediate_size": 1024, "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 16, "num_experts": 64, "num_experts_per_tok": 8, "vocab_size": 50304}"#,
            6_919_161_856
        ),
        (
            "Phi-3.5-MoE",
            #"{"model_type": "phimoe", "hidden_size": 4096, "intermediate_size": 6400, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 16, "num_experts_per_tok": 2, "vocab_size": 32064, "attention_bias": true, "lm_head_bias": true}"#,
            41_873_153_344
        ),
        (
            "Llama-4-Scout: the language model",
            #"{"model_type": "llama4", "text_config": {"model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 16, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "vocab_size": 202048, "attention_chunk_size": 8192, "max_position_embeddings": 10485760, "tie_word_embeddings": false}}"#,
            107_769_861_120
        ),
        (
            "Llama-4-Maverick: the language model",
            #"{"model_type": "llama4", "text_config": {"model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 128, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2, "vocab_size": 202048, "attention_chunk_size": 8192, "max_position_embeddings": 1048576}}"#,
            400_711_848_960
        ),
        (
            "GLM-4.5-Air",
            #"{"model_type": "glm4_moe", "hidden_size": 4096, "intermediate_size": 10944, "moe_intermediate_size": 1408, "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8, "head_dim": 128, "attention_bias": true, "use_qk_norm": false, "n_routed_experts": 128, "num_experts_per_tok": 8, "n_shared_experts": 1, "first_k_dense_replace": 1, "vocab_size": 151552, "num_nextn_predict_layers": 1}"#,
            106_852_251_264
        ),
        (
            "MiniMax-M2",
            #"{"model_type": "minimax_m2", "hidden_size": 3072, "intermediate_size": 1536, "num_hidden_layers": 62, "num_attention_heads": 48, "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 256, "num_experts_per_tok": 8, "use_qk_norm": true, "vocab_size": 200064}"#,
            228_689_764_864
        ),
        (
            "Kimi-K2",
            #"{"model_type": "kimi_k2", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 64, "num_key_value_heads": 64, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 384, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 1, "vocab_size": 163840}"#,
            1_026_408_232_448
        ),
    ])
    func countsOfPublishedConfigurations(name: String, json: String, parameters: Int) throws {
        let model = try Architecture(huggingFace: json, name: name)
        let difference = Double(model.parameters.total - parameters)
        #expect(difference == 0, "\(name): \(model.parameters.total), published \(parameters)")
    }

    /// Local and global layers: what a query reads in each.
    @Test func windowsOfEveryLayer() throws {
        let gemma = try Architecture(
            huggingFace: #"{"model_type": "gemma3_text", "num_hidden_layers": 12, "hidden_size": 640, "sliding_window": 512}"#, name: "g")
        #expect(gemma.attention == .sliding(window: 512, period: 6))
        let kinds = (0..<8).map { ($0 + 1) % 4 == 0 ? "\"full_attention\"" : "\"sliding_attention\"" }.joined(separator: ", ")
        let olmo = try Architecture(
            huggingFace:
                #"{"model_type": "olmo3", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 8, "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 65536, "sliding_window": 4096, "layer_types": [\#(kinds)]}"#,
            name: "o")
        #expect(olmo.attention == .sliding(window: 4096, period: 4))
    }

    /// What cannot be modelled says why.
    @Test(arguments: [
        (#"{"model_type": "qwen3_next"}"#, "linear attention"), (#"{"model_type": "t5"}"#, "an encoder with a decoder"),
        (#"{"model_type": "vit"}"#, "a network for pictures"), (#"{"model_type": "nemotron_h"}"#, "state-space (Mamba)"),
        (#"{"model_type": "mllama", "text_config": {"model_type": "mllama_text_model"}}"#, "cross-attention"),
        (#"{"model_type": "gptj"}"#, "biases on some of its linear layers"),
        (#"{"model_type": "novel", "text_config": {"hidden_size": 8}}"#, "text_config.model_type: missing"),
        (#"{"model_type": "llama", "hidden_size": 8, "hidden_size": 16}"#, "the key \"hidden_size\" stands twice"),
    ])
    func refusalsSayWhy(json: String, says: String) {
        #expect { try Architecture(huggingFace: json, name: "x") } throws: { "\($0)".contains(says) }
    }

    private static let cases = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("shared/cases/field")

    /// Small configurations with hand-counted parameters; biases that balance the load beside them.
    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: cases.path), "needs ../shared/cases/field/hf-*.json"),
        arguments: [
            ("hf-kimi_k2", 234_400 + 8), ("hf-olmo2", 210_496), ("hf-glm4_moe", 339_136 + 16), ("hf-text-config", 276_288),
            ("hf-infinity", 210_240),
        ])
    func smallConfigurations(file: String, parameters: Int) throws {
        let text = try String(contentsOf: Self.cases.appendingPathComponent("\(file).json"), encoding: .utf8)
        #expect(try Architecture(huggingFace: text, name: file).parameters.total == parameters)
    }
}
