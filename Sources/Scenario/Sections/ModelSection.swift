import Quantities
import Workload

/// The section `model`: a preset, a published configuration, or the fields of a shape; fields override.
struct ModelSection {
    private enum KindName: String, CaseIterable { case transformer, cnn, resnet50, resnet152, bert }
    private enum PositionName: String, CaseIterable { case learned, rotary, alibi, none }

    private struct Draft {
        var shape = Architecture(name: "")
        var preset: Architecture?
        var published: Architecture?
        var kind: KindName?
        var imageSize: Int?
        var positions: PositionName?
        var sharing = Sharing()
    }
    private struct Sharing {
        var attention: Int?
        var blocks: Int?
    }

    static var entries: [SchemaEntry] { sources.entries + fields.entries }

    /// What gives the shape that the other fields change.
    private static var sources: Section<Draft> {
        Section([
            Field(
                "preset", \.preset, .named("a model", example: "llama3-405b") { $0.models }, default: "none",
                "a model of the catalogue; the other keys override its fields"),
            Field("huggingface", \.published, huggingFace, default: "none", "path, relative to this file, of a published config.json"),
            Field(
                "kind", \.kind, .choice, default: "transformer",
                "family of the model; cnn is resnet50; bert is a transformer with causal: false"),
        ])
    }

    private static var fields: Section<Draft> {
        Section(sources.fields.map(\.silent) + shapeFields + detailFields)
    }

    private static var shapeFields: [Field<Draft>] {
        [
            Field("name", \.shape.name, .text, default: "preset's name, else \"model\"", "what reports call the model"),
            Field("layers", \.shape.layers, .integer(1...10_000, example: 126), default: "required without preset", "transformer layers"),
            Field(
                "hidden", \.shape.hidden, .integer(1...10_000_000, example: 16384), default: "required without preset",
                "width of the residual stream"),
            Field("heads", \.shape.heads, .integer(1...100_000, example: 128), default: "required without preset", "query heads"),
            Field("kv_heads", \.shape.kvHeads, .integer(1...100_000, example: 8), default: "heads", "key and value heads (GQA)"),
            Field("head_dim", \.shape.headDim, .integer(1...100_000, example: 128), default: "hidden / heads", "width of a head"),
            Field(
                "ffn", \.shape.ffn, .integer(1...100_000_000, example: 53248), default: "required without preset", "inner width of the MLP"),
            Field(
                "vocab", \.shape.vocab, .integer(1...100_000_000, example: 128256), default: "required without preset",
                "rows of the embedding table"),
            Field("activation", \.shape.activation, .choice, default: "gelu", "nonlinearity of the MLP; swiglu and geglu are gated"),
            Field("tied_embeddings", \.shape.tiedEmbeddings, .flag, default: "true", "head and embedding share one table"),
            Field("causal", \.shape.causal, .flag, default: "true; false for bert", "a token sees only earlier ones"),
            Field("attention", \.shape.attention, changing: (AttentionSection.kind, .full), default: "full", "which keys a query reads"),
            Field("moe", \.shape.moe, changing: (ExpertsSection.kind, nil), default: "none", "mixture of experts in place of the MLP"),
            Field("sharing", \.sharing, sharing, "layers that share one copy of their weights"),
        ]
    }

    private static var sharing: Section<Sharing> {
        Section([
            Field("attention", \.attention, .integer(1...10_000), default: "1", "layers per shared copy of the attention block"),
            Field("blocks", \.blocks, .integer(1...10_000), default: "1", "layers per shared copy of the whole layer"),
        ])
    }

    private static var detailFields: [Field<Draft>] {
        [
            Field(
                "norm", \.shape.norm, .choice([.layer, .rms]), default: "rms with a gated activation, else layer", "LayerNorm or RMSNorm"),
            Field("positions", \.positions, .choice, default: "rotary with a gated activation, else learned", "how positions enter"),
            Field("biases", \.shape.biases, .flag, default: "false with a gated activation, else true", "biases on the linear layers"),
            Field("qkv_bias", \.shape.qkvBias, .flag, default: "false", "a bias on the query, key and value projection only"),
            Field("qk_norm", \.shape.qkNorm, .flag, default: "false", "a norm on each head's queries and keys"),
            Field("mtp_layers", \.shape.mtpLayers, .integer(0...100), default: "0", "multi-token-prediction layers (arXiv:2412.19437)"),
            Field("token_types", \.shape.tokenTypes, .integer(0...1000), default: "0", "rows of the segment table (BERT)"),
            Field("pooler", \.shape.pooler, .flag, default: "false", "pooler behind the last layer (BERT)"),
            Field("masked_lm_head", \.shape.maskedLMHead, .flag, default: "false", "transform before the head (BERT)"),
            Field("norm_bias", \.shape.normBias, .flag, default: "true", "shift vectors beside the gains of a LayerNorm"),
            Field("norms_per_layer", \.shape.normsPerLayer, .integer(0...8), default: "2", "norms of a layer over the hidden width"),
            Field("final_norm", \.shape.finalNorm, .flag, default: "true", "a norm behind the last layer"),
            Field(
                "attention_output_bias", \.shape.attentionOutputBias, .flag, default: "false", "a bias on the attention's output projection"
            ),
            Field("attention_sinks", \.shape.attentionSinks, .flag, default: "false", "a learned logit a head that absorbs attention"),
            Field("embedding_norm", \.shape.embeddingNorm, .flag, default: "false", "a norm behind the embedding (BLOOM, BERT)"),
            Field(
                "image_size", \.imageSize, .integer(32...4096, example: 224), default: "224", "edge of the square pictures of a CNN, pixels"
            ),
        ]
    }

