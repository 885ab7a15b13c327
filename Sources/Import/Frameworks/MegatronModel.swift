import Scenario
import Workload

/// The shape of a model by the arguments of Megatron-LM and what is built on it (megatron/training/arguments.py; older names beside today's).
extension LaunchBuilder {
    /// - Parameter tokenizers: rows of the vocabulary by the name of a tokenizer.
    mutating func megatronModel() throws(ScenarioErrors) {
        if let given = try modelOfCall() { return try megatronAgainst(given) }
        let layers = try integer("model.layers", ["num_layers", "encoder_num_layers", "num_hidden_layers"])
        let hidden = try integer("model.hidden", ["hidden_size"])
        let heads = try integer("model.heads", ["num_attention_heads"])
        guard layers != nil, let hidden, let heads else {
            let missing = layers == nil ? "the number of layers" : hidden == nil ? "the hidden size" : "the number of attention heads"
            throw launchFault(
                start, "", "the model cannot be told: \(missing) is missing among the options of a training command",
                "give the script that starts the training, or --model with a config.json or a name of orrery catalogue models")
        }
        try attention(heads: heads)
        try feedForward(hidden: hidden)
        try experts()
        try vocabulary()
        if try flag("model.tied_embeddings", ["untie_embeddings_and_output_weights"], as: "false", otherwise: "true") == nil {
            if let tied = try settings.flag(["share_embeddings_and_output_weights"], for: "model.tied_embeddings") {
                draft.set("model.tied_embeddings", tied.value ? "true" : "false", from: tied.from)
            } else {
                draft.assume("model.tied_embeddings", "true", "the program's default")
            }
        }
        try word(
            "model.norm", ["normalization"],
            ["rmsnorm": "rms", "layernorm": "layer", "layernorm1p": "layer", "low_precision_layernorm": "layer"])
        draft.assume("model.norm", "layer", "the program's default")
        try positions()
        if try flag("model.biases", ["disable_bias_linear"], as: "false", otherwise: "true") == nil {
            if let bias = try settings.flag(["bias", "add_bias_linear"], for: "model.biases") {
                draft.set("model.biases", bias.value ? "true" : "false", from: bias.from)
            } else {
                draft.assume("model.biases", "true", "the program's default")
            }
        }
        try flag("model.qkv_bias", ["add_qkv_bias", "qkv_bias"], otherwise: nil)
        try flag("model.qk_norm", ["qk_layernorm", "qk_norm"], otherwise: nil)
        try integer("model.mtp_layers", ["mtp_num_layers"], least: 0)
    }

    /// A model that was given beside the file: what the file says of it must be the same.
    private mutating func megatronAgainst(_ model: Architecture) throws(ScenarioErrors) {
        let checked: [(names: [String], value: Int)] = [
            (["num_layers", "encoder_num_layers", "num_hidden_layers"], model.layers), (["hidden_size"], model.hidden),
            (["num_attention_heads"], model.heads),
        ]
        for (names, value) in checked {
            guard let found = try settings.integer(names, for: "model") else { continue }
            guard found.value == value else {
                throw launchFault(
                    found.from.place, found.from.shownName, "\(found.value), but \(request.model ?? "the model") has \(value)",
                    "leave out --model, or give the model that the script trains")
            }
        }
        settings.judge(Self.modelNames, .harmless, "the model is that of --model")
    }

    private static let modelNames = [
        "ffn_hidden_size", "num_query_groups", "group_query_attention", "kv_channels", "swiglu", "normalization", "position_embedding_type",
        "disable_bias_linear", "untie_embeddings_and_output_weights", "vocab_size", "make_vocab_size_divisible_by", "num_experts",
        "moe_router_topk", "moe_ffn_hidden_size", "moe_shared_expert_intermediate_size", "moe_layer_freq", "add_qkv_bias", "qk_layernorm",
        "multi_latent_attention", "q_lora_rank", "kv_lora_rank", "qk_head_dim", "qk_pos_emb_head_dim", "v_head_dim", "mtp_num_layers",
        "tokenizer_type", "tokenizer_model", "use_rotary_position_embeddings", "padded_vocab_size", "activation", "bias",
        "share_embeddings_and_output_weights", "num_key_value_heads", "num_moe_experts", "openai_gelu", "squared_relu",
    ]

