import Calibration
import Dispatch
import Plan
import Synchronization
import Workload

/// Lower bounds of all layouts of a space.
struct Bounds {
    /// [choices] value of the objective that the layout cannot undercut; infinite where it cannot be planned.
    let values: [Double]

    /// - Parameter jobs: threads; changes nothing but the time.
    init(space: SearchSpace, objective: Objective, data: CalibrationData, jobs: Int) {
        let groups = Self.groups(space.choices)
        let next = Atomic(0)
        let values = Mutex([Double](repeating: .infinity, count: space.choices.count))
        DispatchQueue.concurrentPerform(iterations: max(1, min(jobs, groups.count))) { _ in
            while true {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < groups.count else { return }
                var shared = SharedCosts(space: space, first: space.choices[groups[index].lowerBound], data: data)
                let own = groups[index].map { shared?.bound(space.choices[$0], objective) ?? .infinity }
                values.withLock { $0.replaceSubrange(groups[index], with: own) }
            }
        }
        self.values = values.withLock { $0 }
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

    private static func sharesGroups(_ a: LayoutChoice, _ b: LayoutChoice) -> Bool {
        a.tensor == b.tensor && a.context == b.context && a.pipeline == b.pipeline && a.expert == b.expert
            && a.expertTensor == b.expertTensor && a.sequenceParallel == b.sequenceParallel
    }
}

/// Costs that layouts of one set of process groups share: only micro-batch and stages change the work, only recomputation and sharding its price.
struct SharedCosts {
    private let job: Job
    private let behaviour: StackBehaviour
    private let constants: Constants
    private let groups: GroupShapes
    private let modelFLOPs: Double
    private struct Price: Hashable {
        var microBatch: Int
        var stages: Int
        var recompute: Recompute
        var zero: Int
        /// Sends of chunks overlap under some stacks.
        var virtual: Int
    }
    private var latest: (micro: Int, stages: Int, work: StageWork)?
    private var priced: [Price: (costs: StageCosts, work: StageWork)] = [:]

    /// nil where the process groups cannot be placed.
    init?(space: SearchSpace, first: LayoutChoice, data: CalibrationData) {
        // One micro-batch and the plainest schedule: cheap, and with the same groups.
        var plain = first
        (plain.microBatch, plain.schedule, plain.virtual, plain.recompute, plain.zero) = (1, .gpipe, 1, .none, 0)
        var job = space.job(plain)
        job.training.globalBatch = job.data
        guard let plan = try? job.plan(data) else { return nil }
        behaviour = plan.behaviour
        constants = plan.model.constants
        groups = plan.model.groups
        self.job = space.job.filled(with: plan.behaviour)
        modelFLOPs = space.job.model.modelFLOPs(sequence: space.job.training.sequence, globalBatch: space.job.training.globalBatch)
    }

    mutating func bound(_ choice: LayoutChoice, _ objective: Objective) -> Double {
        let job = job.laidOut(choice)
        let (costs, work) = costs(choice, job: job)
        return objective.bound(
            StepBound(job: job, behaviour: behaviour, work: work, costs: costs), job: job, modelFLOPs: modelFLOPs)
    }

    private mutating func costs(_ choice: LayoutChoice, job: Job) -> (StageCosts, StageWork) {
        let stages = choice.pipeline * (choice.schedule == .zbV ? 2 : choice.virtual)
        let price = Price(
            microBatch: choice.microBatch, stages: stages, recompute: choice.recompute, zero: choice.zero, virtual: choice.virtual)
        if let known = priced[price] { return known }
        let work: StageWork
        if let latest, latest.micro == choice.microBatch, latest.stages == stages {
            work = latest.work
        } else {
            work = StageWork(job: job, stageLayers: Self.layers(job, stages: stages))
            latest = (choice.microBatch, stages, work)
        }
        let model = CostModel(job: job, behaviour: behaviour, constants: constants, groups: groups)
        let costs = StageCosts(work: work, model: model)
        priced[price] = (costs, work)
        return (costs, work)
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
    /// With the stack's defaults, which decide the memory and how layers are dealt.
    func filled(with behaviour: StackBehaviour) -> Job {
        var job = self
        job.software.flashAttention = behaviour.flashAttention
        job.software.stageBalance = behaviour.stageBalance
        return job
    }
}
