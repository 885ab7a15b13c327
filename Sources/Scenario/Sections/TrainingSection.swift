import Cluster
import Plan
import Quantities

/// The section `training`.
enum TrainingSection {
    private struct Draft {
        var spec = TrainingSpec()
        var precision = PrecisionPolicy(compute: .bf16)
        var compression: GradientCompression??
        var tokens: Int?
        var steps: Int?
        var data = DataDraft()
        var synchronization = SynchronizationChoice()
        var target = LossTarget()
    }
    private struct DataDraft {
        var loading: Bandwidth?
        var prefetch = 2
    }

    static var entries: [SchemaEntry] { section.entries }

    private static var section: Section<Draft> {
        Section(
            [
                Field(
                    "global_batch", \.spec.globalBatch, .integer(1...1_000_000_000, example: 2048), default: "required",
                    "sequences (samples for a CNN) of one optimizer step"),
                Field(
                    "micro_batch", \.spec.microBatch, .integer(1...1_000_000, example: 1), default: "1",
                    "sequences that one replica computes at once"),
                Field(
                    "sequence", \.spec.sequence, .integer(1...1_000_000_000, example: 8192), default: "the model's, else required",
                    "tokens of a sequence"),
                Field(
                    "precision", \.precision, PrecisionSection.kind, default: "bf16",
                    "number formats; a word is that of the matrix products"),
                Field(
                    "recompute", \.spec.recompute, recompute, default: "none",
                    "activations that the backward pass computes again; auto: the fewest layers of each rank that fit; layers: so many of each rank"
                ),
                Field("optimizer", \.spec.optimizer, optimizer, default: "adamw", "rule of the update, by the state it keeps"),
                Field(
                    "loss", \.spec.loss, loss, default: "whole",
                    "whole: logits of a micro-batch at once; chunks: in parts, one after the other; fused: never written out"),
                Field(
                    "compression", \.compression, CompressionSection.kind, default: "none",
                    "codec of the gradients between replicas, its size taken by really encoding; for zero 0 and 1"),
                Field(
                    "tokens", \.tokens, .count(1...9_000_000_000_000_000_000, example: "15.6T"), default: "one step",
                    "length of the run in tokens; or give steps"),
                Field(
                    "steps", \.steps, .count(1...1_000_000_000_000, example: "1000"), default: "one step",
                    "length of the run in optimizer steps; or give tokens"),
                Field(
                    "duration", \.spec.duration, .quantity, default: "none",
                    "the run ends after so long, whatever is done by then; in place of tokens or steps"),
                Field("data", \.data, data, "how input data arrive"),
                Field(
                    "synchronization", \.synchronization, SynchronizationSection.kind, default: "sync",
                    "how replicas come to common parameters; orrery train follows it, the step of orrery run is the synchronous one"),
            ] + AdaptersSection.fields.map { $0.within(\.spec) } + LossTarget.fields.map { $0.within(\.target) })
    }

    private static var data: Section<DataDraft> {
        Section([
            Field("loading", \.loading, .quantity, default: "never a bottleneck", "rate at which a node gets its data"),
            Field("prefetch", \.prefetch, .integer(0...10_000), default: "2", "batches read ahead"),
        ])
    }

    private enum RecomputeName: String, CaseIterable { case none, selective, full, auto }
    private enum ModuleName: String, CaseIterable {
        case norms, activation, mlp, moe
        case latentUp = "mla-up"
        case attentionCore = "core-attention"
        var value: RecomputedModules {
            switch self {
            case .norms: .norms
            case .activation: .activation
            case .latentUp: .latentUp
            case .mlp: .mlp
            case .moe: .moe
            case .attentionCore: .attentionCore
            }
        }
    }
    private static var recompute: Kind<Recompute> {
        struct Draft {
            var layers: Int?
            var modules: [ModuleName]?
        }
        let section = Section<Draft>([
            Field("layers", \.layers, .integer(0...10_000), default: "none", "layers of each stage that are recomputed in full"),
            Field(
                "modules", \.modules, Kind.list(of: .choice, atMost: 6), default: "none",
                "parts of every layer that are recomputed: outputs of norms and activation functions, products of MLA's latents, or all of mlp, moe or core-attention behind its input"
            ),
        ])
        let short = Kind<RecomputeName>.choice.map { name -> Recompute in
            switch name {
            case .none: .none
            case .selective: .selective
            case .full: .full
            case .auto: .auto
            }
        }
        return Kind<Recompute>("{layers: n} or {modules: [...]}", example: "{layers: 2}", children: section.entries) { item, reader in
            var draft = Draft()
            let before = reader.errors.count
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            switch (draft.layers, draft.modules) {
            case (let layers?, nil): return .layers(layers)
            case (nil, let modules?) where !modules.isEmpty: return .modules(RecomputedModules(modules.map(\.value)))
            case (.some, .some):
                reader.report(item, "both layers and modules are given", "remove one of the two")
                return nil
            default:
                reader.report(item, "the key layers is missing", "write recompute: {layers: 2}, {modules: [norms]}, or full")
                return nil
            }
        }.abbreviated(by: short)
    }

