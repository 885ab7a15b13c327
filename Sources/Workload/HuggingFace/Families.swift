/// Which types nest their language model, which cannot be modelled, and which are spelt in another way.
extension HuggingFaceReader {
    /// Types of a language model by that of the whole, for files whose inner part does not say it.
    private static let inner = [
        "gemma3": "gemma3_text", "llama4": "llama4_text", "qwen3_vl": "qwen3", "qwen3_vl_moe": "qwen3_moe", "qwen2_vl": "qwen2",
        "qwen2_5_vl": "qwen2", "mistral3": "mistral", "kimi_k25": "kimi_k2", "kimi_vl": "deepseek_v3", "llava": "llama",
        "llava_next": "llama",
        "glm4v_moe": "glm4_moe", "idefics3": "llama", "smolvlm": "llama", "internvl_chat": "qwen2", "paligemma": "gemma",
    ]
    /// Names of one and the same shape.
    private static let aliases = [
        "qwen3_vl_text": "qwen3", "qwen3_vl_moe_text": "qwen3_moe", "qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2",
        "qwen2_vl": "qwen2", "qwen2_5_vl": "qwen2", "glm4v_moe_text": "glm4_moe", "kimi_k2": "deepseek_v3", "RefinedWeb": "falcon",
        "RefinedWebModel": "falcon", "ministral": "mistral", "gemma3": "gemma3_text", "llama4": "llama4_text", "yi": "llama",
        "deepseek_vl_v2": "deepseek_v2", "granite": "llama", "smollm3": "llama", "internlm2": "llama",
        "arcee": "llama",
    ]

    /// Types whose layers the program does not know, and why.
    static let refused = [
        "t5": encoderDecoder, "mt5": encoderDecoder, "bart": encoderDecoder, "whisper": encoderDecoder, "t5gemma": encoderDecoder,
        "vit": images, "clip": images, "siglip": images, "dinov2": images, "swin": images, "convnext": images,
        "qwen3_next": linear, "qwen3_5": linear, "qwen3_5_text": linear, "qwen3_5_moe": linear, "qwen3_5_moe_text": linear,
        "minimax": linear,
        "minimax_text_01": linear, "kimi_linear": linear, "rwkv": linear, "retnet": linear, "bailing_moe_linear": linear,
        "mamba": stateSpace, "mamba2": stateSpace, "falcon_mamba": stateSpace, "jamba": stateSpace, "bamba": stateSpace,
        "nemotron_h": stateSpace, "zamba2": stateSpace, "falcon_h1": stateSpace, "granitemoehybrid": stateSpace, "lfm2": stateSpace,
        "recurrent_gemma": stateSpace,
        "gptj": partialBiases, "gpt_neo": partialBiases, "codegen": partialBiases, "phi4_multimodal": images,
        "mllama": "some of its layers attend to pictures (cross-attention); write the fields of its text layers under model",
        "mllama_text_model": "some of its layers attend to pictures (cross-attention); write the fields of its text layers under model",
        "gemma3n": "its layers share keys and have embeddings of their own",
        "gemma3n_text": "its layers share keys and have embeddings of their own",
        "deepseek_v32": "its attention picks keys by an indexer; take deepseek_v3 with model.attention as the nearest",
    ]
    private static let partialBiases = "biases on some of its linear layers alone"
    private static let encoderDecoder = "an encoder with a decoder; only stacks of equal layers are"
    private static let images = "a network for pictures; of these only ResNets are (model.kind resnet50, resnet152)"
    private static let linear = "linear attention (gated delta rule, lightning) in some layers"
    private static let stateSpace = "state-space (Mamba) or recurrent layers"

    /// This file, or the part of it that describes the language model, under the name by which it is read.
    func languageModel() throws(WorkloadError) -> HuggingFaceReader {
        let outer = try config.text("model_type")
        if let outer, Self.refused[outer] != nil { return self }
        var part = config
        for key in ["text_config", "llm_config", "language_config"] where config.has(key) {
            part = config.section(key)
            if let outer, let type = Self.inner[outer] { part = part.adding("model_type", type) }
            guard part.has("model_type") else { throw config.fault("\(key).model_type", "missing") }
            break
        }
        let type = try part.text("model_type")
        guard let type, let alias = Self.aliases[type] else { return HuggingFaceReader(config: part, name: name) }
        return HuggingFaceReader(config: part.replacing("model_type", alias), name: name)
    }
}
