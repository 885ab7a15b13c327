import Engine
import Plan
import Quantities

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

    fileprivate static let streamsPerRank = StepStream.allCases.count

    func stream(_ task: Int) -> StepStream { kinds[Int(kindOf[task])].row.stream }

    init(plan: Plan, lanes: Int) throws(Fault) {
        var builder = Builder(plan: plan, lanes: lanes)
        builder.addStep()
        do throws(TaskGraphError) { graph = try builder.tasks.build() } catch {
            throw Fault(reason: "the step of \(plan.job.model.name) under schedule \(plan.schedule.name) cannot be played: \(error)")
        }
        kindOf = builder.kindOf
        kinds = builder.kinds
        place = builder.place
        microBatch = builder.microBatch
        self.lanes = lanes
        ranks = plan.schedule.ranks.count
    }

    /// Nanoseconds of every task at the nominal cost of its kind.
    func durations(_ times: TaskTimes) throws(Fault) -> [Int64] {
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
    private let map: StageMap
    /// [lanes x 2 directions x virtual stages x micro-batches] what arrives there.
    private var arrivals: [TaskID?]
    /// Passes that wait for an arrival.
    private var waiting: [(slot: Int, task: TaskID)] = []

    init(plan: Plan, lanes: Int) {
        self.plan = plan
        self.lanes = lanes
        let places = lanes * plan.schedule.ranks.count
        joins = places * StepGraph.streamsPerRank
        beforeOptimizer = Array(repeating: [], count: places)
        map = StageMap(plan.schedule)
        arrivals = Array(repeating: nil, count: lanes * 2 * map.stages * plan.schedule.microBatches)
    }

    private var ranks: Int { plan.schedule.ranks.count }

    private mutating func add(_ kind: StepTask, place at: Int, microBatch index: Int = -1) -> TaskID {
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
        return tasks.addTask(stream: at < 0 ? joins : at * StepGraph.streamsPerRank + kind.row.stream.rawValue, duration: 0)
    }

    /// A meeting point of what `waited` lists; each has a stream of its own. A single task needs none.
    private mutating func meet(_ waited: [TaskID]) -> TaskID? {
        guard waited.count > 1 else { return waited.first }
        let point = add(.join, place: -1)
        joins += 1
        for task in waited { tasks.addDependency(from: task, to: point) }
        return point
    }

    mutating func addStep() {
        if plan.flow.gathersByUnit { addUnitPipelines() } else { addPipelines() }
        addOptimizer()
    }

    // MARK: transfers between stages

    private func slot(_ stage: Int, _ instruction: Instruction, _ at: Int) -> Int {
        let direction = instruction.kind == .forward ? 0 : 1
        return ((at / ranks * 2 + direction) * map.stages + stage) * plan.schedule.microBatches + instruction.microBatch
    }

    /// `task` begins a pass, which waits for what the stage before (behind, in a backward pass) sends; the ends of the model wait for nothing.
    private mutating func receive(_ instruction: Instruction, at: Int, by task: TaskID) {
        let stage = plan.schedule.virtualStage[at % ranks][instruction.chunk]
        guard instruction.kind == .forward ? stage > 0 : stage < map.stages - 1 else { return }
        waiting.append((slot(stage, instruction, at), task))
    }

    /// `task` ends a pass, whose result goes on: over a link unless the next stage is this rank's own.
    private mutating func send(_ instruction: Instruction, at: Int, from task: TaskID) {
        let isForward = instruction.kind == .forward
        let next = plan.schedule.virtualStage[at % ranks][instruction.chunk] + (isForward ? 1 : -1)
        guard next >= 0, next < map.stages else { return }
        var arrival = task
        if map.transfer(of: instruction, rank: at % ranks, sent: true) != nil {
            arrival = add(.hop(isForward ? .forward : .backward), place: at, microBatch: instruction.microBatch)
            tasks.addDependency(from: task, to: arrival)
        }
        arrivals[slot(next, instruction, at)] = arrival
    }

    private mutating func joinTransfers() {
        for wait in waiting {
            if let source = arrivals[wait.slot] { tasks.addDependency(from: source, to: wait.task) }
        }
    }

    // MARK: pipelines whose parameters stay whole

    private mutating func addPipelines() {
        let schedule = plan.schedule
        let places = lanes * ranks
        // Parameters sharded by the optimizer are gathered beside the first forward passes, in the order in which these need them.
        var gathered = [[TaskID]](repeating: [], count: places * schedule.chunks)
        if plan.flow.gathersAhead {
            for at in 0..<places {
                for chunk in 0..<schedule.chunks {
                    let stage = schedule.virtualStage[at % ranks][chunk]
                    for _ in 0..<plan.pieces[stage] {
                        gathered[at * schedule.chunks + chunk].append(add(.gather(stage: stage), place: at))
                    }
                }
            }
        }
        // [places] gradients that are ready, in order: to be reduced, sent to the host, or both.
        var ready = [[Gradients]](repeating: [], count: places)
        for lane in 0..<lanes {
            for rank in 0..<ranks {
                let at = lane * ranks + rank
                var lastCompute: TaskID?
                let leaving = Leaving(
                    last: Self.lastGradients(of: schedule.ranks[rank], chunks: schedule.chunks, splits: schedule.splitsBackward),
                    runEnds: plan.flow.reducesEveryPass ? schedule.gradientRuns(rank: rank) : [])
                for block in Self.blocks(of: schedule.ranks[rank]) {
                    let list = schedule.ranks[rank][block]
                    let task = addBlock(list, at: at, leaving: leaving, gathered: &gathered, ready: &ready[at])
                    lastCompute = task.final
                    for instruction in list where instruction.kind != .weight {
                        receive(instruction, at: at, by: task.first)
                        send(instruction, at: at, from: task.final)
                    }
                }
                if let lastCompute { beforeOptimizer[at].append(lastCompute) }
            }
        }
        joinTransfers()
        if plan.flow.reducesInPieces {
            addReductions(ready)
        } else if plan.flow.reducesAtEnd {
            addLateReductions()
        } else {
            addOffloads(ready)
        }
    }

    /// Gradients of a stage that are ready at the end of a task: one of its equal pieces, or all.
    private struct Gradients {
        var stage: Int
        var isPiece: Bool
        var task: TaskID
    }

    /// When a rank's gradients leave.
    private struct Leaving {
        /// [chunks] micro-batch of the last pass that makes gradients.
        var last: [Int]
        /// [instructions] where gradients that are kept in shards leave; empty where they are not.
        var runEnds: [Bool]
    }

    /// Instructions that run as one block, [blocks] ranges of the list.
    private static func blocks(of list: [Instruction]) -> [Range<Int>] {
        var blocks: [Range<Int>] = []
        var start = 0
        for (position, instruction) in list.enumerated() where !instruction.joinsNext {
            blocks.append(start..<(position + 1))
            start = position + 1
        }
        return blocks
    }

    /// The tasks of one block on the compute stream.
    private mutating func addBlock(
        _ list: ArraySlice<Instruction>, at: Int, leaving: Leaving, gathered: inout [[TaskID]], ready: inout [Gradients]
    ) -> (first: TaskID, final: TaskID) {
        let schedule = plan.schedule
        let rank = at % ranks
        let forward = list.first { $0.kind == .forward }
        let gradient = list.last { $0.kind == (schedule.splitsBackward ? .weight : .backward) }
        let micro = list.first?.microBatch ?? -1
        func stage(_ instruction: Instruction) -> Int { schedule.virtualStage[rank][instruction.chunk] }
        let isLast = gradient.map { leaving.last[$0.chunk] == $0.microBatch } ?? false
        let leaves = plan.flow.leavesInPieces
        let everyPass =
            leaving.runEnds.isEmpty ? plan.flow.offloadsEveryPass : list.indices.contains { leaving.runEnds[$0] }
        if let gradient, list.count == 1, leaves, isLast {
            // The last gradients leave piece by piece.
            var pieces: [TaskID] = []
            for _ in 0..<max(1, plan.pieces[stage(gradient)]) {
                pieces.append(add(.lastPiece(stage: stage(gradient)), place: at, microBatch: micro))
            }
            ready += pieces.map { Gradients(stage: stage(gradient), isPiece: true, task: $0) }
            return (pieces[0], pieces[pieces.count - 1])
        }
        var gathers: [TaskID] = []
        if let forward {
            gathers = gathered[at * schedule.chunks + forward.chunk]
            gathered[at * schedule.chunks + forward.chunk] = []
        }
        if let forward, list.count == 1, !gathers.isEmpty {
            // The chunk's first pass goes piece by piece behind the gathers.
            var pieces: [TaskID] = []
            for gather in gathers {
                pieces.append(add(.firstPiece(stage: stage(forward)), place: at, microBatch: micro))
                tasks.addDependency(from: gather, to: pieces[pieces.count - 1])
            }
            return (pieces[0], pieces[pieces.count - 1])
        }
        let backward = list.first { $0.kind == .backward }
        let kind: StepTask
        switch (forward, backward) {
        case (let forward?, let backward?): kind = .pair(forward: stage(forward), backward: stage(backward))
        case (let forward?, nil): kind = .forward(stage: stage(forward))
        case (nil, let backward?):
            kind = list.contains { $0.kind == .weight } ? .fullBackward(stage: stage(backward)) : .backward(stage: stage(backward))
        case (nil, nil): kind = .weight(stage: list.first.map(stage) ?? 0)
        }
        let task = add(kind, place: at, microBatch: micro)
        for gather in gathers { tasks.addDependency(from: gather, to: task) }
        if let gradient, leaves, isLast || everyPass { ready.append(Gradients(stage: stage(gradient), isPiece: false, task: task)) }
        return (task, task)
    }

    /// Micro-batch of the last gradient-making instruction of each chunk.
    private static func lastGradients(of list: [Instruction], chunks: Int, splits: Bool) -> [Int] {
        var last = [Int](repeating: -1, count: chunks)
        for instruction in list where instruction.kind == (splits ? .weight : .backward) {
            last[instruction.chunk] = instruction.microBatch
        }
        return last
    }

    /// Each bucket's reduction starts when all lanes have made it, in the order in which they are ready.
    private mutating func addReductions(_ ready: [[Gradients]]) {
        for rank in 0..<ranks {
            for index in ready[rank].indices {
                let gradients = ready[rank][index]
                let made = meet((0..<lanes).map { ready[$0 * ranks + rank][index].task })
                for lane in 0..<lanes {
                    let at = lane * ranks + rank
                    let kind: StepTask = gradients.isPiece ? .reduce(stage: gradients.stage) : .reduceAll(stage: gradients.stage)
                    let reduce = add(kind, place: at)
                    if let made { tasks.addDependency(from: made, to: reduce) }
                    addOffload(gradients, at: at, after: reduce)
                }
            }
        }
    }

    /// What the optimizer waits for: the reduction itself, or the way to the host behind it.
    private mutating func addOffload(_ gradients: Gradients, at: Int, after task: TaskID) {
        guard plan.flow.offloads else { return beforeOptimizer[at].append(task) }
        let kind: StepTask = gradients.isPiece ? .offload(stage: gradients.stage) : .offloadAll(stage: gradients.stage)
        let offload = add(kind, place: at)
        tasks.addDependency(from: task, to: offload)
        beforeOptimizer[at].append(offload)
    }

    /// Without replicas gradients go straight to the host.
    private mutating func addOffloads(_ ready: [[Gradients]]) {
        guard plan.flow.offloads else { return }
        for at in ready.indices {
            for gradients in ready[at] { addOffload(gradients, at: at, after: gradients.task) }
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
                        let reduce = add(.reduce(stage: stage), place: at)
                        if let ready { tasks.addDependency(from: ready, to: reduce) }
                        addOffload(Gradients(stage: stage, isPiece: true, task: reduce), at: at, after: reduce)
                    }
                }
            }
        }
    }

    // MARK: pipelines that gather parameters unit by unit

    private mutating func addUnitPipelines() {
        let schedule = plan.schedule
        for rank in 0..<ranks {
            var done = [[TaskID]](repeating: [], count: lanes)
            // A unit's reduction queues behind the gather of the unit after the next, which is issued before it (backward prefetch).
            var waitingReduction: (unit: Int, computed: [TaskID])?
            for instruction in schedule.ranks[rank] where instruction.kind != .weight {
                let stage = schedule.virtualStage[rank][instruction.chunk]
                let isForward = instruction.kind == .forward
                let units = isForward ? plan.work.stages[stage] : plan.work.stages[stage].reversed()
                let gathers = plan.flow.gathersAgain ? true : isForward && instruction.microBatch == 0
                for (index, unit) in units.enumerated() {
                    var computed: [TaskID] = []
                    for lane in 0..<lanes {
                        let at = lane * ranks + rank
                        let task: TaskID
                        if gathers {
                            // One unit ahead: the gather waits for the unit before the one that now runs.
                            var gather: TaskID?
                            if plan.flow.fetches { gather = add(.unitFetch(unit: unit), place: at) }
                            let ahead = done[lane].count >= 2 ? done[lane][done[lane].count - 2] : nil
                            if let gather, let ahead { tasks.addDependency(from: ahead, to: gather) }
                            if plan.flow.hasReplicas {
                                let fetched = gather
                                let own = add(.unitGather(unit: unit), place: at)
                                if let from = fetched ?? ahead { tasks.addDependency(from: from, to: own) }
                                gather = own
                            }
                            task = add(unitKind(unit, isForward, gathers), place: at, microBatch: instruction.microBatch)
                            if let gather { tasks.addDependency(from: gather, to: task) }
                        } else {
                            task = add(unitKind(unit, isForward, gathers), place: at, microBatch: instruction.microBatch)
                        }
                        done[lane].append(task)
                        computed.append(task)
                        if index == 0 { receive(instruction, at: at, by: task) }
                        if index == units.count - 1 { send(instruction, at: at, from: task) }
                    }
                    if let pending = waitingReduction { addUnitReduction(pending.unit, pending.computed, rank: rank) }
                    waitingReduction = isForward ? nil : (unit, computed)
                }
            }
            if let pending = waitingReduction { addUnitReduction(pending.unit, pending.computed, rank: rank) }
        }
        joinTransfers()
    }

    private mutating func addUnitReduction(_ unit: Int, _ computed: [TaskID], rank: Int) {
        let ready = meet(computed)
        for lane in 0..<lanes {
            let at = lane * ranks + rank
            var last = ready
            if plan.flow.hasReplicas {
                let reduce = add(.unitReduce(unit: unit), place: at)
                if let ready { tasks.addDependency(from: ready, to: reduce) }
                last = reduce
            }
            if plan.flow.offloads {
                let offload = add(.unitOffload(unit: unit), place: at)
                if let last { tasks.addDependency(from: last, to: offload) }
                last = offload
            }
            beforeOptimizer[at] = [computed[lane]] + (last.map { [$0] } ?? [])
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
            let optimizer = add(.optimizer(rank: rank), place: at)
            if let all {
                tasks.addDependency(from: all, to: optimizer)
            } else {
                for task in beforeOptimizer[at] { tasks.addDependency(from: task, to: optimizer) }
            }
            guard plan.flow.gathersAtEnd else { continue }
            for stage in plan.ownStages(of: rank) {
                for _ in 0..<plan.pieces[stage] {
                    let gather = add(.gather(stage: stage), place: at)
                    tasks.addDependency(from: optimizer, to: gather)
                }
            }
        }
    }
}
