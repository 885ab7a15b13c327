import Engine
import Plan

/// The tasks of one optimizer step on every simulated rank and what they wait for. Built once for a plan; timed under any constants.
///
/// A lane is one data-parallel replica of the pipeline. Where nothing tells replicas apart one lane stands for all; collectives then meet with
/// themselves, so the folded step equals the unfolded one to the nanosecond.
struct StepGraph: Sendable {
    let graph: TaskGraph
    /// [tasks] index into `kinds`.
    let kindOf: [Int32]
    let kinds: [StepTask]
    /// [tasks] lane x ranks + rank; -1 for meeting points.
    let place: [Int32]
    let lanes: Int
    let ranks: Int
    /// [tasks] micro-batch, for labels; -1 where there is none.
    let microBatch: [Int32]

    static let streamsPerRank = 4

    /// Stream of a rank: 0 compute, 1 data-parallel collectives, 2 and 3 sends forward and backward.
    func stream(_ task: Int) -> Int { Int(graph.streams[task]) % Self.streamsPerRank }

    init(plan: Plan, lanes: Int) throws(SimulationError) {
        var builder = Builder(plan: plan, lanes: lanes)
        builder.addStep()
        do throws(TaskGraphError) { graph = try builder.tasks.build() } catch {
            throw SimulationError("the step of \(plan.job.model.name) under schedule \(plan.schedule.name) cannot be played: \(error)")
        }
        kindOf = builder.kindOf
        kinds = builder.kinds
        place = builder.place
        microBatch = builder.microBatch
        self.lanes = lanes
        ranks = plan.schedule.ranks.count
    }

    /// Nanoseconds of every task at the nominal cost of its kind.
    func durations(_ times: TaskTimes) throws(SimulationError) -> [Int64] {
        var table: [Int64] = []
        for kind in kinds { table.append(try nanoseconds(times.cost(kind).total)) }
        return kindOf.map { table[Int($0)] }
    }
}

/// Adds the tasks of a step in an order in which each comes after what it waits for wherever possible.
private struct Builder {
    let plan: Plan
    let lanes: Int
    var tasks = TaskGraphBuilder()
    var kindOf: [Int32] = []
    var kinds: [StepTask] = []
    var place: [Int32] = []
    var microBatch: [Int32] = []
    private var kindIndex: [StepTask: Int32] = [:]
    private var joins: Int
    /// [lane x ranks] tasks that the optimizer of a rank waits for.
    private var beforeOptimizer: [[TaskID]]

    init(plan: Plan, lanes: Int) {
        self.plan = plan
        self.lanes = lanes
        let places = lanes * plan.schedule.ranks.count
        joins = places * StepGraph.streamsPerRank
        beforeOptimizer = Array(repeating: [], count: places)
    }

    private var ranks: Int { plan.schedule.ranks.count }

    private mutating func add(_ kind: StepTask, place at: Int, stream: Int, microBatch index: Int = -1) -> TaskID {
        let number: Int32
        if let known = kindIndex[kind] {
            number = known
        } else {
            number = Int32(kinds.count)
            kinds.append(kind)
            kindIndex[kind] = number
        }
        kindOf.append(number)
        place.append(Int32(at))
        microBatch.append(Int32(index))
        return tasks.addTask(stream: at < 0 ? joins : at * StepGraph.streamsPerRank + stream, duration: 0)
    }

    /// A meeting point of what `waited` lists; each has a stream of its own. A single task needs none.
    private mutating func meet(_ waited: [TaskID]) -> TaskID? {
        guard waited.count > 1 else { return waited.first }
        let point = add(.join, place: -1, stream: 0)
        joins += 1
        for task in waited { tasks.addDependency(from: task, to: point) }
        return point
    }

    mutating func addStep() {
        if plan.gathersByUnit { addUnitPipelines() } else { addPipelines() }
        addOptimizer()
    }

    // MARK: pipelines whose parameters stay whole