    private static var huggingFace: Kind<Architecture> {
        Kind("path", example: "config.json") { item, reader in
            guard let full = reader.path(item, example: "path/to/config.json") else { return nil }
            let source: SourceText
            do throws(ScenarioErrors) { source = try SourceText.read(full, limit: SourceText.scenarioLimit) } catch {
                let first = error.errors.first
                reader.report(item, "\(full): \(first?.reason ?? "cannot be read")", first?.suggestion ?? "check the path")
                return nil
            }
            switch reader.library.huggingFace(source.text, Self.name(ofConfig: full)) {
            case .success(let model): return model
            case .failure(let error):
                reader.report(item, "\(full): \(error.message)", "name the config.json of a supported model, or write the fields here")
                return nil
            }
        }
    }

    /// Published configurations are all called config.json, so the folder says which model it is.
    private static func name(ofConfig path: String) -> String {
        let parts = path.split(separator: "/").map(String.init)
        guard let file = parts.last else { return "model" }
        if file != "config.json" { return ScenarioDocument.stem(of: file) }
        return parts.count > 1 ? parts[parts.count - 2] : "model"
    }

    /// - Returns: nil when a fault was reported.
    static func read(_ item: Item, _ reader: inout Reader) -> Architecture? {
        guard let entries = item.tree.entries else {
            let name = item.text
            reader.report(item, "\(name) stands where the keys of the model are expected", "write model: {preset: llama3-8b}")
            return nil
        }
        let before = reader.errors.count
        let given = Set(entries.map(\.key))
        var draft = Draft()
        for entry in entries {
            sources.fields.first { $0.key == entry.key }?.apply(item.child(entry), &draft, &reader)
        }
        if let base = draft.published ?? draft.preset {
            draft.shape = base
        } else {
            start(&draft, gated: isGated(item))
        }
        let base = draft.shape
        fields.read(item, into: &draft, &reader)
        finish(&draft, base: base, given: given)
        if draft.published == nil, draft.preset == nil, reader.errors.count == before { require(draft, given, item, &reader) }
        return reader.errors.count == before ? draft.shape : nil
    }

    private static func isGated(_ item: Item) -> Bool {
        guard case .scalar(let word, _)? = item.tree["activation"]?.value.content else { return false }
        return Architecture.Activation(rawValue: word)?.isGated ?? false
    }

    /// What models of either lineage have: RMSNorm, rotary positions and no biases come with gated units (Llama), the rest with GPT.
    private static func start(_ draft: inout Draft, gated: Bool) {
        draft.shape = Architecture(name: "model")
        draft.shape.norm = gated ? .rms : .layer
        draft.shape.biases = !gated
        draft.shape.positions = gated ? .rotary : .learned(length: 0)
        draft.shape.kvHeads = 0
        if draft.kind == .bert { draft.shape.causal = false }
    }

    private static func finish(_ draft: inout Draft, base: Architecture, given: Set<String>) {
        if let group = draft.sharing.attention { draft.shape.sharedAttention = group }
        if let group = draft.sharing.blocks { draft.shape.sharedBlocks = group }
        switch draft.kind {
        case .cnn?, .resnet50?: draft.shape.kind = .resnet(depth: 50, imageSize: 224)
        case .resnet152?: draft.shape.kind = .resnet(depth: 152, imageSize: 224)
        default: break
        }
        if case .resnet(let depth, let size) = draft.shape.kind {
            draft.shape.kind = .resnet(depth: depth, imageSize: draft.imageSize ?? size)
        }
        // Widths that the base derived from others follow them when those are overridden.
        if !given.contains("kv_heads"), base.kvHeads == 0 || (base.kvHeads == base.heads && given.contains("heads")) {
            draft.shape.kvHeads = draft.shape.heads
        }
        let derived = base.headDim == 0 || base.headDim * base.heads == base.hidden
        if !given.contains("head_dim"), derived, base.headDim == 0 || given.contains("heads") || given.contains("hidden") {
            draft.shape.headDim = draft.shape.hidden / max(1, draft.shape.heads)
        }
        switch draft.positions {
        case .learned?: draft.shape.positions = .learned(length: draft.shape.sequence)
        case .rotary?: draft.shape.positions = .rotary
        case .alibi?: draft.shape.positions = .alibi
        case PositionName.none?: draft.shape.positions = .none
        case nil: break
        }
    }

    private static func require(_ draft: Draft, _ given: Set<String>, _ item: Item, _ reader: inout Reader) {
        guard case .transformer = draft.shape.kind else { return }
        var keys = ["layers", "hidden", "heads", "vocab"]
        // A model whose every layer has experts has no ordinary MLP.
        if draft.shape.moe.map({ $0.denseLayers > 0 }) ?? true { keys.append("ffn") }
        for key in keys where !given.contains(key) {
            reader.report(
                item.tree.place, "\(item.path).\(key)", "the key is missing, and no preset gives it",
                "write \(key): ..., or preset: with the name of a model")
        }
    }
}
