/// Dense families of later years. Defaults are those of the transformers library's configuration classes.
extension HuggingFaceReader {
    static let plainFamilies: [(type: String, read: Reading)] = [
        ("cohere", { r throws(WorkloadError) in try r.cohere(period: nil) }),
        ("cohere2", { r throws(WorkloadError) in try r.cohere(period: 4) }),
        ("exaone4", { r throws(WorkloadError) in try r.exaone() }),
        ("gemma", { r throws(WorkloadError) in try r.firstGemma() }),
        ("gemma3_text", { r throws(WorkloadError) in try r.thirdGemma() }),
        ("glm", { r throws(WorkloadError) in try r.glm(norms: 2) }),
        ("glm4", { r throws(WorkloadError) in try r.glm(norms: 4) }),
        ("gpt_bigcode", { r throws(WorkloadError) in try r.starCoder() }),
        ("gpt_neox", { r throws(WorkloadError) in try r.gptNeoX() }),
        ("nemotron", { r throws(WorkloadError) in try r.nemotron() }),
        ("olmo", { r throws(WorkloadError) in try r.olmo() }),
        ("olmo2", { r throws(WorkloadError) in try r.secondOLMo() }),
        ("olmo3", { r throws(WorkloadError) in try r.secondOLMo() }),
        ("phi", { r throws(WorkloadError) in try r.phi() }),
        ("seed_oss", { r throws(WorkloadError) in try r.seed() }),
        ("stablelm", { r throws(WorkloadError) in try r.stableLM() }),
        ("starcoder2", { r throws(WorkloadError) in try r.secondStarCoder() }),
    ]

    /// Layer norms with biases on every linear layer, the lineage of GPT-3.
    private func classic(tied: Bool) throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.optional("intermediate_size", "n_inner") ?? clampedProduct(4, a.hidden)
        a.activation = try plain("hidden_act", default: "gelu")
        a.positions = .rotary
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: tied)
        return a
    }

    /// GPT-NeoX and Pythia (Black et al., arXiv:2204.06745): attention and MLP side by side, each behind a norm of its own.
    private func gptNeoX() throws(WorkloadError) -> Architecture {
        let a = try classic(tied: false)
        if try !config.flag("attention_bias", default: true) {
            throw config.fault("attention_bias", "biases on the MLP alone cannot be modelled")
        }
        return a
    }

    /// Phi-1 and Phi-2: one norm for attention and MLP, which stand side by side, and a bias on the output matrix.
    private func phi() throws(WorkloadError) -> Architecture {
        var a = try classic(tied: false)
        a.activation = try plain("hidden_act", default: "gelu_new")
        a.normsPerLayer = 1
        a.headBias = true
        return a
    }

    private func starCoder() throws(WorkloadError) -> Architecture {
        var a = try gpt2()
        if try config.flag("multi_query", default: true) { a.kvHeads = 1 }
        return a
    }

    private func secondStarCoder() throws(WorkloadError) -> Architecture {
        var a = try classic(tied: true)
        a.biases = try config.flag("use_bias", default: true)
        a.attention = try window(period: 1)
        return a
    }

    private func stableLM() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.integer("intermediate_size")
        a.activation = try gated()
        a.positions = .rotary
        a.biases = false
        a.qkvBias = try config.flag("use_qkv_bias", default: false)
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        a.normsPerLayer = try config.flag("use_parallel_residual", default: false) ? 1 : 2
        if try config.flag("qk_layernorm", default: false) {
            (a.qkNorm, a.qkNormOverWidth) = (true, true)
        }
        return a
    }

    /// Nemotron-4 (Parmar et al., arXiv:2402.16819): squared ReLU, layer norms, no biases.
    private func nemotron() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.integer("intermediate_size")
        a.activation = .relu
        a.positions = .rotary
        a.biases = false
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        return a
    }

    /// Command R (Cohere): layer norms without shifts, one for attention and MLP, which stand side by side; tied embeddings.
    private func cohere(period: Int?) throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.norm = .layer
        a.normBias = false
        a.normsPerLayer = 1
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        a.qkNorm = try config.flag("use_qk_norm", default: false)
        a.qkNormOverWidth = a.qkNorm
        if let period { a.attention = try window(period: try config.optional("sliding_window_pattern") ?? period) }
        return a
    }

    /// OLMo (Groeneveld et al., arXiv:2402.00838): norms without parameters.
    private func olmo() throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.norm = .layer
        (a.normBias, a.normGain) = (false, false)
        return a
    }

    /// OLMo 2 and 3 (arXiv:2501.00656): norms behind the blocks, and over the whole width of queries and keys.
    private func secondOLMo() throws(WorkloadError) -> Architecture {
        var a = try llama()
        (a.qkNorm, a.qkNormOverWidth) = (true, true)
        a.attention = try window(period: 4)
        return a
    }

    private func exaone() throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.qkNorm = true
        a.attention = try window(period: 4)
        return a
    }

    private func seed() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.integer("intermediate_size")
        a.activation = try gated()
        a.norm = .rms
        a.positions = .rotary
        a.biases = false
        a.qkvBias = try config.flag("attention_bias", default: true)
        a.attentionOutputBias = try config.flag("attention_out_bias", default: false)
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        return a
    }

    /// GLM-4 (arXiv:2406.12793): biases on queries, keys and values alone.
    private func glm(norms: Int) throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.integer("intermediate_size")
        a.activation = try gated()
        a.norm = .rms
        a.positions = .rotary
        a.normsPerLayer = norms
        a.biases = false
        a.qkvBias = try config.flag("attention_bias", default: true)
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        return a
    }

    private func firstGemma() throws(WorkloadError) -> Architecture {
        var a = try gemma()
        a.normsPerLayer = 2
        a.attention = .full
        return a
    }

    /// Gemma 3 (arXiv:2503.19786). Its published files leave out what equals the defaults of Gemma3TextConfig.
    private func thirdGemma() throws(WorkloadError) -> Architecture {
        var a = Architecture(name: name)
        a.layers = try config.optional("num_hidden_layers") ?? 26
        a.hidden = try config.optional("hidden_size") ?? 2304
        a.heads = try config.optional("num_attention_heads") ?? 8
        a.kvHeads = try config.optional("num_key_value_heads") ?? 4
        a.headDim = try config.optional("head_dim") ?? 256
        a.ffn = try config.optional("intermediate_size") ?? 9216
        a.vocab = try config.optional("vocab_size") ?? 262_208
        a.sequence = try config.optional("max_position_embeddings") ?? 131_072
        a.activation = .geglu
        a.norm = .rms
        a.normsPerLayer = 4
        a.qkNorm = true
        a.positions = .rotary
        a.biases = false
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        a.attention = try window(period: try config.optional("sliding_window_pattern") ?? 6)
        return a
    }
}
