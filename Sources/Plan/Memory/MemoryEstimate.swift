import Calibration

/// Bytes on one GPU of each pipeline stage at the worst moment of a step.
public struct MemoryEstimate: Sendable, Hashable, Codable {
    public struct Stage: Sendable, Hashable, Codable {
        public var parameters = 0.0
        public var gradients = 0.0
        public var optimizer = 0.0
        /// Activations of all micro-batches in flight, the recomputed layer and the logits.
        public var activations = 0.0
        /// Communication buffers, gathered parameters, workspaces.
        public var buffers = 0.0
        /// Framework context and what the allocator cannot use.
        public var fragmentation = 0.0
        /// Of `fragmentation`: CUDA context, library handles and communicators, which no allocator statistic shows.
        public var context = 0.0
        /// Layers that `recompute: auto` repeats on this rank; nil where it does not choose.
        public var recomputedLayers: Int?
        /// Bytes that each GPU of the stage keeps on its host.
        public var host = 0.0
        public init() {}
        public var total: Double { parameters + gradients + optimizer + activations + buffers + fragmentation }

        /// Bytes as `measure` counts them.
        public func total(_ measure: MemoryMeasure) -> Double {
            switch measure {
            case .allocated: total - fragmentation
            case .reserved: total - context
            case .device: total
            }
        }
    }
    public var stages: [Stage]
    public var capacity: Double
    /// Bytes of each stage's own device, where a cluster has several kinds: [stages].
    public var capacities: [Double]?
    public init(stages: [Stage], capacity: Double) {
        self.stages = stages
        self.capacity = capacity
    }
    public var peak: Double { stages.map(\.total).max() ?? 0 }
    public var fits: Bool {
        guard let capacities, capacities.count == stages.count else { return peak <= capacity }
        return zip(stages, capacities).allSatisfy { $0.total <= $1 }
    }
    /// The largest stage's bytes as `measure` counts them.
    public func peak(_ measure: MemoryMeasure) -> Double { stages.map { $0.total(measure) }.max() ?? 0 }
}