    private mutating func attention(heads: Int) throws(ScenarioErrors) {
        let isGrouped = try settings.flag(["group_query_attention"], for: "model.kv_heads")?.value
        if settings.has("num_query_groups"), isGrouped ?? !(settings.find(["num_query_groups"])?.isOption ?? false) {
            try integer("model.kv_heads", ["num_query_groups"])
        } else {
            settings.judge(["num_query_groups"], .harmless, "the program asks for it with --group-query-attention only")
            if try integer("model.kv_heads", ["num_key_value_heads"]) == nil, isGrouped == true {
                draft.assume("model.kv_heads", "1", "the program's default with --group-query-attention")
            }
        }
        try integer("model.head_dim", ["kv_channels"])
        guard try settings.flag(["multi_latent_attention"], for: "model.attention.kind")?.value == true,
            let flag = settings.find(["multi_latent_attention"])
        else {
            if let window = try settings.word(["window_size", "sliding_window", "window_attn_size"], for: "model.attention.window") {
                let first = window.value.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }
                if let first, first > 0 {
                    draft.set("model.attention.kind", "sliding", from: window.from)
                    draft.set("model.attention.window", "\(first)", from: window.from)
                    if let every = try settings.integer(["window_attn_skip_freq"], for: "model.attention.period") {
                        draft.set("model.attention.period", "\(every.value)", from: every.from)
                    }
                }
            }
            return
        }
        draft.set("model.attention.kind", "mla", from: flag)
        try integer("model.attention.q_rank", ["q_lora_rank"])
        if try integer("model.attention.kv_rank", ["kv_lora_rank"]) == nil {
            draft.assume("model.attention.kv_rank", "32", "the program's default")
        }
        if try integer("model.attention.nope_dim", ["qk_head_dim"]) == nil {
            draft.assume("model.attention.nope_dim", "128", "the program's default")
        }
        if try integer("model.attention.rope_dim", ["qk_pos_emb_head_dim"]) == nil {
            draft.assume("model.attention.rope_dim", "64", "the program's default")
        }
        if try integer("model.attention.value_dim", ["v_head_dim"]) == nil {
            draft.assume("model.attention.value_dim", "128", "the program's default")
        }
    }

    private mutating func feedForward(hidden: Int) throws(ScenarioErrors) {
        try excludes("swiglu", "squared_relu", "keep one activation")
        try excludes("swiglu", "openai_gelu", "keep one activation")
        var isGated = false
        if try flag("model.activation", ["swiglu"], as: "swiglu") == true { isGated = true }
        if try flag("model.activation", ["quick_geglu", "geglu"], as: "geglu") == true { isGated = true }
        try flag("model.activation", ["squared_relu"], as: "relu", otherwise: nil, "squared, which costs the same")
        let names = [
            "gelu": "gelu", "openai-gelu": "gelu", "gelu_new": "gelu", "relu": "relu", "squared-relu": "relu", "swiglu": "swiglu",
            "geglu": "geglu",
            "fast-swiglu": "swiglu", "fast-geglu": "geglu", "fast-gelu": "gelu", "approx-gelu": "gelu", "reglu": "swiglu", "silu": "swiglu",
        ]
        if let activation = try word("model.activation", ["activation"], names) {
            isGated = activation == "swiglu" || activation == "geglu"
        }
        draft.assume("model.activation", "gelu", "the program's default")
        if try integer("model.ffn", ["ffn_hidden_size", "intermediate_size"]) == nil {
            // arguments.py: two thirds of the usual width, in multiples of 64.
            let width = isGated ? 4 * hidden * 2 / 3 / 64 * 64 : 4 * hidden
            draft.assume(
                "model.ffn", "\(width)",
                isGated ? "the program's default, two thirds of 4 x hidden in multiples of 64" : "the program's default, 4 x hidden")
        }
    }

    private mutating func experts() throws(ScenarioErrors) {
        let names = ["num_experts", "num_moe_experts", "num_expert"]
        // Megatron-DeepSpeed lists one number a group of layers.
        if let list = settings.find(names), list.values.count > 1, Set(list.values).count > 1 {
            return settings.judge(names, .refused, "numbers of experts that differ by layer")
        }
        guard let found = try settings.integer(names, for: "model.moe.experts"), found.value > 1 else { return }
        draft.set("model.moe.experts", "\(found.value)", from: found.from)
        if try integer("model.moe.active", ["moe_router_topk", "topk"]) == nil {
            draft.assume("model.moe.active", "\(min(2, found.value))", "the program's default")
        }
        if try integer("model.moe.ffn", ["moe_ffn_hidden_size"]) == nil {
            draft.assume("model.moe.ffn", draft["model.ffn"] ?? "1", "the program's default, that of the dense MLP")
        }
        if let shared = try settings.integer(["moe_shared_expert_intermediate_size"], for: "model.moe.shared_ffn", least: 0),
            shared.value > 0
        {
            draft.set("model.moe.shared", "1", from: shared.from)
            draft.set("model.moe.shared_ffn", "\(shared.value)", from: shared.from)
        }
        try flag("model.moe.shared_gate", ["moe_use_shared_expert_gate", "moe_shared_expert_gate"])
        try flag("model.moe.balancing_bias", ["moe_router_enable_expert_bias"])
        if let capacity = try settings.number(["moe_expert_capacity_factor", "moe_train_capacity_factor"], for: "model.moe.capacity"),
            capacity.value > 0
        {
            draft.set("model.moe.capacity", "\(capacity.value)", from: capacity.from)
        }
        try integer("model.moe.node_limit", ["moe_router_group_topk"], "taken as so many nodes")
        guard let frequency = try settings.word(["moe_layer_freq"], for: "model.moe.dense_layers") else { return }
        if let dense = leadingDense(frequency.from.values.joined(separator: ",")) {
            draft.set("model.moe.dense_layers", "\(dense)", from: frequency.from)
        } else {
            settings.judge(["moe_layer_freq"], .refused, "dense layers that do not all come first; every layer has experts here")
        }
    }

    /// Dense layers of a pattern such as `([0]*3+[1]*58)` or `1`; nil where they do not all come first.
    private func leadingDense(_ pattern: String) -> Int? {
        if pattern == "1" { return 0 }
        var layers: [Character] = []
        let bare = pattern.filter { !" ()'\"".contains($0) }
        for part in bare.split(separator: "+") {
            guard let match = part.wholeMatch(of: /\[([01,]+)\](?:\*([0-9]+))?/), let count = Int(match.2 ?? "1"), count <= 10_000 else {
                return nil
            }
            let unit = match.1.filter { $0 != "," }
            for _ in 0..<count { layers += unit }
        }
        guard !layers.isEmpty else { return nil }
        let dense = layers.prefix { $0 == "0" }.count
        return layers.dropFirst(dense).contains("0") ? nil : dense
    }

    private static let tokenizers: [(part: String, rows: Int)] = [
        ("gpt2bpe", 50257), ("gptsentencepiece", 32000), ("llama2", 32000), ("llama3", 128_256), ("llama-3", 128_256),
        ("bertwordpiece", 30522),
        ("mixtral", 32000), ("mistral", 32000), ("qwen", 151_936), ("deepseek", 129_280), ("tiktoken", 131_072), ("llama", 32000),
        ("sentencepiece", 32000), ("gpt2", 50257), ("megatron", 50257),
    ]

    private mutating func vocabulary() throws(ScenarioErrors) {
        if try integer("model.vocab", ["padded_vocab_size", "override_vocab_size"]) != nil {
            settings.judge(["vocab_size", "make_vocab_size_divisible_by"], .harmless, "the padded size is given")
            return
        }
        let tensor = draft.integer("layout.tensor") ?? 1
        let multiple = try settings.integer(["make_vocab_size_divisible_by"], for: "model.vocab")?.value ?? 128
        let step = min(1 << 30, multiple) * min(1 << 20, tensor)
        func padded(_ rows: Int) -> Int { (min(1 << 40, rows) + step - 1) / step * step }
        let type = try settings.word(["tokenizer_type"], for: "model.vocab")
        if let size = try settings.integer(["vocab_size"], for: "model.vocab") {
            let rows = size.value + (type?.value.lowercased() == "nulltokenizer" ? 1 : 0)
            draft.set(
                "model.vocab", "\(padded(rows))", from: size.from,
                padded(rows) == size.value ? "" : "padded to a multiple of \(multiple) x tensor")
            return
        }
        // A path that only a run would tell may still be that of a tokenizer by its kind.
        let model = settings.find(["tokenizer_model"]) ?? settings.find(["tokenizer_name_or_path"])
        for source in [model, type?.from].compactMap({ $0 }) {
            guard let known = Self.tokenizers.first(where: { source.value.lowercased().contains($0.part) }) else { continue }
            _ = settings.take([source.key], for: "model.vocab")
            draft.set(
                "model.vocab", "\(padded(known.rows))", from: source,
                "assumed: \(known.rows) tokens, padded to a multiple of \(multiple) x tensor")
            return
        }
        draft.assume(
            "model.vocab", "\(padded(50257))", "that of GPT-2, padded to a multiple of \(multiple) x tensor; the tokenizer is not told")
    }

    private mutating func positions() throws(ScenarioErrors) {
        let kinds = [
            "rope": "rotary", "rotary": "rotary", "yarn": "rotary", "mrope": "rotary", "learned_absolute": "learned", "absolute": "learned",
            "learned": "learned", "alibi": "alibi", "none": "none", "nope": "none",
        ]
        let isRotary = try settings.flag(
            ["use_rotary_position_embeddings", "use_rotary_embeddings", "rotary_position_embedding"], for: "model.positions")
        if try word("model.positions", ["position_embedding_type"], kinds) == nil {
            if let isRotary, isRotary.value {
                draft.set("model.positions", "rotary", from: isRotary.from)
            } else {
                draft.assume("model.positions", "learned", "the program's default")
            }
        }
    }
}
