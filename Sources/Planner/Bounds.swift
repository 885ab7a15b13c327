import Calibration
import Plan
import Quantities
import Simulation
import Synchronization
import Workload

/// Lower bounds of all layouts of a space.
struct Bounds {
    /// [choices] figures that the layout cannot undercut; infinite where it cannot be planned, nil where time ran out before its turn.
    let figures: [LayoutFigures?]

    /// - Parameters:
    ///   - jobs: threads; changes nothing but the time.
    ///   - isOver: asked now and then; true ends the work. At least the first group of layouts is bounded.
    init(
        space: SearchSpace, objective: Objective, data: CalibrationData, jobs: Int, isOver: @escaping @Sendable () -> Bool = { false }
    ) {
        let groups = Self.scattered(Self.groups(space.choices))
        // The first group is bounded however little time there is.
        let found = parallelMap(Array(groups.indices), jobs: jobs) { index -> [LayoutFigures?] in
            guard index == 0 || !isOver() else { return [] }
            return Self.figures(of: groups[index], in: space, objective, data) { index > 0 && isOver() }
        }
        var figures = [LayoutFigures?](repeating: nil, count: space.choices.count)
        for (group, own) in zip(groups, found) where !own.isEmpty { figures.replaceSubrange(group, with: own) }
        self.figures = figures
    }

    private static func figures(
        of group: Range<Int>, in space: SearchSpace, _ objective: Objective, _ data: CalibrationData, until isOver: () -> Bool
    ) -> [LayoutFigures?] {
        var shared = SharedCosts(space: space, first: space.choices[group.lowerBound], data: data)
        var figures: [LayoutFigures?] = []
        for index in group {
            if figures.count % 64 == 63, isOver() { break }
            figures.append(shared?.bound(space.choices[index], objective) ?? LayoutFigures(seconds: .infinity))
        }
        return figures + Array(repeating: nil, count: group.count - figures.count)
    }

    /// The groups in an order that visits all parts of the space early, so that bounds that time cuts short are a fair sample: each pass takes every
    /// 16th group.
    private static func scattered(_ groups: [Range<Int>]) -> [Range<Int>] {
        (0..<16).flatMap { first in stride(from: first, to: groups.count, by: 16).map { groups[$0] } }
    }

    /// Runs of layouts with the same process groups and the same way of dealing sequences.
    private static func groups(_ choices: [LayoutChoice]) -> [Range<Int>] {
        var groups: [Range<Int>] = []
        var start = 0
        for index in choices.indices.dropFirst() where !sharesGroups(choices[index], choices[start]) {
            groups.append(start..<index)
            start = index
        }
        if start < choices.count { groups.append(start..<choices.count) }
        return groups
    }

    private static func sharesGroups(_ a: LayoutChoice, _ b: LayoutChoice) -> Bool { a.groups == b.groups }
}

/// Costs that layouts of one set of process groups share: only micro-batch and stages change the work, only recomputation and sharding its price.
struct SharedCosts {
    private let job: Job
    private let behaviour: StackBehaviour
    /// Of the plainest layout.
    private let model: CostModel
    private let modelFLOPs: Double
    private struct Price: Hashable {
        var microBatch: Int
        var stages: Int
        var recompute: Recompute
        var zero: Int
        /// Sends of chunks overlap under some stacks.
        var virtual: Int
        var stageLayers: [Int]?
        var stageDeal: Layout.StageDeal
        /// Bidirectional pipelines reduce and shard over twice the replicas.
        var copies: Int
    }
    private let data: CalibrationData
    /// Process groups where each stage has two copies; made when first asked for.
    private var twinGroups: GroupShapes??
    private let plain: Job
    /// What the links let flows do; made when first asked for, nil where the network cannot be laid out.
    private var floor: LinkFloor??
    private var latest: (micro: Int, layers: [Int], work: StageWork)?
    private var priced: [Price: (costs: StageCosts, work: StageWork)] = [:]

    /// nil where the process groups cannot be placed.
    init?(space: SearchSpace, first: LayoutChoice, data: CalibrationData) {
        // One micro-batch and the plainest schedule: cheap, and with the same groups.
        var plain = first
        (plain.microBatch, plain.schedule, plain.virtual, plain.recompute, plain.zero) = (1, .gpipe, 1, .none, 0)
        plain.stageLayers = nil
        plain.stageDeal = .auto
        var job = space.job(plain)
        job.training.globalBatch = job.data
        self.data = data
        self.plain = job
        guard let plan = try? job.plan(data) else { return nil }
        behaviour = plan.behaviour
        model = plan.model
        self.job = space.job.filled(with: plan.behaviour)
        modelFLOPs = space.job.modelFLOPs()
    }

