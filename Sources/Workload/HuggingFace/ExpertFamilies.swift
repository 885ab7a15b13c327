/// Mixtures of experts of later years. Defaults are those of the transformers library's configuration classes.
extension HuggingFaceReader {
    static let expertFamilies: [(type: String, read: Reading)] = [
        ("dbrx", { r throws(WorkloadError) in try r.dbrx() }),
        ("ernie4_5", { r throws(WorkloadError) in try r.llama() }),
        ("ernie4_5_moe", { r throws(WorkloadError) in try r.ernie() }),
        ("glm4_moe", { r throws(WorkloadError) in try r.glmMoE() }),
        ("granitemoe", { r throws(WorkloadError) in try r.graniteMoE() }),
        ("grok-1", { r throws(WorkloadError) in try r.grok() }),
        ("llama4_text", { r throws(WorkloadError) in try r.fourthLlama() }),
        ("minimax_m2", { r throws(WorkloadError) in try r.miniMax() }),
        ("olmoe", { r throws(WorkloadError) in try r.olmoe() }),
        ("phimoe", { r throws(WorkloadError) in try r.phiMoE() }),
    ]

    /// DBRX (Databricks 2024-03-27): layer norms without shifts, gated experts in every layer.
    private func dbrx() throws(WorkloadError) -> Architecture {
        var a = Architecture(name: name)
        a.layers = try config.integer("n_layers")
        a.hidden = try config.integer("d_model")
        a.heads = try config.integer("n_heads")
        a.kvHeads = try config.section("attn_config").optional("kv_n_heads") ?? 1
        a.headDim = a.hidden / max(1, a.heads)
        a.vocab = try config.integer("vocab_size")
        a.sequence = try config.optional("max_seq_len") ?? 2048
        a.activation = .swiglu
        a.normBias = false
        a.biases = false
        a.positions = .rotary
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        let experts = config.section("ffn_config")
        a.moe = Architecture.MoE(
            experts: try experts.optional("moe_num_experts") ?? 4, active: try experts.optional("moe_top_k") ?? 1,
            ffn: try experts.optional("ffn_hidden_size") ?? 3584)
        return a
    }

    /// GLM-4.5 (arXiv:2508.06471): biases on queries, keys and values, a shared expert, a bias that balances the load.
    private func glmMoE() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.integer("intermediate_size")
        a.activation = try gated()
        a.norm = .rms
        a.positions = .rotary
        a.biases = false
        a.qkvBias = try config.flag("attention_bias", default: false)
        a.qkNorm = try config.flag("use_qk_norm", default: false)
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        a.mtpLayers = try config.optional("num_nextn_predict_layers") ?? 0
        var moe = Architecture.MoE(
            experts: try config.integer("n_routed_experts"), active: try config.integer("num_experts_per_tok"),
            shared: try config.optional("n_shared_experts") ?? 1, ffn: try config.integer("moe_intermediate_size"),
            denseLayers: try config.optional("first_k_dense_replace") ?? 1)
        moe.balancingBias = true
        a.moe = moe
        return a
    }

    /// Llama 4 (Meta, 2025-04-05): experts in every so-manieth layer beside one shared expert. Layers without experts are counted as leading ones, as
    /// their place changes no count.
    private func fourthLlama() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.activation = try gated()
        a.norm = .rms
        a.positions = .rotary
        a.biases = false
        a.qkvBias = try config.flag("attention_bias", default: false)
        a.attentionOutputBias = a.qkvBias
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        let width = try config.integer("intermediate_size")
        a.ffn = try config.optional("intermediate_size_mlp") ?? width
        let step = max(1, try config.optional("interleave_moe_layer_step") ?? 1)
        let moeLayers = config.count("moe_layers") ?? a.layers / step
        a.moe = Architecture.MoE(
            experts: try config.integer("num_local_experts"), active: try config.optional("num_experts_per_tok") ?? 1, shared: 1,
            ffn: width,
            denseLayers: max(0, a.layers - moeLayers))
        a.attention = try window(period: 4, key: "attention_chunk_size")
        return a
    }

    /// MiniMax-M2: full attention, norms over the whole width of queries and keys, a bias that balances the load.
    private func miniMax() throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.qkNorm = try config.flag("use_qk_norm", default: true)
        a.qkNormOverWidth = a.qkNorm
        var moe = Architecture.MoE(
            experts: try config.integer("num_local_experts"), active: try config.integer("num_experts_per_tok"),
            ffn: try config.integer("intermediate_size"))
        moe.balancingBias = try config.flag("use_routing_bias", default: true)
        a.moe = moe
        return a
    }

    private func olmoe() throws(WorkloadError) -> Architecture {
        var a = try llama()
        (a.qkNorm, a.qkNormOverWidth) = (true, true)
        a.moe = Architecture.MoE(
            experts: try config.integer("num_experts"), active: try config.integer("num_experts_per_tok"),
            ffn: try config.integer("intermediate_size"))
        return a
    }

    private func graniteMoE() throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        a.moe = Architecture.MoE(
            experts: try config.integer("num_local_experts"), active: try config.integer("num_experts_per_tok"),
            ffn: try config.integer("intermediate_size"))
        return a
    }

    /// ERNIE 4.5 (Baidu, 2025-06-30): leading dense layers, shared experts.
    private func ernie() throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        guard try config.optional("moe_layer_interval") ?? 1 == 1 else {
            throw config.fault("moe_layer_interval", "only models with experts in every layer behind the first can be read")
        }
        var moe = Architecture.MoE(
            experts: try config.integer("moe_num_experts"), active: try config.integer("moe_k"),
            shared: try config.optional("moe_num_shared_experts") ?? 0, ffn: try config.integer("moe_intermediate_size"),
            denseLayers: try config.optional("moe_layer_start_index") ?? 0)
        moe.balancingBias = true
        a.moe = moe
        return a
    }

    private func grok() throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.activation = .geglu
        a.normsPerLayer = 4
        a.moe = Architecture.MoE(
            experts: try config.integer("num_experts", "num_local_experts"), active: try config.integer("num_experts_per_tok"),
            ffn: try config.integer("intermediate_size"))
        return a
    }

    /// Phi-3.5-MoE: layer norms, biases on attention and output matrix.
    private func phiMoE() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.activation = try gated()
        a.positions = .rotary
        a.biases = false
        a.qkvBias = try config.flag("attention_bias", default: false)
        a.attentionOutputBias = a.qkvBias
        a.headBias = try config.flag("lm_head_bias", default: false)
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        a.moe = Architecture.MoE(
            experts: try config.integer("num_local_experts"), active: try config.integer("num_experts_per_tok"),
            ffn: try config.integer("intermediate_size"))
        return a
    }
}
