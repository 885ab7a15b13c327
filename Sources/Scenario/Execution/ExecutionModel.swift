import Plan
import Workload

extension ExecutionReader {
    private mutating func missing(_ key: String, _ kind: ExecuteSection.ModelKind) {
        let place = tree.place(of: ["execute", "model"])
        reader.report(place, "execute.model.\(key)", "the key is missing, and kind \(kind.rawValue) needs it", "write \(key): ...")
    }

    /// The model that `execute.model` names, else the section `model`.
    mutating func model(_ draft: ExecuteSection.Draft, _ training: TrainingSpec?) -> ExecutionSpec.Model? {
        guard let entry = tree.entry(at: ["execute", "model"]) else { return ordinary(training) }
        let model = draft.model
        guard let kind = model.kind else {
            reader.report(entry.place, "execute.model.kind", "the key is missing", "write kind: mlp, cnn or gpt")
            return nil
        }
        checkForeign(kind, entry.value)
        switch kind {
        case .mlp:
            guard let sizes = model.sizes else {
                missing("sizes", kind)
                return nil
            }
            return .mlp(sizes: sizes)
        case .cnn: return .cnn(side: model.side, inputChannels: model.inputChannels, channels: model.channels, classes: model.classes)
        case .gpt:
            guard let layers = model.layers, let hidden = model.hidden, let heads = model.heads, let vocabulary = model.vocabulary,
                let length = model.length
            else {
                let keys: [(String, Int?)] = [
                    ("layers", model.layers), ("hidden", model.hidden), ("heads", model.heads), ("vocab", model.vocabulary),
                    ("sequence", model.length),
                ]
                for (key, value) in keys where value == nil { missing(key, kind) }
                return nil
            }
            guard hidden % heads == 0 else {
                reader.report(
                    tree.place(of: ["execute", "model", "heads"]), "execute.model.heads",
                    "\(heads) heads do not divide a width of \(hidden)",
                    "write a divisor of hidden")
                return nil
            }
            return .gpt(layers: layers, hidden: hidden, heads: heads, vocabulary: vocabulary, length: length)
        }
    }

    /// A size that the kind does not have would be ignored in silence.
    private mutating func checkForeign(_ kind: ExecuteSection.ModelKind, _ tree: Tree) {
        let own: [ExecuteSection.ModelKind: [String]] = [
            .mlp: ["sizes"], .cnn: ["side", "input_channels", "channels", "classes"],
            .gpt: ["layers", "hidden", "heads", "vocab", "sequence"],
        ]
        let known = own[kind] ?? []
        for entry in tree.entries ?? [] where entry.key != "kind" && !known.contains(entry.key) {
            reader.report(
                entry.place, "execute.model.\(entry.key)", "a model of kind \(kind.rawValue) has no \(entry.key)",
                "its keys are \(known.joined(separator: ", "))")
        }
    }

    /// The section `model`, where it describes what module Training's GPT is.
    private mutating func ordinary(_ training: TrainingSpec?) -> ExecutionSpec.Model? {
        guard let entry = tree["model"], let shape = ModelSection.read(Item(tree: entry.value, path: "model"), &reader) else { return nil }
        var problems: [(key: String, reason: String, advice: String)] = []
        if case .resnet = shape.kind {
            problems.append(("kind", "a ResNet is not run on this machine", "write execute.model: {kind: cnn}"))
        }
        if shape.ffn != 4 * shape.hidden { problems.append(("ffn", "the MLP is not 4 x hidden wide", "write ffn: \(4 * shape.hidden)")) }
        if shape.activation != .gelu { problems.append(("activation", "the activation is not gelu", "write activation: gelu")) }
        if shape.kvHeads != shape.heads { problems.append(("kv_heads", "key heads are shared", "write kv_heads: \(shape.heads)")) }
        if shape.heads * shape.headDim != shape.hidden {
            problems.append(("heads", "the heads do not fill hidden", "write a divisor of \(shape.hidden)"))
        }
        if shape.moe != nil { problems.append(("moe", "experts are not run on this machine", "remove it")) }
        if shape.norm != .layer { problems.append(("norm", "the norm is not LayerNorm", "write norm: layer")) }
        if !shape.tiedEmbeddings { problems.append(("tied_embeddings", "the head has a table of its own", "write tied_embeddings: true")) }
        if !shape.causal { problems.append(("causal", "attention is not causal", "write causal: true")) }
        if shape.attention != .full { problems.append(("attention", "attention is not full", "write attention: full")) }
        switch shape.positions {
        case .learned: break
        default: problems.append(("positions", "positions are not learned", "write positions: learned"))
        }
        for problem in problems {
            reader.report(
                tree.place(of: ["model", problem.key]), "model.\(problem.key)",
                "\(problem.reason), and the transformer that runs on this machine is a GPT", problem.advice)
        }
        let length = training?.sequence ?? 0
        if tree.entry(at: ["training", "sequence"]) == nil {
            reader.report(entry.place, "training.sequence", "the key is missing", "write training: {sequence: 128, global_batch: 16}")
        }
        guard problems.isEmpty, reader.errors.isEmpty else { return nil }
        return .gpt(layers: shape.layers, hidden: shape.hidden, heads: shape.heads, vocabulary: shape.vocab, length: length)
    }
}
