import Calibration
import Cluster
import Quantities
import Workload

/// The data that calibrated times rest on: priors, what stacks do, fitted profiles.
public struct CalibrationData: Sendable {
    public var priors: ConstantTable
    public var stacks: StackTable
    public var profiles: ProfileTable

    public init(priors: ConstantTable, stacks: StackTable, profiles: ProfileTable) {
        self.priors = priors
        self.stacks = stacks
        self.profiles = profiles
    }
    /// The data that ship with the program.
    /// - Throws: `CalibrationError` where a data file is damaged.
    public static func shipped() throws(CalibrationError) -> CalibrationData {
        CalibrationData(
            priors: try ConstantTable.shared.get(), stacks: try StackTable.shared.get(), profiles: try ProfileTable.shared.get())
    }
}

/// Who does what, in which order, with how much memory: a job with every default filled in, its schedule, and what each piece costs.
public struct Plan: Sendable {
    /// The job with the stack's defaults filled in.
    public let job: Job
    public let behaviour: StackBehaviour
    public let profile: ProfileKey
    public let model: CostModel
    public let work: StageWork
    public let costs: StageCosts
    public let schedule: PipelineSchedule
    public let memory: MemoryEstimate
    /// How gradients and parameters travel between replicas and to the host.
    public let flow: GradientFlow
    /// Equal pieces that the last gradient pass of each virtual stage is cut into, so that its buckets leave one by one.
    public let pieces: [Int]
    /// [virtual stages] times that each rank that holds one reduces its gradients in a step.
    public let reductions: [Int]
    /// Remarks on what was assumed.
    public let warnings: [String]
    /// Relative standard error of the step time: what the profile of the stack leaves unexplained.
    public let expectedError: Double
    /// Why each constant has the value it has: reason of the prior, and how it was fitted.
    public let reasons: [Constant: String]

    /// Virtual stages without a layer, beside one that may hold the output matrix.
    public var emptyStages: Int { StageBalance.emptyStages(work.stageLayers) }
    /// Virtual stages that a rank holds.
    public func ownStages(of rank: Int) -> [Int] { schedule.virtualStage[rank] }

    /// Times that each rank that holds a virtual stage gathers its parameters in a step.
    public var gathers: Int { flow.gathers(schedule, copies: job.layout.parameterCopies) }
}

extension Job {
    /// Fills in defaults, checks the layout, cuts the model into stages, orders the micro-batches and estimates memory.
    /// - Throws: `Faults` with every problem found.
    public func plan(_ data: CalibrationData) throws(Faults) -> Plan {
        if cluster.placement == .searched { return try planSearched(data) }
        if !cluster.pools.isEmpty, layout.pipeline == 1, layout.batchShares.isEmpty { return try planShares(data) }
        var planner = Planning(job: self, data: data)
        return try planner.plan()
    }
}

/// The way from a job to its plan.
private struct Planning {
    var job: Job
    let data: CalibrationData
    let behaviour: StackBehaviour
    private var warnings: [String] = []

    init(job: Job, data: CalibrationData) {
        behaviour = data.stacks.behaviour(
            of: job.software, on: job.cluster.accelerator, isMoE: job.model.moe != nil, precision: job.precision.compute)
        self.job = job
        self.data = data
        self.job.layout.data = job.data
        self.job.software.flashAttention = behaviour.flashAttention
        self.job.software.stageBalance = behaviour.stageBalance
        if behaviour.isGeneric {
            warnings.append(
                "software.framework \"\(job.software.framework)\" has no profile of its own; the generic one is used (known: \(data.stacks.names.joined(separator: ", ")))"
            )
        }
    }