    private mutating func addPipelines() {
        let schedule = plan.schedule
        let places = lanes * ranks
        // Parameters sharded by the optimizer are gathered beside the first forward passes, in the order in which these need them.
        var gathered = [[TaskID]](repeating: [], count: places * schedule.chunks)
        if plan.gathersAhead {
            for at in 0..<places {
                for chunk in 0..<schedule.chunks {
                    let stage = schedule.virtualStage[at % ranks][chunk]
                    for _ in 0..<plan.pieces[stage] {
                        gathered[at * schedule.chunks + chunk].append(add(.gather(stage: stage), place: at, stream: 1))
                    }
                }
            }
        }
        let stages = schedule.virtualStages
        let map = StageMap(schedule)
        let slots = stages * schedule.microBatches
        // [lane x 2 directions][stage x micro-batch] what arrives there.
        var arrivals = [[TaskID?]](repeating: Array(repeating: nil, count: slots), count: lanes * 2)
        var waiting: [(arrival: Int, slot: Int, task: TaskID)] = []
        var finals = [[TaskID]](repeating: [], count: places * schedule.chunks)
        for lane in 0..<lanes {
            for rank in 0..<ranks {
                let at = lane * ranks + rank
                var lastCompute: TaskID?
                let last = Self.lastGradients(of: schedule.ranks[rank], chunks: schedule.chunks, splits: schedule.splitsBackward)
                for (position, instruction) in schedule.ranks[rank].enumerated() {
                    let stage = schedule.virtualStage[rank][instruction.chunk]
                    let slot = stage * schedule.microBatches + instruction.microBatch
                    let isLast = last[instruction.chunk] == position && plan.reducesInPieces
                    var first: TaskID
                    var final: TaskID
                    if isLast {
                        let pieces = plan.pieces[stage]
                        first = add(.lastPiece(stage: stage), place: at, stream: 0, microBatch: instruction.microBatch)
                        final = first
                        finals[at * schedule.chunks + instruction.chunk].append(final)
                        for _ in 1..<max(1, pieces) {
                            final = add(.lastPiece(stage: stage), place: at, stream: 0, microBatch: instruction.microBatch)
                            finals[at * schedule.chunks + instruction.chunk].append(final)
                        }
                    } else if instruction.kind == .forward, !gathered[at * schedule.chunks + instruction.chunk].isEmpty {
                        // The chunk's first pass goes piece by piece behind the gathers.
                        let gathers = gathered[at * schedule.chunks + instruction.chunk]
                        gathered[at * schedule.chunks + instruction.chunk] = []
                        var pieces: [TaskID] = []
                        for gather in gathers {
                            pieces.append(add(.firstPiece(stage: stage), place: at, stream: 0, microBatch: instruction.microBatch))
                            tasks.addDependency(from: gather, to: pieces[pieces.count - 1])
                        }
                        (first, final) = (pieces[0], pieces[pieces.count - 1])
                    } else {
                        let kind: StepTask =
                            switch instruction.kind {
                            case .forward: .forward(stage: stage)
                            case .backward: .backward(stage: stage)
                            case .weight: .weight(stage: stage)
                            }
                        first = add(kind, place: at, stream: 0, microBatch: instruction.microBatch)
                        final = first
                    }
                    lastCompute = final
                    guard instruction.kind != .weight else { continue }
                    let isForward = instruction.kind == .forward
                    let needs = isForward ? stage > 0 : stage < stages - 1
                    if needs { waiting.append((lane * 2 + (isForward ? 0 : 1), slot, first)) }
                    // Send on: to the next stage's slot, over the link unless the next stage is this rank's own.
                    let next = isForward ? stage + 1 : stage - 1
                    guard next >= 0, next < stages else { continue }
                    let target = next * schedule.microBatches + instruction.microBatch
                    if let transfer = map.transfer(of: instruction, rank: rank, sent: true), transfer.toRank != rank {
                        let hop = add(.hop, place: at, stream: isForward ? 2 : 3, microBatch: instruction.microBatch)
                        tasks.addDependency(from: final, to: hop)
                        arrivals[lane * 2 + (isForward ? 0 : 1)][target] = hop
                    } else {
                        arrivals[lane * 2 + (isForward ? 0 : 1)][target] = final
                    }
                }
                if let lastCompute { beforeOptimizer[at].append(lastCompute) }
            }
        }
        for wait in waiting {
            if let source = arrivals[wait.arrival][wait.slot] { tasks.addDependency(from: source, to: wait.task) }
        }
        if plan.reducesInPieces { addReductions(finals) } else if plan.reducesAtEnd { addLateReductions() }
    }

    /// Position of the last gradient-making instruction of each chunk.
    private static func lastGradients(of list: [Instruction], chunks: Int, splits: Bool) -> [Int] {
        var last = [Int](repeating: -1, count: chunks)
        for (position, instruction) in list.enumerated() where instruction.kind == (splits ? .weight : .backward) {
            last[instruction.chunk] = position
        }
        return last
    }

    /// Each bucket's reduction starts when all lanes have made it, in the order in which chunks finish.
    private mutating func addReductions(_ finals: [[TaskID]]) {
        let chunks = plan.schedule.chunks
        for rank in 0..<ranks {
            let order = (0..<chunks).sorted { a, b in
                let left = finals[rank * chunks + a].last?.index ?? 0
                return left < finals[rank * chunks + b].last?.index ?? 0
            }
            for chunk in order {
                let stage = plan.schedule.virtualStage[rank][chunk]
                for piece in finals[rank * chunks + chunk].indices {
                    let ready = meet((0..<lanes).map { finals[($0 * ranks + rank) * chunks + chunk][piece] })
                    for lane in 0..<lanes {
                        let at = lane * ranks + rank
                        let reduce = add(.reduce(stage: stage), place: at, stream: 1)
                        if let ready { tasks.addDependency(from: ready, to: reduce) }
                        beforeOptimizer[at].append(reduce)
                    }
                }
            }
        }
    }