    /// - Parameters:
    ///   - findsLayers: whether `recompute: auto` is resolved, which takes an estimate of the memory.
    ///   - onLinks: whether the step is played as flows, whose links take more time than the closed form knows.
    mutating func bound(
        _ choice: LayoutChoice, _ objective: Objective, findsLayers: Bool = false, onLinks: Bool = false
    ) -> LayoutFigures {
        var job = job.laidOut(choice)
        // Which layers `auto` takes is found when the layout's turn comes; none is the least.
        if choice.recompute == .auto { job.training.recompute = findsLayers ? job.fewestRecomputed.policy : .none }
        guard let (costs, work) = costs(choice, job: job) else { return LayoutFigures(seconds: .infinity) }
        let extra = onLinks ? linkExtra(job, work: work, costs: costs) : LinkExtra.none
        return objective.bound(
            StepBound(job: job, behaviour: behaviour, work: work, costs: costs, extra: extra), job: job, modelFLOPs: modelFLOPs)
    }

    private mutating func linkExtra(_ job: Job, work: StageWork, costs: StageCosts) -> LinkExtra {
        if floor == nil { floor = .some((try? plain.plan(data)).flatMap { try? LinkFloor(plan: $0) }) }
        guard var links = floor ?? nil, let groups = groups(copies: job.layout.parameterCopies) else { return .none }
        let flow = GradientFlow(job: job, behaviour: behaviour)
        let extra = LinkExtra(
            &links, costs: costs, traffic: PassTraffic(job: job, work: work, model: model.laidOut(job.deployment, groups: groups)),
            byUnit: flow.gathersByUnit)
        floor = links
        return extra
    }

    private mutating func costs(_ choice: LayoutChoice, job: Job) -> (StageCosts, StageWork)? {
        let stages = choice.pipeline * (choice.schedule == .dualpipe ? 1 : max(choice.virtual, choice.schedule.fixedChunks ?? 1))
        let price = Price(
            microBatch: choice.microBatch, stages: stages, recompute: job.training.recompute, zero: choice.zero,
            virtual: choice.virtual, stageLayers: choice.stageLayers, stageDeal: choice.stageDeal, copies: job.layout.parameterCopies)
        if let known = priced[price] { return known }
        let work: StageWork
        let layers: [Int]
        if choice.stageDeal == .auto {
            layers = Self.layers(job, stages: stages)
        } else {
            // Dealt by cost: only the plan knows how.
            guard let plan = try? job.plan(data) else { return nil }
            layers = plan.work.stageLayers
        }
        guard let groups = groups(copies: price.copies) else { return nil }
        if let latest, latest.micro == choice.microBatch, latest.layers == layers {
            work = latest.work
        } else {
            work = StageWork(job: job, stageLayers: layers)
            latest = (choice.microBatch, layers, work)
        }
        let model = model.laidOut(job.deployment, groups: groups)
        let costs = StageCosts(work: work, training: job.training, model: model)
        priced[price] = (costs, work)
        return (costs, work)
    }

    private mutating func groups(copies: Int) -> GroupShapes? {
        guard copies > 1 else { return model.groups }
        if let known = twinGroups { return known }
        var job = plain
        job.layout.schedule = .dualpipe
        job.training.globalBatch = job.data * 2 * max(1, job.layout.pipeline)
        let made = (try? job.plan(data))?.model.groups
        twinGroups = .some(made)
        return made
    }

    /// Layers of each virtual stage, in order of depth.
    private static func layers(_ job: Job, stages: Int) -> [Int] {
        let placement = StagePlacement(job: job)
        var layers = [Int](repeating: 0, count: stages)
        for (counts, depths) in zip(placement.layers, placement.virtualStage) {
            for (count, depth) in zip(counts, depths) where depth < stages { layers[depth] = count }
        }
        return layers
    }
}

extension Job {
    /// What `recompute: auto` means for this job, and whether it then fits: whole layers of each pipeline rank.
    var fewestRecomputed: (policy: Recompute, isNone: Bool, isFull: Bool) {
        let stages = MemoryEstimate(job: self).stages
        let counts = stages.map { $0.recomputedLayers ?? 0 }
        let isNone = counts.allSatisfy { $0 == 0 }
        return (isNone ? .none : .perRank(counts), isNone, counts.reduce(0, +) >= model.layers)
    }

    /// With the stack's defaults, which decide the memory and how layers are dealt.
    func filled(with behaviour: StackBehaviour) -> Job {
        var job = self
        job.software.flashAttention = behaviour.flashAttention
        job.software.stageBalance = behaviour.stageBalance
        return job
    }
}