    mutating func plan() throws(Faults) -> Plan {
        let groups: GroupShapes
        do throws(PlacementError) { groups = try GroupShapes(job.deployment) } catch {
            throw Faults([.init(keyPath: "layout", reason: "\(error)", suggestion: "choose degrees whose product is the number of GPUs")]
            )
        }
        let shape = PipelineShape(job: job)
        let stageLayers: [Int]
        do throws(ScheduleError) { stageLayers = try dealtLayers(shape, groups) } catch {
            throw Faults([
                .init(
                    keyPath: "layout.stage_layers", reason: "\(error)",
                    suggestion: "change pipeline or virtual, or list the layers of each stage")
            ])
        }
        if job.software.stageBalance == .cumulated, let remark = StageBalance.emptyRemark(stageLayers) { warnings.append(remark) }
        resolveRecomputation(stageLayers)
        let model = model(on: job.cluster, groups)
        let work = StageWork(job: job, stageLayers: stageLayers)
        let costs = stageCosts(work, model, shape, groups)
        let schedule: PipelineSchedule
        do throws(ScheduleError) { schedule = try order(shape, costs, stageLayers) } catch {
            throw Faults([
                .init(
                    keyPath: "layout.schedule", reason: "\(error)",
                    suggestion: "choose another schedule, or change pipeline, virtual or batch")
            ])
        }
        let profile = ProfileKey(cluster: job.cluster, behaviour: behaviour)
        let flow = GradientFlow(job: job, behaviour: behaviour)
        let memory = memory(StagePlacement(schedule: schedule, stageLayers: stageLayers), shape)
        remark(on: memory)
        warnings += IdleKeys(job: job, behaviour: behaviour, flow: flow, data: data).remarks
        return Plan(
            job: job, behaviour: behaviour, profile: profile, model: model, work: work, costs: costs, schedule: schedule, memory: memory,
            flow: flow, pieces: work.gradientPieces(job: job, behaviour: behaviour), reductions: flow.reductions(schedule),
            warnings: warnings + (job.training.compression?.remarks(job) ?? []),
            expectedError: data.profiles.residual[behaviour.stack] ?? data.profiles.residual["generic"] ?? 0.2,
            reasons: Dictionary(
                uniqueKeysWithValues: Constant.allCases.map { ($0, "\(data.priors[$0].why) [\(data.profiles.provenance)]") }))
    }

    private func model(on cluster: ClusterSpec, _ groups: GroupShapes) -> CostModel {
        var own = job.deployment
        own.cluster = cluster
        let constants = data.profiles.constants(for: ProfileKey(cluster: cluster, behaviour: behaviour), priors: data.priors)
        return CostModel(own, behaviour: behaviour, constants: constants, groups: groups)
    }

    // MARK: layers and recomputation

    private func dealtLayers(_ shape: PipelineShape, _ groups: GroupShapes) throws(ScheduleError) -> [Int] {
        guard job.layout.stageLayers == nil, shape.virtualStages > 1 else { return try job.stageLayers(virtualStages: shape.virtualStages) }
        switch job.layout.stageDeal {
        case .auto where !job.cluster.pools.isEmpty, .time:
            let models = job.cluster.pools.isEmpty ? [model(on: job.cluster, groups)] : job.poolClusters.map { model(on: $0, groups) }
            return try job.layersByTime(shape, models: models)
        case .auto: return try job.stageLayers(virtualStages: shape.virtualStages)
        case .memory: return try job.layersByMemory(shape)
        }
    }

    /// `recompute: auto` becomes the layers that each rank repeats.
    private mutating func resolveRecomputation(_ stageLayers: [Int]) {
        guard job.training.recompute == .auto else { return }
        var placement = StagePlacement(job: job)
        placement.layers = placement.virtualStage.map { $0.map { stageLayers[$0] } }
        let counts = memory(placement, PipelineShape(job: job)).stages.map { $0.recomputedLayers ?? 0 }
        job.training.recompute = counts.allSatisfy { $0 == 0 } ? .none : .perRank(counts)
        warnings.append(
            "training.recompute auto: \(counts.map(String.init).joined(separator: ", ")) layers of the pipeline ranks are recomputed")
    }

    // MARK: costs

    private func stageCosts(_ work: StageWork, _ model: CostModel, _ shape: PipelineShape, _ groups: GroupShapes) -> StageCosts {
        var costs = StageCosts(work: work, training: job.training, model: model)
        guard !job.cluster.pools.isEmpty, shape.ranks > 1 else { return costs }
        // Each stage at the pace of the pool that its rank stands in.
        let pools = job.poolClusters.map { StageCosts(work: work, training: job.training, model: self.model(on: $0, groups)) }
        for stage in work.stages.indices {
            let own = pools[job.pool(ofRank: shape.rank(of: stage))]
            costs.stages[stage] = own.stages[stage]
            costs.data[stage] = own.data[stage]
            costs.optimizer[stage] = own.optimizer[stage]
            if costs.host.indices.contains(stage), own.host.indices.contains(stage) { costs.host[stage] = own.host[stage] }
        }
        costs.hop = pools.map(\.hop).max() ?? costs.hop
        return costs
    }

    // MARK: order and memory

