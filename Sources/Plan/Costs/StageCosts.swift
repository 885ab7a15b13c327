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

        init(_ collectives: DataCollectives) { (gather, reduce) = (collectives.gatherSeconds, collectives.reduceSeconds) }
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

    /// What training the model of `model` as `training` says costs.
    /// - Complexity: O(ops of the different units + virtual stages).
    public init(work: StageWork, training: TrainingSpec, model: CostModel) {
        let job = Job(model.deployment, training: training)
        let constants = model.constants
        let recomputation = Recomputation(training.recompute, model: model)
        let costs = work.ops.map { model.cost(of: $0, again: recomputation.modules) }
        func data(_ parameters: StageWork.LocalParameters) -> DataCollectives {
            DataCollectives(of: parameters, model: model, compression: training.compression)
        }
        hop = Self.hop(job, model)
        let sync = job.layout.pipeline > 1 ? Self.pipelineExposure(hop: hop, model: model) : ActivitySeconds()
        let full = work.fullLayers(job)
        let forwards = Double(1 + training.passes.count)
        let demand = job.optimizerDemand
        let offload = HostCosts(job, model)
        let leaving = ActivationOffload(job)
        for (stage, units) in work.stages.enumerated() {
            var sum = Sum()
            var repeated = full[stage]
            for unit in units {
                var isFull = false
                if work.isLayer(unit), repeated > 0 {
                    repeated -= 1
                    isFull = true
                }
                sum.add(costs[unit], again: recomputation.cost(of: costs[unit], full: isFull), forwards: forwards)
            }
            var passes = sum.passes(model.timings, waiting: model.blockingPerLayer * Double(work.stageLayers[stage]))
            passes.forward.seconds += sync
            passes.backward.seconds += sync
            if model.behaviour.copiesGradients {
                // 16-bit gradients are read and added into fp32 ones: 2 + 4 + 4 bytes a parameter.
                let copy = model.timings.memorySeconds(work.parameters[stage].trained.total * 10) * constants[.gradientCopy]
                passes.backward.seconds[.other] += copy
            }
            leaving?.add(leaving?.seconds(units.map { work.units[$0] }) ?? 0, to: &passes)
            stages.append(passes)
            self.data.append(DataTraffic(data(work.parameters[stage])))
            let shard = job.layout.zero >= 1 ? Double(job.replicas) : 1
            let trained = work.parameters[stage].trained
            let start = model.updateStart(units.map { work.units[$0] }, adapters: training.adapters)
            let update = demand.seconds(parameters: trained.total, shard: shard, model: model)
            let codec = job.training.compression?.kernelSeconds(trained, model: model) ?? 0
            optimizer.append((update * constants[.optimizer] + start + codec) * constants[.degradation])
            if let offload {
                host.append(offload.traffic(work.parameters[stage]))
                // What stays is updated on the device first.
                optimizer[stage] = host[stage].step + (1 - job.layout.offloadShare) * optimizer[stage]
            }
        }
        for (unit, cost) in costs.enumerated() {
            var sum = Sum()
            let isFull = work.isLayer(unit) && (full.max() ?? 0) > 0
            sum.add(cost, again: recomputation.cost(of: cost, full: isFull), forwards: forwards)
            var passes = sum.passes(model.timings, waiting: 0)
            if let leaving, work.isLayer(unit) {
                let all = Double(max(1, work.stageLayers.max() ?? 1))
                leaving.add(leaving.seconds([work.units[unit]]) * min(1, Double(job.layout.offloadLayers ?? .max) / all), to: &passes)
            }
            units.append(passes)
            unitData.append(DataTraffic(data(work.unitParameters[unit])))
            if let offload { unitHost.append(offload.traffic(work.unitParameters[unit])) }
        }
        if job.layout.bucketing == .groups {
            groupBySize(work, width: job.deployment.reduceBytes(model.behaviour)) { data($0).reduceSeconds }
        }
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
    private mutating func groupBySize(_ work: StageWork, width: Double, reduce: (StageWork.LocalParameters) -> Double) {
        for stage in work.stages.indices {
            var (small, large) = (0.0, 0.0)
            for unit in work.stages[stage] {
                var rest = work.unitParameters[unit].trained.dense
                for op in work.ops[unit] where op.pass == .weightGradient {
                    guard case .gemm(let gemm) = op.work else { continue }
                    let elements = Double(gemm.m) * Double(gemm.n) * Double(gemm.count)
                    if !gemm.grouped { rest -= elements }
                    let parameters = StageWork.LocalParameters(dense: gemm.grouped ? 0 : elements, expert: gemm.grouped ? elements : 0)
                    let seconds = reduce(parameters)
                    if elements * width < 16e6 { small += seconds } else { large += seconds }
                }
                // Norms and biases travel together; the embedding's table has no product either.
                let together = reduce(StageWork.LocalParameters(dense: max(0, rest)))
                if rest * width < 16e6 { small += together } else { large += together }
            }
            synchronous.append(small)
            data[stage].reduce = large
        }
    }

    /// Seconds for which the activations of a micro-batch travel to the next stage.
    private static func hop(_ job: Job, _ model: CostModel) -> Double {
        guard job.layout.pipeline > 1 else { return 0 }
        let bytes = job.hopBytes
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
        let layout = model.deployment.layout
        let isOverlapped = layout.overlap.pipeline ?? (model.behaviour.pipelineOverlap && layout.virtual > 1)
        let left = isOverlapped ? constants[.pipelineOverlap] : 1
        var seconds = ActivitySeconds(.pipelineComm, constants[.pipelineExposed] * left * hop)
        seconds[.launch] = constants[.hostSync] * 1e-3 * left
        return seconds
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

    /// - Parameter forwards: forward passes of a micro-batch; one of them trains.
    mutating func add(_ cost: LayerCost, again: (cost: PassCost, kernels: Double), forwards: Double) {
        forward += cost.forward * forwards
        backward += cost.backward
        backward += again.cost
        weight += cost.weight
        forwardKernels += cost.forwardKernels * forwards
        backwardKernels += cost.backwardKernels + again.kernels
        weightKernels += cost.weightKernels
    }

    /// - Parameter waiting: seconds for which the host is held up, a third of them in the forward pass.
    func passes(_ timings: KernelTimings, waiting: Double) -> StageCosts.Passes {
        var passes = StageCosts.Passes(forward: forward, backward: backward, weight: weight)
        // Collectives are issued ahead like kernels, so the host runs beside both.
        let ahead = forward.seconds.total
        passes.forward.seconds[.launch] += timings.withLaunches(gpu: ahead, kernels: forwardKernels, waiting: waiting / 3) - ahead
        // B and W run one after the other, so the host gets ahead over both.
        let behind = backward.seconds.total + weight.seconds.total
        let launches =
            timings.withLaunches(gpu: behind, kernels: backwardKernels + weightKernels, waiting: waiting * 2 / 3) - behind
        passes.backward.seconds[.launch] += launches
        return passes
    }
}
