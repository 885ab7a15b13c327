import Quantities
import Yams

/// A data file of presets: `defaults` that every model of the file starts from, and `models` by name.
struct PresetFile: Sendable {
    let name: String
    let text: String

    init(name: String, bytes: [UInt8]) {
        self.init(name: name, text: String(decoding: bytes, as: UTF8.self))
    }

    init(name: String, text: String) {
        self.name = name
        self.text = text
    }

    /// Model names in order: the keys at two spaces below `models:`, found without parsing the file.
    var names: [String] {
        text.split(separator: "\n").drop { $0 != "models:" }.dropFirst().compactMap { line in
            guard line.hasPrefix("  "), !line.hasPrefix("   "), let colon = line.firstIndex(of: ":") else { return nil }
            return String(line[line.startIndex..<colon].dropFirst(2))
        }
    }

    /// Reads all models, or only one.
    /// - Throws: `WorkloadError.malformed` with the key's path, `WorkloadError.invalidArchitecture` for an impossible shape.
    func read(only wanted: String? = nil) throws(WorkloadError) -> [Architecture] {
        let root: Node?
        do { root = try compose(yaml: wanted.map(excerpt) ?? text, .basic) } catch {
            throw .malformed(file: name, path: "", reason: "\(error)")
        }
        guard let models = root?["models"]?.mapping else { throw .malformed(file: name, path: "models", reason: "missing") }
        let defaults = root?["defaults"]?.mapping
        var result: [Architecture] = []
        for (key, value) in models {
            guard let model = key.string, let fields = value.mapping else {
                throw .malformed(file: name, path: "models", reason: "each model is a name with a mapping of fields")
            }
            var reader = ShapeReader(file: name, path: "models.\(model)", fields: defaults ?? [:], overrides: fields)
            result.append(try reader.architecture(named: model))
        }
        return result
    }

    /// The part of the text that holds one model and the defaults.
    private func excerpt(_ wanted: String) -> String {
        var lines: [Substring] = []
        var keeps = true
        for line in text.split(separator: "\n") {
            if line.hasPrefix("  "), !line.hasPrefix("   ") { keeps = line.hasPrefix("  \(wanted):") }
            if !line.hasPrefix(" ") { keeps = true }
            if keeps { lines.append(line) }
        }
        return lines.joined(separator: "\n")
    }
}

/// Reads a shape from fields with the names of a scenario's `model` section. Every field must be known and used.
struct ShapeReader {
    let file: String
    let path: String
    private var fields: [String: Node] = [:]
    private var used: Set<String> = []

    init(file: String, path: String, fields: Node.Mapping, overrides: Node.Mapping = [:]) {
        self.file = file
        self.path = path
        for mapping in [fields, overrides] {
            for (key, value) in mapping { if let key = key.string { self.fields[key] = value } }
        }
    }

    mutating func architecture(named name: String) throws(WorkloadError) -> Architecture {
        var a = Architecture(name: name)
        a.source = try text("source") ?? ""
        a.publishedParameters = try count("published_parameters").map(Double.init)
        a.publishedActive = try count("published_active").map(Double.init)
        let kind = try text("kind") ?? "transformer"
        switch kind {
        case "cnn": try readCNN(&a)
        case "transformer": try readTransformer(&a)
        default: throw wrong("kind", "\"\(kind)\" is neither transformer nor cnn")
        }
        try finish()
        try a.validate()
        return a
    }

    private mutating func readCNN(_ a: inout Architecture) throws(WorkloadError) {
        let depth = try integer("depth")
        a.kind = .resnet(depth: depth, imageSize: try optional("image_size") ?? 224)
        a.convolutionGroups = try optional("groups") ?? 1
        a.groupWidth = try optional("group_width") ?? 64
        a.layers = ResNet(a)?.blockCount ?? 0
        a.biases = false
    }

