/// Parts of a transformer whose parameters can be kept from training.
public struct ModelParts: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Tables of tokens, positions and token types.
    public static let embedding = ModelParts(rawValue: 1)
    /// The four projections, or those of the latents.
    public static let attention = ModelParts(rawValue: 2)
    public static let mlp = ModelParts(rawValue: 4)
    /// Routed and shared ones.
    public static let experts = ModelParts(rawValue: 8)
    public static let router = ModelParts(rawValue: 16)
    public static let norms = ModelParts(rawValue: 32)
    /// Output matrix and the heads of tasks.
    public static let head = ModelParts(rawValue: 64)
    public static let all = ModelParts(rawValue: 127)
    /// What a layer consists of.
    static let layer: ModelParts = [.attention, .mlp, .experts, .router, .norms]
    /// Linear layers, which quantised bases keep in few bits.
    static let linear: ModelParts = [.attention, .mlp, .experts]

    /// Names in a scenario.
    public static let names: [(name: String, value: ModelParts)] = [
        ("embedding", .embedding), ("attention", .attention), ("mlp", .mlp), ("experts", .experts), ("router", .router), ("norms", .norms),
        ("head", .head),
    ]
}

/// Low-rank adapters beside frozen weights (LoRA, arXiv:2106.09685): W x + alpha / rank B A x, where A is [rank, in] and B [out, rank].
public struct LowRankAdapters: Sendable, Hashable {
    /// How the frozen weights are kept; all but `bf16` are made 16-bit numbers again for each product.
    public enum Base: String, Sendable, Hashable, CaseIterable {
        case bf16
        /// Four bits in blocks of 64, whose scales are quantised again in blocks of 256 (QLoRA, arXiv:2305.14314 section 3).
        case nf4
        /// A byte, with a scale for each row.
        case int8

        /// Bytes of a weight with its scales.
        public var bytes: Double {
            switch self {
            case .bf16: 2
            case .nf4: 0.5 + 1.0 / 64 + 4.0 / (64 * 256)
            case .int8: 1
            }
        }
    }
    /// A linear layer of the base by the name that checkpoints give it, or a group of them.
    public enum Target: String, Sendable, Hashable, CaseIterable {
        case query = "q_proj"
        case key = "k_proj"
        case value = "v_proj"
        case output = "o_proj"
        case gate = "gate_proj"
        case up = "up_proj"
        case down = "down_proj"
        case head = "lm_head"
        case attention, mlp
        case allLinear = "all-linear"
    }

    public var rank: Int
    public var base: Base
    public var targets: Set<Target>
    /// Dropout before A: each adapted layer keeps its own input and a mask.
    public var dropout: Bool

    /// - Parameter targets: which linear layers have adapters.
    public init(rank: Int, targets: Set<Target> = [.query, .value], base: Base = .bf16, dropout: Bool = false) {
        (self.rank, self.targets, self.base, self.dropout) = (rank, targets, base, dropout)
    }

    /// Whether a linear layer of this name has an adapter.
    func adapts(_ target: Target) -> Bool {
        switch target {
        case .query, .key, .value, .output: targets.contains(target) || targets.contains(.attention) || targets.contains(.allLinear)
        case .gate, .up, .down: targets.contains(target) || targets.contains(.mlp) || targets.contains(.allLinear)
        case .head: targets.contains(.head)
        // The projections of latents have no name of their own.
        case .attention, .mlp, .allLinear: targets.contains(target) || targets.contains(.allLinear)
        }
    }
}

/// Forward passes of a step beside those that train, one micro-batch after the other through the same pipeline.
public struct ExtraPasses: Sendable, Hashable {
    /// Passes of a frozen copy of the model, as DPO (arXiv:2305.18290) and RLHF compare with; adapters need no copy: they are left out for these passes.
    public var reference = 0
    /// Passes of the model itself without gradients, as PPO and GRPO (arXiv:2402.03300) take for the probabilities before the update.
    public var policy = 0
    public init() {}
    public var count: Int { reference + policy }
}