    private mutating func order(_ shape: PipelineShape, _ costs: StageCosts, _ stageLayers: [Int]) throws(ScheduleError) -> PipelineSchedule
    {
        if let order = job.layout.order, shape.ranks > 1 {
            guard order.ranks.count == shape.ranks, order.chunks == shape.chunks, order.microBatches == shape.microBatches else {
                throw ScheduleError(
                    "the file orders \(order.ranks.count) ranks, \(order.chunks) chunks and \(order.microBatches) micro-batches, the job has \(shape.ranks), \(shape.chunks) and \(shape.microBatches)"
                )
            }
            return order
        }
        var scheduleCosts = costs.scheduleCosts
        guard shape.kind == .auto else {
            return try PipelineSchedule.make(
                shape.kind, ranks: shape.ranks, microBatches: shape.microBatches, chunks: shape.chunks, costs: scheduleCosts)
        }
        let room = room(shape, stageLayers)
        scheduleCosts.memory = room.perForward
        scheduleCosts.memoryLimit = room.limit
        let found = try PipelineSchedule.automatic(
            ranks: shape.ranks, microBatches: shape.microBatches, chunks: shape.chunks, costs: scheduleCosts)
        warnings.append(
            "layout.schedule auto: the order found takes \(significant(found.period)) s of passes and hops, "
                + "\(fixed(found.distance * 100, decimals: 1)) % above what no order within the memory can undercut")
        return found.schedule
    }

    /// Bytes that a forward keeps in each virtual stage, and the least that a rank has room for.
    private func room(_ shape: PipelineShape, _ stageLayers: [Int]) -> (perForward: [Double], limit: Double) {
        var placement = StagePlacement(job: job)
        placement.layers = placement.virtualStage.map { $0.map { stageLayers[$0] } }
        func filled(_ count: Double) -> MemoryEstimate {
            placement.inFlight = placement.layers.map { $0.map { _ in count } }
            return memory(placement, shape)
        }
        let (empty, one) = (filled(0), filled(1))
        var perForward = stageLayers.map { _ in 1.0 }
        var limit = Double.infinity
        for rank in placement.layers.indices {
            let held = max(
                1, one.stages[rank].activations + one.stages[rank].buffers - empty.stages[rank].activations - empty.stages[rank].buffers)
            let layers = max(1, placement.layers[rank].reduce(0, +))
            for (chunk, stage) in placement.virtualStage[rank].enumerated() {
                perForward[stage] = max(1, held * Double(placement.layers[rank][chunk]) / Double(layers))
            }
            let capacity = empty.capacities?[rank] ?? empty.capacity
            // The allocator cannot use a twentieth of what activations are given.
            let fixed = empty.stages[rank].total - empty.stages[rank].fragmentation + empty.stages[rank].context
            limit = min(limit, max(held, (capacity - fixed) / 1.05))
        }
        return (perForward, limit)
    }

    private mutating func remark(on memory: MemoryEstimate) {
        guard memory.fits, !memory.keepsMargin else { return }
        warnings.append(
            "the job needs \(fixed(memory.peak / 1e9, decimals: 1)) of the \(fixed(memory.capacity / 1e9, decimals: 1)) GB that a process can have of \(job.cluster.accelerator.name): less than layout.memory_margin (\(fixed(memory.margin * 100, decimals: 0)) %) stays free, and fragments may fill that"
        )
    }

    private func memory(_ placement: StagePlacement, _ shape: PipelineShape) -> MemoryEstimate {
        guard !job.cluster.pools.isEmpty else { return MemoryEstimate(job: job, placement: placement) }
        let estimates = job.poolClusters.map { cluster in
            var own = job
            own.cluster = cluster
            return MemoryEstimate(job: own, placement: placement)
        }
        let pools = placement.layers.indices.map { shape.ranks > 1 ? job.pool(ofRank: $0) : job.layout.pacingPool }
        var whole = MemoryEstimate(
            stages: pools.enumerated().map { estimates[$1].stages[$0] }, capacity: estimates.map(\.capacity).max() ?? 0)
        whole.capacities = pools.map { estimates[$0].capacity }
        whole.margin = job.layout.memoryMargin
        return whole
    }
}

extension Job {
    /// Layers of each virtual stage: as listed, by the stack's rule where that divides, else even with the remainder behind the first stage.
    /// - Throws: `ScheduleError` where no deal is possible.
    func stageLayers(virtualStages: Int) throws(ScheduleError) -> [Int] {
        if let listed = layout.stageLayers { return try StageBalance.explicit(listed).layers(model.layers, stages: virtualStages) }
        if software.stageBalance == .cumulated, virtualStages > 1, virtualStages <= model.layers {
            let head = Double(model.vocab) * Double(model.hidden)
            return StageBalance.cumulated(
                layers: model.layers, layer: Double(model.parameters.perDenseLayer.total), head: head, stages: virtualStages)
        }
        let rule: StageBalance? =
            switch software.stageBalance {
            case .endsMinusOne where (model.layers + 2) % virtualStages == 0: .endsMinusOne
            case .embeddingsAsLayers where (model.layers + 2) % virtualStages == 0: .embeddingsAsLayers
            case .lastShorter: .lastShorter
            default: nil
            }
        return try (rule ?? .remainder).layers(model.layers, stages: virtualStages)
    }
}

