/// The software that runs a job, as far as it changes time or memory. It picks the calibration profile. Unset values take the framework's default.
public struct SoftwareStack: Sendable, Hashable {
    public enum TensorOverlap: String, Sendable, Hashable, Codable, CaseIterable {
        case none
        /// Decomposed in the framework (async TP of PyTorch).
        case async
        /// Copy engines and user buffers of Transformer Engine.
        case userBuffer = "user-buffer"
    }
    /// How low-precision operands get their scales.
    public enum Scaling: String, Sendable, Hashable, Codable, CaseIterable { case delayed, current, tensorwise, rowwise, mx, nvfp4 }
    public enum StageBalance: String, Sendable, Hashable, Codable, CaseIterable {
        case endsMinusOne = "ends-minus-one"
        case embeddingsAsLayers = "embeddings-as-layers"
        case lastShorter = "last-shorter"
        /// By weights: a stage ends with the block that brings the sum to its share of the whole, the output matrix counted (nanotron).
        case cumulated
    }

    public var framework: String
    public var release: String?
    public var flashAttention: Bool?
    public var tensorOverlap: TensorOverlap?
    public var dataOverlap: Bool?
    public var scaling: Scaling?
    public var launchBlocking: Bool?
    public var cudaGraphs: Bool?
    public var stageBalance: StageBalance?
    /// Format that gradients are accumulated in: fp16, bf16, fp32.
    public var gradientPrecision: String?
    /// How tokens reach experts: even, dropless, drop; joined by +.
    public var routing: String?
    /// A named state of the machine that the framework's log tells apart (BLOOM: before-fix, after-fix).
    public var environment: String?
    public var transformerEngine: Bool?
    public var compiled: Bool?
    /// Kernels that were measured on the job's device; they take the place of the formulas.
    public var measurements: MeasuredKernels?
    /// Hybrid sharding: FSDP inside a group, replicas across.
    public init(framework: String) { self.framework = framework }
}
