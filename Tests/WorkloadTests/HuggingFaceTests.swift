import Quantities
import Testing

@testable import Workload

@Suite struct HuggingFaceTests {
    /// A config with the given fields gives a model with the published number of parameters.
    @Test(arguments: [
        (
            #"{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "hidden_act": "silu", "tie_word_embeddings": false}"#,
            8_030_261_248
        ),
        (
            #"{"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 32768, "sliding_window": 4096}"#,
            7_241_732_096
        ),
        (
            #"{"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 32768, "sliding_window": null, "num_local_experts": 8, "num_experts_per_tok": 2}"#,
            46_702_792_704
        ),
        (
            #"{"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "use_sliding_window": false, "sliding_window": 131072}"#,
            7_615_616_512
        ),
        (
            #"{"model_type": "qwen2_moe", "hidden_size": 2048, "intermediate_size": 5632, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": 151936, "num_experts": 60, "num_experts_per_tok": 4, "decoder_sparse_step": 1}"#,
            14_315_784_192
        ),
        (
            #"{"model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": true}"#,
            596_049_920
        ),
        (
            #"{"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936, "num_experts": 128, "num_experts_per_tok": 8, "mlp_only_layers": []}"#,
            30_532_122_624
        ),
        (
            #"{"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257, "n_inner": null}"#,
            124_439_808
        ),
        (
            #"{"model_type": "opt", "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 768}"#,
            125_239_296
        ),
        (#"{"model_type": "bloom", "n_embed": 14336, "n_layer": 70, "num_attention_heads": 112, "vocab_size": 250880}"#, 176_247_271_424),
        (
            #"{"model_type": "mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32, "expansion_ratio": 4, "max_seq_len": 2048, "vocab_size": 50432, "no_bias": true, "attn_config": {"alibi": true}}"#,
            6_649_286_656
        ),
        (
            #"{"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2}"#,
            109_482_240
        ),
        (
            #"{"model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2}"#,
            109_514_298
        ),
        (
            #"{"model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944, "moe_intermediate_size": 1408, "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": null, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "moe_layer_freq": 1, "vocab_size": 102400}"#,
            15_706_484_224
        ),
        (
            #"{"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3, "vocab_size": 129280, "num_nextn_predict_layers": 1}"#,
            671_026_419_200
        ),
        (
            #"{"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201088, "num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128, "max_position_embeddings": 131072}"#,
            20_914_757_184
        ),
        (
            #"{"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "multi_query": true, "parallel_attn": true, "bias": false, "vocab_size": 65024}"#,
            6_921_720_704
        ),
        (
            #"{"model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064, "max_position_embeddings": 4096, "sliding_window": 2047}"#,
            3_821_079_552
        ),
        (
            #"{"model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 256000, "sliding_window": 4096, "max_position_embeddings": 8192}"#,
            9_241_705_984
        ),
    ])
    func publishedCounts(config: String, parameters: Int) throws {
        let model = try Architecture(huggingFace: config, name: "config.json")
        #expect(model.parameters.total == parameters)
    }

    /// What is no number of parameters: windows, positions, masks and heads.
    @Test func windowsAndPositions() throws {
        let mistral = try Architecture(
            huggingFace:
                #"{"model_type": "mistral", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 32768, "sliding_window": 4096}"#,
            name: "m")
        #expect(mistral.attention == .sliding(window: 4096, period: 1) && mistral.positions == .rotary && mistral.kvHeads == 4)
        let bert = try Architecture(
            huggingFace:
                #"{"model_type": "bert", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 32}"#,
            name: "b")
        #expect(!bert.causal && bert.pooler && bert.maskedLMHead && bert.positions == .learned(length: 32))
    }

    @Test(arguments: [
        (#"{"model_type": "lama"}"#, "did you mean \"llama\"?"),
        (#"{"model_type": "novelnet"}"#, "known: bert, bloom"),
        (#"{}"#, "x.json: model_type: missing"),
        (#"{"model_type": "llama", "hidden_size": 64}"#, "x.json: num_hidden_layers or n_layer: missing"),
        (#"{"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": "many"}"#, "vocab_size: must be a whole number"),
        (#"{"model_type": "gpt2", "n_layer": 2.5}"#, "n_layer: must be a whole number"),
        (#"{"model_type": "gpt2", "n_layer": 1e30}"#, "n_layer: must be a whole number"),
        (
            #"{"model_type": "gpt2", "n_layer": -2, "n_embd": 64, "n_head": 4, "n_positions": 8, "vocab_size": 100}"#,
            "layers: -2 is not between 1 and"
        ),
        (
            #"{"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 0, "n_positions": 8, "vocab_size": 100}"#,
            "heads: 0 is not between 1 and"
        ),
        ("[1, 2]", "a config.json holds an object"),
        ("{\n \"a\": }", "x.json: line 2, column 7: a value was expected"),
        ("", "line 1, column 1: the document ends too early"),
        ("{\"a\": \"\\uD800\"}", "half a surrogate pair"),
        ("{\"a\": tru", "a value was expected"),
        ("{\"a\": \"b", "without its closing quote"),
        ("{\"a\": 1} x", "text after the end"),
    ])
    func faultsAreNamed(config: String, message: String) {
        let error = #expect(throws: WorkloadError.self) { try Architecture(huggingFace: config, name: "x.json") }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "none")")
    }

    @Test func deepAndBinaryDocuments() {
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(throws: WorkloadError.self) { try Architecture(huggingFace: deep, name: "x") }
        // Seeded bytes (xorshift, seed 7): no document crashes the parser.
        var state: UInt64 = 7
        for length in 0..<300 {
            let bytes = (0..<length).map { _ -> UInt8 in
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                let alphabet = Array("{}[]\",:\\u0ntf-1e.D8".utf8)
                return state % 5 == 0 ? UInt8(truncatingIfNeeded: state >> 32) : alphabet[Int(state >> 33) % alphabet.count]
            }
            #expect(throws: WorkloadError.self, "seed 7, length \(length)") { try Architecture(huggingFace: bytes, name: "x") }
        }
    }

    @Test func strings() throws {
        let value = try JSON(parsing: Array(#"{"a": "q\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00", "b": [1, -2.5e3, true, null]}"#.utf8))
        #expect(value["a"] == .string("q\"\\/\u{8}\u{C}\n\r\té😀"))
        #expect(value["b"] == .array([.number(1), .number(-2500), .bool(true), .null]))
    }
}
