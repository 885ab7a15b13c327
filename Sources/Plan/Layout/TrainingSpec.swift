import Quantities

/// Which activations the backward pass computes again.
public enum Recompute: Sendable, Hashable {
    case none, selective, full
    /// Full recomputation of this many layers of a stage, none of the others.
    case layers(Int)
    /// The outputs of these parts of every layer.
    case modules(RecomputedModules)
    /// The fewest layers of each pipeline rank with which it fits into memory.
    case auto
    /// What `auto` chose: layers recomputed in full on each pipeline rank, [ranks].
    case perRank([Int])
}

/// Parts of a layer whose outputs are cheap to compute again for the memory that they hold (Megatron-Core's `recompute_modules`;
/// DeepSeek-V3 drops the first two, arXiv:2412.19437 section 3.2.3).
public struct RecomputedModules: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Outputs of the norms over the hidden width and the latents.
    public static let norms = RecomputedModules(rawValue: 1)
    /// Queries, keys and values made from the latents of MLA.
    public static let latentUp = RecomputedModules(rawValue: 2)
    /// Outputs of the MLP's and the experts' activation function.
    public static let activation = RecomputedModules(rawValue: 4)
    /// All of the MLP behind its input.
    public static let mlp = RecomputedModules(rawValue: 8)
    /// All of the mixture of experts behind its input: router, exchange, experts.
    public static let moe = RecomputedModules(rawValue: 16)
    /// Softmax(QK^T)V between its inputs and its output.
    public static let attentionCore = RecomputedModules(rawValue: 32)

    /// Names in a scenario, in the order in which they are written out.
    public static let names: [(name: String, value: RecomputedModules)] = [
        ("norms", .norms), ("mla-up", .latentUp), ("activation", .activation), ("mlp", .mlp), ("moe", .moe),
        ("core-attention", .attentionCore),
    ]
    public var description: String { Self.names.filter { contains($0.value) }.map(\.name).joined(separator: ", ") }
}

/// How the loss is computed from the last hidden states.
public enum LossKind: Sendable, Hashable {
    /// As the stack does: the logits of a micro-batch stand at once.
    case whole
    /// In so many parts of the micro-batch's tokens, whose logits stand one after the other.
    case chunks(Int)
    /// Head and cross entropy in one kernel that never writes the logits out (Liger, arXiv:2410.10989; cut cross entropy, arXiv:2411.09009).
    case fused
}

/// What is trained, for how long, and with which numerics.
public struct TrainingSpec: Sendable, Hashable {
    public enum Length: Sendable, Hashable {
        case steps(Int)
        case tokens(Int64)
        /// Length unknown: only a step is projected.
        case oneStep
    }
    /// Sequences (samples for a CNN) of one optimizer step.
    public var globalBatch = 1
    public var microBatch = 1
    public var sequence = 1
    public var recompute = Recompute.none
    public var optimizer = OptimizerKind.adamw
    public var loss = LossKind.whole
    /// Parts whose parameters do not train.
    public var frozen: ModelParts = []
    /// What trains in place of the model's own parameters; nil: these do.
    public var adapters: LowRankAdapters?
    public var passes = ExtraPasses()
    /// How gradients are sent between replicas; nil: as they are.
    public var compression: GradientCompression?
    public var length = Length.oneStep
    /// The run ends after this long, in place of a length.
    public var duration: Duration?
    /// Bytes a second that input data arrive with, per node, and batches read ahead; nil: never a bottleneck.
    public var dataLoading: Bandwidth?
    public var dataPrefetch = 2
    public init() {}
}

/// Optimizers by name; what they keep and move is stated by the rules of module Training themselves (`OptimizerDemand`).
public enum OptimizerKind: String, Sendable, Hashable, Codable, CaseIterable {
    case sgd, momentum, adam, adamw, lamb, lion, adafactor, muon
    case adam8bit = "adam-8bit"
}
