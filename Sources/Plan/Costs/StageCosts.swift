import Calibration
import Cluster
import Workload

/// Seconds of everything that a step is made of, by virtual stage, for one micro-batch and one rank. The schedule says how often and in which order.
public struct StageCosts: Sendable {
    /// Passes of one micro-batch over a virtual stage or a unit.
    public struct Passes: Sendable {
        public var forward = PassCost()
        /// Input gradient with recomputation; the weight gradient stands apart.
        public var backward = PassCost()
        public var weight = PassCost()
    }
    /// Collectives over the data-parallel group for one virtual stage or unit.
    public struct DataTraffic: Sendable {
        /// Gather of the parameters.
        public var gather = 0.0
        /// Reduction of the gradients.
        public var reduce = 0.0
    }

    /// [virtual stages]
    public var stages: [Passes] = []
    /// [virtual stages]
    public var data: [DataTraffic] = []
    /// [units of StageWork], for stacks that gather and reduce layer by layer.
    public var units: [Passes] = []
    /// [units of StageWork]
    public var unitData: [DataTraffic] = []
    /// [virtual stages] and [units]; empty where nothing is offloaded.
    public var host: [HostTraffic] = []
    public var unitHost: [HostTraffic] = []
    /// Reductions of small tensors that overlap nothing, [virtual stages]; empty where buckets have one size.
    public var synchronous: [Double] = []
    /// One hop between neighbouring virtual stages.
    public var hop = 0.0
    /// Optimizer step and gradient norm of each virtual stage's parameters, and where gradients are compressed the kernels of the codec, which
    /// like it run once a step on the compute stream.
    public var optimizer: [Double] = []
    /// Work of the step that no stage explains: logging, zeroing, host.
    public var fixed = 0.0
    /// Relative loss to the slowest of all workers in an ordinary cluster; what a scenario's conditions draw comes on top.
    public var slowest = 0.0
    /// Share of the data-parallel collectives that overlap does not hide.
    public var dataExposed = 0.0
    /// Relative slowing of compute while collectives run beside it.
    public var overlapSlowdown = 0.0
    /// The same where parameters are gathered unit by unit.
    public var shardedSlowdown = 0.0

    /// - Complexity: O(ops of the different units + virtual stages).
    public init(work: StageWork, model: CostModel) {
        let job = model.job
        let constants = model.constants
        let costs = work.ops.map(model.cost(of:))
        hop = Self.hop(model)
        let sync = job.layout.pipeline > 1 ? Self.pipelineExposure(hop: hop, model: model) : ActivitySeconds()
        let full = Self.fullLayers(work: work, job: job)
        let demand = OptimizerDemand(job.training.optimizer, model: job.model)
        let offload = HostCosts(model)
        for (stage, units) in work.stages.enumerated() {
            var sum = Sum()
            var repeated = full[stage]
            for unit in units {
                var isFull = false
                if case .layer = work.units[unit], repeated > 0 {
                    repeated -= 1
                    isFull = true
                }
                sum.add(costs[unit], again: model.recomputation(of: costs[unit], full: isFull))
            }
            var passes = sum.passes(model.timings)
            passes.forward.seconds += sync
            passes.backward.seconds += sync
            if model.behaviour.copiesGradients {
                // 16-bit gradients are read and added into fp32 ones: 2 + 4 + 4 bytes a parameter.
                let copy = model.timings.memorySeconds(work.parameters[stage].total * 10) * constants[.gradientCopy]
                passes.backward.seconds[.other] += copy
            }
            stages.append(passes)
            data.append(Self.traffic(work.parameters[stage], model: model))
            let shard = job.layout.zero >= 1 ? Double(job.replicas) : 1
            let update = demand.seconds(parameters: work.parameters[stage].total, shard: shard, model: model)
            let codec = job.training.compression?.kernelSeconds(work.parameters[stage], model: model) ?? 0
            optimizer.append((update * constants[.optimizer] + codec) * constants[.degradation])
            if let offload {
                host.append(offload.traffic(work.parameters[stage]))
                optimizer[stage] = host[stage].step
            }
        }
        for (unit, cost) in costs.enumerated() {
            var sum = Sum()
            var isFull = false
            if case .layer = work.units[unit] { isFull = (full.max() ?? 0) > 0 }
            sum.add(cost, again: model.recomputation(of: cost, full: isFull))
            units.append(sum.passes(model.timings))
            unitData.append(Self.traffic(work.unitParameters[unit], model: model))
            if let offload { unitHost.append(offload.traffic(work.unitParameters[unit])) }
        }
        if job.layout.bucketing == .groups { groupBySize(work: work, model: model) }
        let degradation = constants[.degradation]
        if degradation != 1 {
            for stage in stages.indices { stages[stage].scale(degradation) }
            for unit in units.indices { units[unit].scale(degradation) }
        }
        fixed = constants[.fixed] * 1e-3
        slowest = constants[.jitter] * logarithm(max(1, Double(job.cluster.gpus) / 8))
        dataExposed = constants[.dataExposed]
        overlapSlowdown = constants[.overlapSlowdown]
        shardedSlowdown = constants[.shardedSlowdown]
    }

