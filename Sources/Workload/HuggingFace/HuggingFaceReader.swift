import Quantities

extension Architecture {
    /// Types of published models that can be read, as `model_type` spells them.
    public static let huggingFaceTypes = HuggingFaceReader.known.map(\.type)

    /// Reads a model's shape from its published `config.json` (Hugging Face transformers).
    /// - Throws: `WorkloadError.unknownModelType` for a `model_type` that is not known, `WorkloadError.malformed` for text that is no JSON and for
    ///   fields that are missing or unusable, `WorkloadError.invalidArchitecture` for an impossible shape.
    public init(huggingFace data: [UInt8], name: String) throws(WorkloadError) {
        let reader = HuggingFaceReader(config: try PublishedConfig(bytes: data, file: name), name: name)
        self = try reader.architecture()
        try validate()
    }

    public init(huggingFace text: String, name: String) throws(WorkloadError) {
        try self.init(huggingFace: Array(text.utf8), name: name)
    }
}

/// One function a family of models; defaults are those of the transformers library's configuration classes.
struct HuggingFaceReader {
    typealias Reading = @Sendable (HuggingFaceReader) throws(WorkloadError) -> Architecture

    let config: PublishedConfig
    let name: String

    static let known: [(type: String, read: Reading)] = earlier + plainFamilies + expertFamilies

    private static let earlier: [(type: String, read: Reading)] = [
        ("bert", { r throws(WorkloadError) in try r.bert() }),
        ("bloom", { r throws(WorkloadError) in try r.bloom() }),
        ("deepseek_v2", { r throws(WorkloadError) in try r.deepseek(isThird: false) }),
        ("deepseek_v3", { r throws(WorkloadError) in try r.deepseek(isThird: true) }),
        ("falcon", { r throws(WorkloadError) in try r.falcon() }),
        ("gemma2", { r throws(WorkloadError) in try r.gemma() }),
        ("gpt2", { r throws(WorkloadError) in try r.gpt2() }),
        ("gpt_oss", { r throws(WorkloadError) in try r.gptOSS() }),
        ("llama", { r throws(WorkloadError) in try r.llama() }),
        ("mistral", { r throws(WorkloadError) in try r.mistral() }),
        ("mixtral", { r throws(WorkloadError) in try r.mixtral() }),
        ("mpt", { r throws(WorkloadError) in try r.mpt() }),
        ("opt", { r throws(WorkloadError) in try r.opt() }),
        ("phi3", { r throws(WorkloadError) in try r.mistral() }),
        ("qwen2", { r throws(WorkloadError) in try r.qwen(hasQueryNorm: false) }),
        ("qwen2_moe", { r throws(WorkloadError) in try r.qwenMoE(hasQueryNorm: false) }),
        ("qwen3", { r throws(WorkloadError) in try r.qwen(hasQueryNorm: true) }),
        ("qwen3_moe", { r throws(WorkloadError) in try r.qwenMoE(hasQueryNorm: true) }),
    ]

    func architecture() throws(WorkloadError) -> Architecture {
        let language = try languageModel()
        let type = try language.config.text("model_type") ?? ""
        guard !type.isEmpty else { throw config.fault("model_type", "missing") }
        if let reason = Self.refused[type] { throw config.fault("model_type", "\"\(type)\" cannot be modelled: \(reason)") }
        guard let entry = Self.known.first(where: { $0.type == type }) else {
            throw .unknownModelType(type, known: Self.known.map(\.type))
        }
        var result = try entry.read(language)
        result.source =
            "\(name), model_type \(try config.text("model_type") ?? type)" + (config.has("text_config") ? ", its language model" : "")
        return result
    }

    /// Fields that most families spell alike.
    func base() throws(WorkloadError) -> Architecture {
        var a = Architecture(name: name)
        a.layers = try config.integer("num_hidden_layers", "n_layer")
        a.hidden = try config.integer("hidden_size", "n_embed")
        a.heads = try config.integer("num_attention_heads", "n_head")
        a.kvHeads = try config.optional("num_key_value_heads") ?? a.heads
        a.headDim = try config.optional("head_dim") ?? a.hidden / max(1, a.heads)
        a.vocab = try config.integer("vocab_size")
        a.sequence = try config.optional("max_position_embeddings") ?? 0
        return a
    }

    /// Activation of a gated MLP.
    func gated(_ key: String = "hidden_act") throws(WorkloadError) -> Architecture.Activation {
        switch try config.text(key) ?? "silu" {
        case "silu", "swish": return .swiglu
        case let other where other.hasPrefix("gelu"): return .geglu
        case let other: throw config.fault(key, "\"\(other)\" is not a known gated activation (silu, gelu)")
        }
    }

    /// Activation of a plain MLP.
    func plain(_ key: String, default absent: String) throws(WorkloadError) -> Architecture.Activation {
        switch try config.text(key) ?? absent {
        case "relu": return .relu
        case let other where other.hasPrefix("gelu"): return .gelu
        case let other: throw config.fault(key, "\"\(other)\" is not a known activation (gelu, relu)")
        }
    }

