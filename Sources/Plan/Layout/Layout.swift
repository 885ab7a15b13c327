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

/// Degrees and rules that cut a job over GPUs.
public struct Layout: Sendable, Hashable {
    public enum Offload: String, Sendable, Hashable, Codable, CaseIterable { case none, optimizer, parameters, activations }
    /// Where offloaded state lives: in the host's memory, or on its drives with the host's memory as a buffer.
    public enum OffloadTarget: String, Sendable, Hashable, Codable, CaseIterable { case cpu, nvme }
    /// How the tensor group cuts a matrix: by columns or rows (Megatron, arXiv:1909.08053), as a square grid (Optimus, arXiv:2104.05343),
    /// or as `tensorDepth` such grids that share the weights and part the batch (Tesseract, arXiv:2105.14500).
    public enum TensorAlgorithm: String, Sendable, Hashable, Codable, CaseIterable {
        case oneD = "1d"
        case twoD = "2d"
        case twoAndHalfD = "2.5d"
    }
    /// How context ranks see each other's keys: passing them round (arXiv:2310.01889), or exchanging sequence for heads (DeepSpeed-Ulysses,
    /// arXiv:2309.14509).
    public enum ContextExchange: String, Sendable, Hashable, Codable, CaseIterable {
        case ring
        case allToAll = "all-to-all"
    }
    /// Which tokens a context rank holds: an early and a late piece, so that causal masks leave all the same work, or one run of tokens.
    public enum ContextOrder: String, Sendable, Hashable, Codable, CaseIterable { case zigzag, contiguous }
    /// How `stage_layers: auto` deals layers: by the stack's rule, or so that the slowest or the fullest stage is as small as can be.
    public enum StageDeal: String, Sendable, Hashable, Codable, CaseIterable { case auto, time, memory }
    /// How gradients are gathered into messages: buckets of one size, or by the size of each tensor (small ones at once, large ones alone).
    public enum Bucketing: String, Sendable, Hashable, Codable, CaseIterable { case fixed, groups }
    /// How tokens travel to experts.
    public struct ExpertDispatch: Sendable, Hashable {
        /// A token crosses the network once a node and is copied to its experts there over the fast links (DeepEP; arXiv:2412.19437 section 3.2.2).
        public var deduplicated = false
        /// Format of the tokens on the way to the experts, and of the gradients on theirs; nil: that of activations. Results come back in 16 bits.
        public var precision: Precision?
        public init() {}
    }
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
    /// An order that was read from a file; `schedule` then is a kind whose stages stand as its do (`PipelineSchedule.placementKind`).
    public var order: PipelineSchedule?
    /// Layers per virtual stage, in order of depth; nil: automatic.
    public var stageLayers: [Int]?
    public var overlap = Overlap()
    public var bucket = Bytes(40_000_000)
    public var offload = Offload.none
    public var offloadTarget = OffloadTarget.cpu
    /// Of the optimizer's state, where that is offloaded: the rest stays, with its gradients.
    public var offloadShare = 1.0
    /// Layers of each stage whose activations leave, where these are offloaded; nil: all.
    public var offloadLayers: Int?
    /// Whether optimizer state, or parameters too, live on the host.
    public var offloadsState: Bool { offload == .optimizer || offload == .parameters }
    public var tensorAlgorithm = TensorAlgorithm.oneD
    /// Grids of `2.5d`; 1 otherwise.
    public var tensorDepth = 1
    public var contextExchange = ContextExchange.ring
    public var contextOrder = ContextOrder.zigzag
    public var stageDeal = StageDeal.auto
    public var bucketing = Bucketing.fixed
    public var expertDispatch = ExpertDispatch()
    /// Micro-batches of a replica in each pool of the cluster, where replicas stand in pools of different speed; empty: all run the same.
    public var batchShares: [Int] = []
    /// Whether FSDP drops gathered parameters behind the forward pass, and gathers and reduces for each micro-batch; nil: as the stack does.
    public var reshardAfterForward: Bool?
    /// Share of a GPU's usable memory that searches and suggestions leave free, and above which a run is remarked on.
    public var memoryMargin = 0.05
    /// The pool whose replicas set the pace.
    public var pacingPool = 0
    public init() {}

    /// Edge of the tensor group's grid; 0 where it is none.
    public var tensorGrid: Int {
        guard tensorAlgorithm != .oneD, tensorDepth > 0 else { return 0 }
        let plane = tensor / tensorDepth
        var edge = 0
        while (edge + 1) * (edge + 1) <= plane { edge += 1 }
        return edge * edge * tensorDepth == tensor ? edge : 0
    }
    /// Parts that a matrix of weights is cut into over the tensor group.
    public var weightCuts: Int { tensorGrid > 0 ? tensorGrid * tensorGrid : max(1, tensor) }
    /// Copies of the parameters that a pipeline's ranks hold together.
    public var parameterCopies: Int { pipeline > 1 ? schedule.parameterCopies : 1 }
}