/// The pipeline that a layout asks for.
struct PipelineShape {
    var kind: ScheduleKind
    var ranks: Int
    var chunks: Int
    var microBatches: Int
    var virtualStages: Int

    init(job: Job) {
        ranks = max(1, job.layout.pipeline)
        microBatches = max(1, job.microBatches)
        var kind = job.layout.schedule
        // Chunks exist only where the schedule has them; one rank has no pipeline to order.
        if ranks == 1 { kind = .oneForwardOneBackward }
        if kind == .oneForwardOneBackward, job.layout.virtual > 1, ranks > 1 { kind = .interleaved }
        if kind == .interleaved, job.layout.virtual == 1 { kind = .oneForwardOneBackward }
        self.kind = kind
        chunks = ranks == 1 ? 1 : kind.fixedChunks ?? max(1, job.layout.virtual)
        virtualStages = kind == .dualpipe ? ranks : ranks * chunks
    }

    /// The last stage stands on the rank of the first: V-shaped placements, and both directions of DualPipe.
    var foldsBack: Bool {
        switch kind {
        case .zbV, .vHalf, .vMin, .dualpipe, .dualpipeV: true
        case .auto: chunks == 2
        default: ranks == 1
        }
    }

    /// The rank that holds a virtual stage (DualPipe: the one in whose first chunk it is).
    func rank(of stage: Int) -> Int { foldsBack && stage >= ranks ? 2 * ranks - 1 - stage : stage % ranks }
}

extension Job {
    /// The pipeline rank that holds a virtual stage (DualPipe: the one in whose first chunk it is).
    public func pipelineRank(of stage: Int) -> Int { PipelineShape(job: self).rank(of: stage) }
}

extension StageCosts {
    /// As schedules that order by time read them.
    public var scheduleCosts: ScheduleCosts {
        var costs = ScheduleCosts(
            forward: stages.map(\.forward.total), backward: stages.map(\.backward.total), weight: stages.map(\.weight.total),
            communication: hop)
        // What the exchange with experts saves where it hides behind the other direction, as a mean over the stages.
        var (whole, hidden) = (0.0, 0.0)
        for passes in stages {
            let sum = passes.forward.total + passes.backward.total + passes.weight.total
            let moving = passes.forward.seconds[.expertComm] + passes.backward.seconds[.expertComm]
            whole += sum
            hidden += min(moving, sum - moving)
        }
        if whole > 0 { costs.overlap = max(0.1, 1 - hidden / whole) }
        return costs
    }
}

extension GroupShapes {
    /// The groups of a deployment in Megatron's order: tensor, context, data (experts inside), pipeline outermost.
    init(_ deployment: Deployment) throws(PlacementError) {
        let layout = deployment.layout
        let placement = try Placement(deployment.degrees, deployment.cluster)
        tensor = placement.shape(.tensor)
        let edge = layout.tensorGrid
        tensorRow = edge > 0 ? placement.shape(stride: 1, count: edge) : tensor
        tensorColumn = edge > 0 ? placement.shape(stride: edge, count: edge) : tensor
        context = placement.shape(.context)
        expert = placement.shape(.expert)
        // Copies in both directions of a pipeline, or in the grids of a 2.5D tensor group, are replicas as well. Copies of a bidirectional pipeline
        // stand on other nodes, those of a tensor group beside each other.
        let depth = edge > 0 ? layout.tensorDepth : 1
        let copies = layout.parameterCopies
        func widened(_ shape: GroupShape, _ depth: Int) -> GroupShape {
            let inside = shape.ranks == shape.perDomain && placement.domains == 1 ? depth * copies : depth
            return GroupShape(
                ranks: shape.ranks * depth * copies, perDomain: shape.perDomain * inside, concurrent: max(1, shape.concurrent / depth))
        }
        dataContext = widened(placement.shape(.dataContext), depth)
        expertData = widened(placement.shape(.expertData), 1)
        pipelineCrossing = placement.pipelineCrossing
        pipelineSenders = max(1, placement.pipelineSenders)
    }
}