    private enum LossName: String, CaseIterable { case whole, fused }
    private static var loss: Kind<LossKind> {
        struct Draft { var chunks = 1 }
        return Section<Draft>([
            Field("chunks", \.chunks, .integer(1...1_000_000, example: 8), default: "1", "parts of the micro-batch's tokens")
        ]).kind(Draft(), name: "{chunks: n}").map { LossKind.chunks($0.chunks) }
            .abbreviated(by: Kind<LossName>.choice.map { $0 == .fused ? LossKind.fused : LossKind.whole })
    }

    private static var optimizer: Kind<OptimizerKind> {
        struct Draft { var kind = OptimizerKind.adamw }
        return Section<Draft>([Field("kind", \.kind, .choice, default: "adamw", "rule of the update")])
            .kind(Draft(), name: "{kind: ...}").map(\.kind).abbreviated(by: .choice)
    }

    /// - Parameter usualSequence: the sequence length that the model is known by; 0: unknown.
    static func read(
        _ item: Item, usualSequence: Int?, isCNN: Bool, _ reader: inout Reader
    ) -> (spec: TrainingSpec, precision: PrecisionPolicy, target: LossTarget) {
        var draft = Draft()
        section.read(item, into: &draft, &reader)
        if item.tree.entries != nil || item.tree.isNull {
            if item.tree["global_batch"] == nil {
                reader.report(
                    item.tree.place, "\(item.path).global_batch", "the key is missing", "write global_batch: with the sequences of one step"
                )
            }
            if item.tree["sequence"] == nil, !isCNN {
                if let usual = usualSequence, usual > 0 {
                    draft.spec.sequence = usual
                    reader.remark("training.sequence is not given: \(usual), the longest that the model takes; training mostly uses less")
                } else if usualSequence != nil {
                    reader.report(
                        item.tree.place, "\(item.path).sequence", "the key is missing", "write sequence: with the tokens of a sequence")
                }
            }
        }
        if draft.tokens != nil, let steps = draft.steps, let entry = item.tree["steps"] {
            reader.report(entry.place, "\(item.path).steps", "both tokens and steps (\(steps)) are given", "remove one of the two")
        }
        if draft.synchronization.word != "sync" {
            reader.remark(
                "training.synchronization: \(draft.synchronization.word) is followed by orrery train; this is the synchronous step")
        }
        if draft.spec.duration != nil, draft.tokens != nil || draft.steps != nil, let entry = item.tree["duration"] {
            reader.report(entry.place, "\(item.path).duration", "both a duration and a length are given", "remove one of the two")
        }
        draft.spec.length = draft.tokens.map { .tokens(Int64($0)) } ?? draft.steps.map { .steps($0) } ?? .oneStep
        draft.spec.compression = draft.compression ?? nil
        draft.spec.dataLoading = draft.data.loading
        draft.spec.dataPrefetch = draft.data.prefetch
        return (draft.spec, draft.precision, draft.target)
    }
}

/// `training.precision`: a word, or a mapping of formats by use.
enum PrecisionSection {
    private struct Draft {
        var compute: Precision?
        var gradients: Precision?
        var master: Precision?
        var reduce: Precision?
        var activations: Precision?
        var moments: Precision?
    }
    /// Formats that training computes in.
    static let formats: [Precision] = [.bf16, .fp32, .tf32, .fp16, .fp8, .mxfp8, .nvfp4]
    private static let wide: [Precision] = [.fp32, .bf16, .fp16]

    static var kind: Kind<PrecisionPolicy> {
        let section = Section<Draft>([
            Field("compute", \.compute, .choice(formats), default: "bf16", "format of the matrix products"),
            Field("gradients", \.gradients, .choice(wide), default: "software's", "format that gradients are kept in"),
            Field(
                "master", \.master, .choice(wide), default: "fp32",
                "format of the master copy of the parameters; that of 16-bit compute: the parameters themselves, no copy"),
            Field("reduce", \.reduce, .choice(wide + [.fp8]), default: "that of gradients", "format that gradients are sent in"),
            Field(
                "activations", \.activations, .choice([.bf16, .fp16, .fp8]), default: "software's",
                "format in which inputs of matrix products and activation functions are kept"),
            Field("moments", \.moments, .choice(wide + [.fp8]), default: "the optimizer's, fp32", "format of the optimizer's moments"),
        ])
        return section.kind(Draft(), name: "{compute:, gradients:, master:, reduce:, activations:, moments:}").map { draft in
            var policy = PrecisionPolicy(compute: draft.compute ?? .bf16)
            policy.gradients = draft.gradients
            policy.master = draft.master
            policy.reduce = draft.reduce
            policy.activations = draft.activations
            policy.moments = draft.moments
            return policy
        }.abbreviated(by: Kind<Precision>.choice(formats).map { PrecisionPolicy(compute: $0) })
    }
}