    /// Without overlap all of a rank's gradients are reduced once its last pass is done.
    private mutating func addLateReductions() {
        for rank in 0..<ranks {
            let ready = meet((0..<lanes).compactMap { beforeOptimizer[$0 * ranks + rank].last })
            for lane in 0..<lanes {
                let at = lane * ranks + rank
                for stage in plan.ownStages(of: rank) {
                    for _ in 0..<plan.pieces[stage] {
                        let reduce = add(.reduce(stage: stage), place: at, stream: 1)
                        if let ready { tasks.addDependency(from: ready, to: reduce) }
                        beforeOptimizer[at].append(reduce)
                    }
                }
            }
        }
    }

    // MARK: pipelines that gather parameters unit by unit

    private mutating func addUnitPipelines() {
        let schedule = plan.schedule
        let stages = schedule.virtualStages
        let map = StageMap(schedule)
        let slots = stages * schedule.microBatches
        var arrivals = [[TaskID?]](repeating: Array(repeating: nil, count: slots), count: lanes * 2)
        var waiting: [(arrival: Int, slot: Int, task: TaskID)] = []
        for rank in 0..<ranks {
            var done = [[TaskID]](repeating: [], count: lanes)
            // A unit's reduction queues behind the gather of the unit after the next, which is issued before it (backward prefetch).
            var waitingReduction: (unit: Int, computed: [TaskID])?
            for instruction in schedule.ranks[rank] where instruction.kind != .weight {
                let stage = schedule.virtualStage[rank][instruction.chunk]
                let slot = stage * schedule.microBatches + instruction.microBatch
                let isForward = instruction.kind == .forward
                let units = isForward ? plan.work.stages[stage] : plan.work.stages[stage].reversed()
                let gathers = plan.gathersAgain ? true : isForward && instruction.microBatch == 0
                for (index, unit) in units.enumerated() {
                    var computed: [TaskID] = []
                    for lane in 0..<lanes {
                        let at = lane * ranks + rank
                        let task: TaskID
                        if gathers {
                            // One unit ahead: the gather waits for the unit before the one that now runs.
                            let gather = add(.unitGather(unit: unit), place: at, stream: 1)
                            if done[lane].count >= 2 { tasks.addDependency(from: done[lane][done[lane].count - 2], to: gather) }
                            task = add(unitKind(unit, isForward, gathers), place: at, stream: 0, microBatch: instruction.microBatch)
                            tasks.addDependency(from: gather, to: task)
                        } else {
                            task = add(unitKind(unit, isForward, gathers), place: at, stream: 0, microBatch: instruction.microBatch)
                        }
                        done[lane].append(task)
                        computed.append(task)
                        let direction = lane * 2 + (isForward ? 0 : 1)
                        if index == 0, isForward ? stage > 0 : stage < stages - 1 { waiting.append((direction, slot, task)) }
                        if index == units.count - 1, let transfer = map.transfer(of: instruction, rank: rank, sent: true) {
                            let hop = add(.hop, place: at, stream: isForward ? 2 : 3, microBatch: instruction.microBatch)
                            tasks.addDependency(from: task, to: hop)
                            arrivals[direction][transfer.toStage * schedule.microBatches + instruction.microBatch] = hop
                        } else if index == units.count - 1 {
                            let next = isForward ? stage + 1 : stage - 1
                            if next >= 0, next < stages {
                                arrivals[direction][next * schedule.microBatches + instruction.microBatch] = task
                            }
                        }
                    }
                    if let pending = waitingReduction { addUnitReduction(pending.unit, pending.computed, rank: rank) }
                    waitingReduction = isForward ? nil : (unit, computed)
                }
            }
            if let pending = waitingReduction { addUnitReduction(pending.unit, pending.computed, rank: rank) }
        }
        for wait in waiting {
            if let source = arrivals[wait.arrival][wait.slot] { tasks.addDependency(from: source, to: wait.task) }
        }
    }

    private mutating func addUnitReduction(_ unit: Int, _ computed: [TaskID], rank: Int) {
        let ready = meet(computed)
        for lane in 0..<lanes {
            let at = lane * ranks + rank
            let reduce = add(.unitReduce(unit: unit), place: at, stream: 1)
            if let ready { tasks.addDependency(from: ready, to: reduce) }
            beforeOptimizer[at] = [computed[lane], reduce]
        }
    }

    private func unitKind(_ unit: Int, _ isForward: Bool, _ gathers: Bool) -> StepTask {
        isForward ? .unitForward(unit: unit, gathers: gathers) : .unitBackward(unit: unit, gathers: gathers)
    }

    // MARK: the end of the step

    private mutating func addOptimizer() {
        let all = plan.behaviour.optimizerSynchronises ? meet(beforeOptimizer.flatMap { $0 }) : nil
        for at in beforeOptimizer.indices {
            let rank = at % ranks
            let optimizer = add(.optimizer(rank: rank), place: at, stream: 0)
            if let all {
                tasks.addDependency(from: all, to: optimizer)
            } else {
                for task in beforeOptimizer[at] { tasks.addDependency(from: task, to: optimizer) }
            }
            guard plan.gathersAtEnd else { continue }
            for stage in plan.ownStages(of: rank) {
                for _ in 0..<plan.pieces[stage] {
                    let gather = add(.gather(stage: stage), place: at, stream: 1)
                    tasks.addDependency(from: optimizer, to: gather)
                }
            }
        }
    }
}