    func llama() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.optional("intermediate_size") ?? 0
        a.activation = try gated()
        a.norm = .rms
        a.positions = .rotary
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        let attentionBias = try config.flag("attention_bias", default: false)
        let isBiased = try config.flag("mlp_bias", default: false)
        a.biases = isBiased && attentionBias
        guard a.biases == isBiased else { throw config.fault("mlp_bias", "a bias on the MLP alone cannot be modelled") }
        a.qkvBias = attentionBias
        a.attentionOutputBias = attentionBias
        return a
    }

    /// A window shorter than the model's longest sequence. Newer files list the kind of every layer; else every `period`-th sees everything.
    func window(period: Int, key: String = "sliding_window") throws(WorkloadError) -> Architecture.Attention {
        guard let window = try config.optional(key) else { return .full }
        if let longest = try config.optional("max_position_embeddings"), window >= longest { return .full }
        let kinds = config.texts("layer_types")
        guard !kinds.isEmpty else { return .sliding(window: window, period: period) }
        let full = kinds.count { $0 == "full_attention" }
        guard full < kinds.count else { return .full }
        return .sliding(window: window, period: full == 0 ? 1 : max(2, Int((Double(kinds.count) / Double(full)).rounded())))
    }

    func mistral() throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.attention = try window(period: 1)
        return a
    }

    private func mixtral() throws(WorkloadError) -> Architecture {
        var a = try mistral()
        a.moe = Architecture.MoE(
            experts: try config.integer("num_local_experts"), active: try config.integer("num_experts_per_tok"),
            ffn: try config.integer("intermediate_size"))
        return a
    }

    func qwen(hasQueryNorm: Bool) throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.qkNorm = hasQueryNorm
        if hasQueryNorm {
            a.headDim = try config.optional("head_dim") ?? 128
        } else {
            a.qkvBias = true
        }
        // Qwen's windows begin behind `max_window_layers` and are off in the published models.
        if try config.flag("use_sliding_window", default: false), let window = try config.optional("sliding_window") {
            guard try config.optional("max_window_layers") ?? 0 == 0 else {
                throw config.fault("max_window_layers", "windows that begin at a later layer cannot be modelled")
            }
            a.attention = .sliding(window: window, period: 1)
        }
        return a
    }

    func qwenMoE(hasQueryNorm: Bool) throws(WorkloadError) -> Architecture {
        var a = try qwen(hasQueryNorm: hasQueryNorm)
        guard try config.optional("decoder_sparse_step") ?? 1 == 1, config.isEmptyList("mlp_only_layers") else {
            throw config.fault("decoder_sparse_step", "only models whose layers all have experts can be read")
        }
        var moe = Architecture.MoE(
            experts: try config.integer("num_experts", "num_local_experts"), active: try config.integer("num_experts_per_tok"),
            ffn: try config.integer("moe_intermediate_size"))
        if !hasQueryNorm {
            moe.shared = 1
            moe.sharedFFN = try config.integer("shared_expert_intermediate_size")
            moe.sharedGate = true
        }
        a.moe = moe
        return a
    }

    func gemma() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.headDim = try config.optional("head_dim") ?? 256
        a.ffn = try config.integer("intermediate_size")
        a.activation = .geglu
        a.norm = .rms
        a.normsPerLayer = 4
        a.positions = .rotary
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        a.qkvBias = try config.flag("attention_bias", default: false)
        a.attentionOutputBias = a.qkvBias
        a.biases = false
        a.attention = try window(period: 2)
        return a
    }

    private func gptOSS() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.activation = .swiglu
        a.norm = .rms
        a.positions = .rotary
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: false)
        a.biases = true
        a.attentionSinks = true
        a.attention = try window(period: 2)
        a.moe = Architecture.MoE(
            experts: try config.integer("num_local_experts"), active: try config.integer("num_experts_per_tok", "experts_per_token"),
            ffn: try config.integer("intermediate_size"))
        return a
    }

    func deepseek(isThird: Bool) throws(WorkloadError) -> Architecture {
        var a = try llama()
        a.ffn = try config.integer("intermediate_size")
        a.attention = .mla(
            queryRank: try config.optional("q_lora_rank"), kvRank: try config.integer("kv_lora_rank"),
            ropeDim: try config.integer("qk_rope_head_dim"), nopeDim: try config.integer("qk_nope_head_dim"),
            valueDim: try config.integer("v_head_dim"))
        a.mtpLayers = try config.optional("num_nextn_predict_layers") ?? 0
        guard let experts = try config.optional("n_routed_experts") else { return a }
        guard try config.optional("moe_layer_freq") ?? 1 == 1 else {
            throw config.fault("moe_layer_freq", "only models with experts in every layer behind the first can be read")
        }
        var moe = Architecture.MoE(
            experts: experts, active: try config.integer("num_experts_per_tok"), shared: try config.optional("n_shared_experts") ?? 0,
            ffn: try config.integer("moe_intermediate_size"), denseLayers: try config.optional("first_k_dense_replace") ?? 0)
        let routing = try config.text("topk_method") ?? "noaux_tc"
        moe.balancingBias = isThird && routing == "noaux_tc"
        a.moe = moe
        return a
    }
}
