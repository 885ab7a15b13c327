import Calibration
import Cluster
import Workload

/// Number formats. `compute` is that of the matrix products.
public struct PrecisionPolicy: Sendable, Hashable {
    public var compute: Precision
    /// Format that gradients are kept and reduced in; nil: the stack's default.
    public var gradients: Precision?
    public var master: Precision?
    public var reduce: Precision?
    /// Format in which inputs of matrix products and activation functions are kept for the backward pass; nil: as the stack does.
    public var activations: Precision?
    public init(compute: Precision) { self.compute = compute }

    /// Matrix products take 32-bit operands.
    public var computesWide: Bool { compute == .fp32 || compute == .tf32 }
    /// Bytes of an activation, and of a parameter that is gathered.
    public var activationBytes: Double { computesWide ? 4 : 2 }
}

/// A model on its machines: what is computed where, in which formats and by which software, whatever it is used for.
public struct Deployment: Sendable, Hashable {
    public var model: Architecture
    public var cluster: ClusterSpec
    public var layout: Layout
    public var precision: PrecisionPolicy
    public var software: SoftwareStack

    public init(
        model: Architecture, cluster: ClusterSpec, layout: Layout, precision: PrecisionPolicy = PrecisionPolicy(compute: .bf16),
        software: SoftwareStack
    ) {
        self.model = model
        self.cluster = cluster
        self.layout = layout
        self.precision = precision
        self.software = software
    }

    /// Data-parallel replicas.
    public var data: Int { layout.data ?? max(1, cluster.gpus / max(1, layout.tensor * layout.pipeline * layout.context)) }
    /// GPUs that hold the same parameters: data and context ranks, copies of a bidirectional pipeline, grids of a 2.5D tensor group.
    public var replicas: Int {
        let grids = layout.tensorGrid > 0 ? max(1, layout.tensorDepth) : 1
        return max(1, data * max(1, layout.context) * layout.parameterCopies * grids)
    }
    /// In how many parts the work is cut.
    var degrees: ParallelDegrees {
        ParallelDegrees(
            tensor: layout.tensor, context: layout.context, expert: layout.expert, expertTensor: layout.expertTensor, data: data,
            pipeline: layout.pipeline)
    }
    /// Bytes of an element of the gradients on the wire: as the scenario says, else as the stack does.
    public func reduceBytes(_ behaviour: StackBehaviour) -> Double {
        precision.reduce?.bytes ?? max(behaviour.reduceBytes, precision.activationBytes)
    }

    /// How `samples` sequences of `sequence` tokens, computed at once, are cut over the ranks of a model-parallel group.
    public func sharding(samples: Int, sequence: Int) -> Sharding {
        var sharding = Sharding()
        sharding.microBatch = samples
        sharding.sequence = sequence
        sharding.tensor = layout.tensor
        sharding.sequenceParallel = layout.sequenceParallel && layout.tensor > 1
        sharding.context = layout.context
        sharding.expert = layout.expert
        sharding.expertTensor = layout.expertTensor
        sharding.grid = layout.tensorGrid
        sharding.gridDepth = max(1, layout.tensorDepth)
        sharding.contextByHeads = layout.contextExchange == .allToAll
        sharding.contextBalanced = layout.contextOrder == .zigzag
        // Low formats carry a 4-byte scale for each 128 elements (arXiv:2412.19437 section 3.3.2).
        sharding.dispatchBytes = layout.expertDispatch.precision.map { $0.bytes + ($0.isLow ? 4.0 / 128 : 0) }
        sharding.activationBytes = precision.activationBytes
        return sharding
    }
}

/// Everything that decides a training step: a model on its machines, and how it is trained.
public struct Job: Sendable, Hashable {
    public var deployment: Deployment
    public var training: TrainingSpec

    public init(_ deployment: Deployment, training: TrainingSpec) {
        self.deployment = deployment
        self.training = training
    }
    public init(
        model: Architecture, cluster: ClusterSpec, layout: Layout, precision: PrecisionPolicy = PrecisionPolicy(compute: .bf16),
        training: TrainingSpec, software: SoftwareStack
    ) {
        self.init(
            Deployment(model: model, cluster: cluster, layout: layout, precision: precision, software: software), training: training)
    }

    public var model: Architecture {
        get { deployment.model }
        set { deployment.model = newValue }
    }
    public var cluster: ClusterSpec {
        get { deployment.cluster }
        set { deployment.cluster = newValue }
    }
    public var layout: Layout {
        get { deployment.layout }
        set { deployment.layout = newValue }
    }
    public var precision: PrecisionPolicy {
        get { deployment.precision }
        set { deployment.precision = newValue }
    }
    public var software: SoftwareStack {
        get { deployment.software }
        set { deployment.software = newValue }
    }
    public var data: Int { deployment.data }
    public var replicas: Int { deployment.replicas }

    /// Micro-batches that each pipeline runs in a step.
    public var microBatches: Int {
        layout.batchShares.indices.contains(layout.pacingPool)
            ? layout.batchShares[layout.pacingPool] : training.globalBatch / max(1, data * training.microBatch)
    }
    /// How one micro-batch is cut over the ranks of a model-parallel group.
    public var sharding: Sharding { deployment.sharding(samples: training.microBatch, sequence: training.sequence) }
    /// Bytes of the activations of a micro-batch that a GPU sends to its counterpart of the next stage. The message is cut over the tensor group, as Megatron
    /// (arXiv:2104.04473 section 4.1) and DeepSpeed do.
    public var hopBytes: Double {
        Double(sharding.tokens) * Double(model.hidden) * sharding.activationBytes / Double(max(1, layout.tensor))
    }
}