    private mutating func readTransformer(_ a: inout Architecture) throws(WorkloadError) {
        a.layers = try integer("layers")
        a.hidden = try integer("hidden")
        a.heads = try integer("heads")
        a.kvHeads = try optional("kv_heads") ?? a.heads
        a.headDim = try optional("head_dim") ?? a.hidden / max(1, a.heads)
        a.ffn = try optional("ffn") ?? clampedProduct(4, a.hidden)
        a.vocab = try integer("vocab")
        a.sequence = try optional("sequence") ?? 0
        a.activation = try choice("activation") ?? a.activation
        a.norm = try choice("norm") ?? a.norm
        a.tiedEmbeddings = try flag("tied_embeddings") ?? a.tiedEmbeddings
        a.biases = try flag("biases") ?? a.biases
        a.qkvBias = try flag("qkv_bias") ?? a.qkvBias
        a.qkNorm = try flag("qk_norm") ?? a.qkNorm
        a.qkNormOverWidth = try flag("qk_norm_over_width") ?? a.qkNormOverWidth
        a.normBias = try flag("norm_bias") ?? a.normBias
        a.normGain = try flag("norm_gain") ?? a.normGain
        a.normsPerLayer = try optional("norms_per_layer") ?? a.normsPerLayer
        a.attentionOutputBias = try flag("attention_output_bias") ?? a.attentionOutputBias
        a.headBias = try flag("head_bias") ?? a.headBias
        a.causal = try flag("causal") ?? a.causal
        a.attentionSinks = try flag("attention_sinks") ?? a.attentionSinks
        a.tokenTypes = try optional("token_types") ?? 0
        a.pooler = try flag("pooler") ?? false
        a.maskedLMHead = try flag("masked_lm_head") ?? false
        a.embeddingNorm = try flag("embedding_norm") ?? false
        a.finalNorm = try flag("final_norm") ?? true
        a.mtpLayers = try optional("mtp_layers") ?? 0
        let length = try optional("position_length")
        switch try text("positions") ?? "none" {
        case "learned": a.positions = .learned(length: length ?? a.sequence)
        case "rotary": a.positions = .rotary
        case "alibi": a.positions = .alibi
        case "none": a.positions = .none
        case let other: throw wrong("positions", "\"\(other)\" is none of learned, rotary, alibi, none")
        }
        if var attention = try section("attention") { a.attention = try attention.attention() }
        if var moe = try section("moe") { a.moe = try moe.moe() }
    }

    private mutating func attention() throws(WorkloadError) -> Architecture.Attention {
        let result: Architecture.Attention
        switch try text("kind") ?? "full" {
        case "full": result = .full
        case "sliding": result = .sliding(window: try integer("window"), period: try optional("period") ?? 1)
        case "sparse": result = .sparse(topK: try integer("top_k"))
        case "mla":
            result = .mla(
                queryRank: try optional("q_rank"), kvRank: try integer("kv_rank"), ropeDim: try integer("rope_dim"),
                nopeDim: try integer("nope_dim"), valueDim: try integer("value_dim"))
        case let other: throw wrong("kind", "\"\(other)\" is none of full, sliding, sparse, mla")
        }
        try finish()
        return result
    }

    private mutating func moe() throws(WorkloadError) -> Architecture.MoE {
        var moe = Architecture.MoE(
            experts: try integer("experts"), active: try integer("active"), shared: try optional("shared") ?? 0, ffn: try integer("ffn"),
            sharedFFN: try optional("shared_ffn"), denseLayers: try optional("dense_layers") ?? 0)
        moe.balancingBias = try flag("balancing_bias") ?? false
        moe.sharedGate = try flag("shared_gate") ?? false
        try finish()
        return moe
    }

    private func wrong(_ key: String, _ reason: String) -> WorkloadError { .malformed(file: file, path: "\(path).\(key)", reason: reason) }

    private mutating func scalar(_ key: String) throws(WorkloadError) -> String? {
        used.insert(key)
        guard let node = fields[key] else { return nil }
        guard let scalar = node.scalar else { throw wrong(key, "must be a single value") }
        return scalar.string
    }

    private mutating func text(_ key: String) throws(WorkloadError) -> String? { try scalar(key) }

    private mutating func count(_ key: String) throws(WorkloadError) -> Int64? {
        guard let text = try scalar(key) else { return nil }
        do { return try Count(parsing: text).value } catch { throw wrong(key, error.message) }
    }

    private mutating func optional(_ key: String) throws(WorkloadError) -> Int? { try count(key).map(Int.init) }

    private mutating func integer(_ key: String) throws(WorkloadError) -> Int {
        guard let value = try optional(key) else { throw wrong(key, "missing") }
        return value
    }

    private mutating func flag(_ key: String) throws(WorkloadError) -> Bool? {
        guard let text = try scalar(key) else { return nil }
        guard text == "true" || text == "false" else { throw wrong(key, "\"\(text)\" is neither true nor false") }
        return text == "true"
    }

    private mutating func choice<T: RawRepresentable<String>>(_ key: String) throws(WorkloadError) -> T? {
        guard let text = try scalar(key) else { return nil }
        guard let value = T(rawValue: text) else { throw wrong(key, "\"\(text)\" is not a known value") }
        return value
    }

    private mutating func section(_ key: String) throws(WorkloadError) -> ShapeReader? {
        used.insert(key)
        guard let node = fields[key] else { return nil }
        guard let mapping = node.mapping else { throw wrong(key, "must be a mapping") }
        return ShapeReader(file: file, path: "\(path).\(key)", fields: mapping)
    }

    /// Every field that nobody asked for is an error.
    private func finish() throws(WorkloadError) {
        guard let unknown = fields.keys.filter({ !used.contains($0) }).min() else { return }
        let hint = nearest(unknown, in: used.sorted()).map { "; did you mean \"\($0)\"?" } ?? ""
        throw wrong(unknown, "unknown key\(hint)")
    }
}