    /// Tensors below 16 MB are reduced one by one as soon as they are there and hold the backward pass up; larger ones leave alone, beside it.
    private mutating func groupBySize(work: StageWork, model: CostModel) {
        let job = model.job
        let width = max(model.behaviour.reduceBytes, job.sharding.activationBytes)
        let operation: CollectiveOp = job.layout.zero == 0 ? .allReduce : .reduceScatter
        for stage in work.stages.indices {
            var (small, large) = (0.0, 0.0)
            for unit in work.stages[stage] {
                var rest = work.unitParameters[unit].dense
                for op in work.ops[unit] where op.pass == .weightGradient {
                    guard case .gemm(let gemm) = op.work else { continue }
                    let elements = Double(gemm.m) * Double(gemm.n) * Double(gemm.count)
                    if !gemm.grouped { rest -= elements }
                    let group = gemm.grouped ? model.groups.expertData : model.groups.dataContext
                    let seconds = model.seconds(operation, bytes: elements * width, group: group)
                    if elements * width < 16e6 { small += seconds } else { large += seconds }
                }
                // Norms and biases travel together; the embedding's table has no product either.
                let together = model.seconds(operation, bytes: max(0, rest) * width, group: model.groups.dataContext)
                if rest * width < 16e6 { small += together } else { large += together }
            }
            synchronous.append(small)
            data[stage].reduce = large
        }
    }

    /// Layers of each virtual stage that are recomputed in full.
    private static func fullLayers(work: StageWork, job: Job) -> [Int] {
        switch job.training.recompute {
        case .none, .selective, .modules, .auto: return work.stageLayers.map { _ in 0 }
        case .full: return work.stageLayers
        case .layers(let count): return firstLayers(Array(repeating: count, count: max(1, job.layout.pipeline)), work: work, job: job)
        case .perRank(let counts): return firstLayers(counts, work: work, job: job)
        }
    }

    /// The first layers of each rank, chunk by chunk, [virtual stages].
    private static func firstLayers(_ counts: [Int], work: StageWork, job: Job) -> [Int] {
        let shape = PipelineShape(job: job)
        var left = counts
        return work.stageLayers.enumerated().map { stage, layers in
            let rank = shape.rank(of: stage)
            guard left.indices.contains(rank) else { return 0 }
            let taken = min(layers, left[rank])
            left[rank] -= taken
            return taken
        }
    }

    /// Seconds for which the activations of a micro-batch travel to the next stage. The message is cut over the tensor group, as Megatron
    /// (arXiv:2104.04473 section 4.1) and DeepSpeed do.
    private static func hop(_ model: CostModel) -> Double {
        let job = model.job
        guard job.layout.pipeline > 1 else { return 0 }
        let bytes =
            Double(job.sharding.tokens) * Double(job.model.hidden) * job.sharding.activationBytes / Double(max(1, job.layout.tensor))
        let groups = model.groups
        let inside = model.seconds(.sendReceive, bytes: bytes, group: GroupShape(ranks: 2, perDomain: 2, concurrent: 1))
        guard groups.pipelineCrossing > 0 else { return inside }
        let across = model.seconds(
            .sendReceive, bytes: bytes, group: GroupShape(ranks: 2, perDomain: 1, concurrent: groups.pipelineSenders))
        return across * groups.pipelineCrossing + inside * (1 - groups.pipelineCrossing)
    }

    /// What a blocking send-receive pair and the host's synchronisation add to each pass of a stage, beside the hop itself.
    private static func pipelineExposure(hop: Double, model: CostModel) -> ActivitySeconds {
        let constants = model.constants
        let isOverlapped = model.job.layout.overlap.pipeline ?? (model.behaviour.pipelineOverlap && model.job.layout.virtual > 1)
        let left = isOverlapped ? constants[.pipelineOverlap] : 1
        var seconds = ActivitySeconds(.pipelineComm, constants[.pipelineExposed] * left * hop)
        seconds[.launch] = constants[.hostSync] * 1e-3 * left
        return seconds
    }

