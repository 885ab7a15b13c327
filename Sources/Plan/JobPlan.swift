import Calibration
import Cluster
import Quantities
import Workload

/// Why a job cannot be planned; every problem that was found, each with the key to change.
public struct PlanError: Error, Sendable, CustomStringConvertible {
    public struct Problem: Sendable, Hashable {
        /// Path of the scenario key at fault: "layout.tensor".
        public var keyPath: String
        public var reason: String
        public var suggestion: String
        public init(keyPath: String, reason: String, suggestion: String) {
            self.keyPath = keyPath
            self.reason = reason
            self.suggestion = suggestion
        }
    }
    public let problems: [Problem]
    public init(_ problems: [Problem]) { self.problems = problems }
    public var description: String { problems.map { "\($0.keyPath): \($0.reason); \($0.suggestion)" }.joined(separator: "\n") }
}

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
    /// Equal pieces that the last gradient pass of each virtual stage is cut into, so that its buckets leave one by one.
    public let pieces: [Int]
    /// Remarks on what was assumed.
    public let warnings: [String]
    /// Relative standard error of the step time: what the profile of the stack leaves unexplained.
    public let expectedError: Double
    /// Why each constant has the value it has: reason of the prior, and how it was fitted.
    public let reasons: [Constant: String]

    /// Virtual stages that a rank holds.
    public func ownStages(of rank: Int) -> [Int] { schedule.virtualStage[rank] }

    /// Parameters are gathered, used and dropped layer by layer (ZeRO-3; ZeRO-2 without a pipeline gathers once a step).
    public var gathersByUnit: Bool { hasReplicas && (job.layout.zero == 3 || job.layout.zero == 2 && job.layout.pipeline == 1) }
    /// Gathered again for each micro-batch and pass.
    public var gathersAgain: Bool { job.layout.zero == 3 }
    public var hasReplicas: Bool { job.data * job.layout.context > 1 }
    private var overlapsReduction: Bool { job.layout.overlap.gradReduce ?? behaviour.dataOverlap }
    private var overlapsGather: Bool { job.layout.overlap.paramGather ?? behaviour.dataOverlap }
    /// Gradients leave bucket by bucket beside the last backward pass.
    public var reducesInPieces: Bool { hasReplicas && !gathersByUnit && overlapsReduction }
    public var reducesAtEnd: Bool { hasReplicas && !gathersByUnit && !overlapsReduction }
    /// Parameters updated in shards are gathered beside the next step's first forward passes, or right after the optimizer.
    public var gathersAhead: Bool { hasReplicas && !gathersByUnit && job.layout.zero >= 1 && overlapsGather }
    public var gathersAtEnd: Bool { hasReplicas && !gathersByUnit && job.layout.zero >= 1 && !overlapsGather }
    /// Data-parallel collectives that run beside compute, of which a calibrated share stays exposed.
    public var overlapsData: Bool { reducesInPieces || gathersAhead }
}

extension Job {
    /// Fills in defaults, checks the layout, cuts the model into stages, orders the micro-batches and estimates memory.
    /// - Throws: `PlanError` with every problem found.
    public func plan(_ data: CalibrationData) throws(PlanError) -> Plan {
        if cluster.placement == .searched { return try planSearched(data) }
        let behaviour = data.stacks.behaviour(
            of: software, on: cluster.accelerator, isMoE: model.moe != nil, precision: training.precision.compute)
        var job = self
        job.layout.data = self.data
        job.software.flashAttention = behaviour.flashAttention
        job.software.stageBalance = behaviour.stageBalance
        let groups: GroupShapes
        do throws(PlacementError) { groups = try GroupShapes(job: job) } catch {
            throw PlanError([.init(keyPath: "layout", reason: "\(error)", suggestion: "choose degrees whose product is the number of GPUs")]
            )
        }
        let profile = ProfileKey(cluster: cluster, behaviour: behaviour)
        let constants = data.profiles.constants(for: profile, priors: data.priors)
        let model = CostModel(job: job, behaviour: behaviour, constants: constants, groups: groups)
        let shape = PipelineShape(job: job)
        let stageLayers: [Int]
        do throws(ScheduleError) { stageLayers = try job.stageLayers(virtualStages: shape.virtualStages) } catch {
            throw PlanError([
                .init(
                    keyPath: "layout.stage_layers", reason: "\(error)",
                    suggestion: "change pipeline or virtual, or list the layers of each stage")
            ])
        }
        let work = StageWork(job: job, stageLayers: stageLayers)
        let costs = StageCosts(work: work, model: model)
        let schedule: PipelineSchedule
        do throws(ScheduleError) {
            schedule = try PipelineSchedule.make(
                shape.kind, ranks: shape.ranks, microBatches: shape.microBatches, chunks: shape.chunks, costs: costs.scheduleCosts)
        } catch {
            throw PlanError([
                .init(
                    keyPath: "layout.schedule", reason: "\(error)",
                    suggestion: "choose another schedule, or change pipeline, virtual or batch")
            ])
        }
        let placement = StagePlacement(
            layers: schedule.virtualStage.map { $0.map { stageLayers[$0] } }, inFlight: StagePlacement(job: job).inFlight,
            virtualStage: schedule.virtualStage)
        return Plan(
            job: job, behaviour: behaviour, profile: profile, model: model, work: work, costs: costs, schedule: schedule,
            memory: MemoryEstimate(job: job, placement: placement),
            pieces: work.stages.map { max(1, min($0.count, 16)) },
            warnings: behaviour.isGeneric
                ? [
                    "software.framework \"\(software.framework)\" has no profile of its own; the generic one is used (known: \(data.stacks.names.joined(separator: ", ")))"
                ]
                : [],
            expectedError: data.profiles.residual[behaviour.stack] ?? data.profiles.residual["generic"] ?? 0.2,
            reasons: Dictionary(
                uniqueKeysWithValues: Constant.allCases.map { ($0, "\(data.priors[$0].why) [\(data.profiles.provenance)]") }))
    }
}

extension Job {
    /// Layers of each virtual stage: as listed, by the stack's rule where that divides, else even with the remainder behind the first stage.
    /// - Throws: `ScheduleError` where no deal is possible.
    func stageLayers(virtualStages: Int) throws(ScheduleError) -> [Int] {
        if let listed = layout.stageLayers { return try StageBalance.explicit(listed).layers(model.layers, stages: virtualStages) }
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
}

extension StageCosts {
    /// As schedules that order by time read them.
    var scheduleCosts: ScheduleCosts {
        ScheduleCosts(
            forward: stages.map(\.forward.total), backward: stages.map(\.backward.total), weight: stages.map(\.weight.total),
            communication: hop)
    }
}

extension GroupShapes {
    /// The groups of a job in Megatron's order: tensor, context, data (experts inside), pipeline outermost.
    init(job: Job) throws(PlacementError) {
        let placement = try Placement(job.degrees, job.cluster)
        tensor = placement.shape(.tensor)
        context = placement.shape(.context)
        expert = placement.shape(.expert)
        dataContext = placement.shape(.dataContext)
        expertData = placement.shape(.expertData)
        pipelineCrossing = placement.pipelineCrossing
        pipelineSenders = max(1, placement.pipelineSenders)
    }
}
