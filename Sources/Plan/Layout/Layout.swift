import Calibration
import Cluster
import Quantities
import Workload

public enum ScheduleKind: String, Sendable, Hashable, Codable, CaseIterable {
    case gpipe
    case oneForwardOneBackward = "1f1b"
    case interleaved
    case zbH1 = "zb-h1"
    case zbH2 = "zb-h2"
    /// Automatic zero-bubble order within the memory of 1F1B / of twice that (Qi et al., arXiv:2401.10241 section 3).
    case zb1p = "zb-1p"
    case zb2p = "zb-2p"
    case zbV = "zb-v"
    /// V-shaped placement at about half / a third of the memory of 1F1B (Qi et al., arXiv:2405.15362).
    case vHalf = "v-half"
    case vMin = "v-min"
    case dualpipe
    /// DualPipe folded into a V, with one copy of the parameters.
    case dualpipeV = "dualpipev"
    /// Searched under the given costs and memory limit.
    case auto
}

public enum Recompute: Sendable, Hashable {
    case none, selective, full
    /// Full recomputation of this many layers of a stage, none of the others.
    case layers(Int)
}

/// Degrees and rules that cut a job over GPUs.
public struct Layout: Sendable, Hashable {
    public enum Offload: String, Sendable, Hashable, Codable, CaseIterable { case none, optimizer, parameters }
    public struct Overlap: Sendable, Hashable {
        /// Unset values take the software stack's default.
        public var gradReduce: Bool?
        public var paramGather: Bool?
        public var tensor: Bool?
        public var pipeline: Bool?
        public init() {}
    }
    public var tensor = 1
    public var pipeline = 1
    /// Model chunks per pipeline rank.
    public var virtual = 1
    public var context = 1
    public var expert = 1
    public var expertTensor = 1
    /// Replicas; nil: gpus / (tensor x pipeline x context).
    public var data: Int?
    public var sequenceParallel = false
    /// 0: replicas; 1: optimizer state, 2: also gradients, 3: also parameters are sharded (FSDP).
    public var zero = 0
    /// GPUs that share one sharded copy; nil: all replicas.
    public var shardGroup: Int?
    public var schedule = ScheduleKind.oneForwardOneBackward
    /// Layers per virtual stage, in order of depth; nil: automatic.
    public var stageLayers: [Int]?
    public var overlap = Overlap()
    public var bucket = Bytes(40_000_000)
    public var offload = Offload.none
    public init() {}
}

/// Formats of a training run. `compute` is that of the matrix products.
public struct PrecisionPolicy: Sendable, Hashable {
    public var compute: Precision
    /// Format that gradients are kept and reduced in; nil: the stack's default.
    public var gradients: Precision?
    public var master: Precision?
    public var reduce: Precision?
    public init(compute: Precision) { self.compute = compute }
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
    public var precision = PrecisionPolicy(compute: .bf16)
    public var recompute = Recompute.none
    public var optimizer = OptimizerKind.adamw
    /// How gradients are sent between replicas; nil: as they are.
    public var compression: GradientCompression?
    public var length = Length.oneStep
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

/// Everything that decides a step: model, machines, layout, training, software.
public struct Job: Sendable, Hashable {
    public var model: Architecture
    public var cluster: ClusterSpec
    public var layout: Layout
    public var training: TrainingSpec
    public var software: SoftwareStack
    public init(model: Architecture, cluster: ClusterSpec, layout: Layout, training: TrainingSpec, software: SoftwareStack) {
        self.model = model
        self.cluster = cluster
        self.layout = layout
        self.training = training
        self.software = software
    }
    /// Data-parallel replicas.
    public var data: Int { layout.data ?? max(1, cluster.gpus / max(1, layout.tensor * layout.pipeline * layout.context)) }
    /// Micro-batches that each pipeline runs in a step.
    public var microBatches: Int { training.globalBatch / max(1, data * training.microBatch) }
}