    /// Gather and reduction of the given local parameters over their data-parallel groups.
    static func traffic(_ parameters: StageWork.LocalParameters, model: CostModel) -> DataTraffic {
        let job = model.job
        let behaviour = model.behaviour
        let zero = job.layout.zero
        let weightBytes = job.sharding.activationBytes
        let reduceBytes = job.training.precision.reduce?.bytes ?? max(behaviour.reduceBytes, weightBytes)
        var traffic = DataTraffic()
        for (count, group) in [(parameters.dense, model.groups.dataContext), (parameters.expert, model.groups.expertData)] where count > 0 {
            if let compression = job.training.compression, group.ranks > 1 {
                traffic.reduce += compression.networkSeconds(elements: count, group: group, model: model)
                if zero >= 1 { traffic.gather += model.seconds(.allGather, bytes: count * weightBytes, group: group) }
                continue
            }
            guard let hybrid = model.hybridGroups(of: group) else {
                let reduction: CollectiveOp = zero == 0 || (behaviour.zero1AllReduce && zero < 3) ? .allReduce : .reduceScatter
                traffic.reduce += model.seconds(reduction, bytes: count * reduceBytes, group: group)
                if zero >= 1 { traffic.gather += model.seconds(.allGather, bytes: count * weightBytes, group: group) }
                continue
            }
            // Hybrid sharding: gather and scatter inside the group, all-reduce of each shard across the replicas.
            traffic.reduce += model.seconds(.reduceScatter, bytes: count * reduceBytes, group: hybrid.inside)
            traffic.reduce += model.seconds(.allReduce, bytes: count * reduceBytes / Double(hybrid.inside.ranks), group: hybrid.across)
            traffic.gather += model.seconds(.allGather, bytes: count * weightBytes, group: hybrid.inside)
        }
        return traffic
    }
}

extension CostModel {
    /// The groups of hybrid sharding where `group` is cut, else nil.
    func hybridGroups(of group: GroupShape) -> (inside: GroupShape, across: GroupShape)? {
        guard job.layout.zero >= 2 else { return nil }
        let asked = job.layout.shardGroup ?? (behaviour.shardsInNode ? job.cluster.gpusPerNode : group.ranks)
        guard asked < group.ranks, asked > 0 else { return nil }
        let inside = GroupShape(ranks: asked, perDomain: min(asked, max(1, group.perDomain)), concurrent: group.concurrent)
        let replicas = group.ranks / asked
        let perDomain = max(1, group.perDomain / asked)
        let across = GroupShape(
            ranks: replicas, perDomain: min(replicas, perDomain), concurrent: group.concurrent * min(asked, group.perDomain))
        return (inside, across)
    }
}

extension StageCosts.Passes {
    mutating func scale(_ factor: Double) {
        forward = forward * factor
        backward = backward * factor
        weight = weight * factor
    }
}

/// Adds up units that run in a row, so that launch costs are met once for all of them.
private struct Sum {
    var forward = PassCost()
    var backward = PassCost()
    var weight = PassCost()
    var forwardKernels = 0.0
    var backwardKernels = 0.0
    var weightKernels = 0.0

    mutating func add(_ cost: LayerCost, again: (cost: PassCost, kernels: Double)) {
        forward += cost.forward
        backward += cost.backward
        backward += again.cost
        weight += cost.weight
        forwardKernels += cost.forwardKernels
        backwardKernels += cost.backwardKernels + again.kernels
        weightKernels += cost.weightKernels
    }

    func passes(_ timings: KernelTimings) -> StageCosts.Passes {
        var passes = StageCosts.Passes(forward: forward, backward: backward, weight: weight)
        let ahead = forward.seconds[.forward]
        passes.forward.seconds[.launch] += timings.withLaunches(gpu: ahead, kernels: forwardKernels) - ahead
        // B and W run one after the other, so the host gets ahead over both.
        let back = backward.seconds[.backward] + backward.seconds[.recompute]
        let behind = back + weight.seconds[.backward]
        let launches = timings.withLaunches(gpu: behind, kernels: backwardKernels + weightKernels) - behind
        passes.backward.seconds[.launch] += launches
        return passes
    }
}
