/// A list scheduler for pipelines: every rank does, at the moment that it is free, the instruction that its rules put first among those whose input is there.
///
/// Memory: a rank starts an F only within its limit, and keeps one chunk's room for each later chunk that it holds, so that a micro-batch
/// under way can always finish: the lists never deadlock. O(instructions x (chunks + ranks)).
struct ListScheduler {
    /// What decides between instructions that are ready. The published search of arXiv:2401.10241 section 3 tries a few such rules too.
    struct Rules: Sendable, Hashable {
        /// W fills a wait of at least this share of its own time.
        var fill = 0.5
        /// Forwards in flight up to which an F goes before a B that is ready too, in ranks from the end.
        var eagerness = 1.0
        /// Forwards that may start before the first B: those that end before it can come, plus this share of one more. Starting the last of
        /// them late holds up the first B on all ranks above. Nil: no such limit. One chunk only.
        var overrun: Double?
        /// Among forwards of several chunks the later chunk goes first.
        var laterChunkFirst = true
        /// W goes before F once this many are owed; large: W only in waits, under pressure of memory, and at the end.
        var owedLimit = Int.max
    }

    let table: [[Int]]
    let microBatches: Int
    let costs: ScheduleCosts
    /// Most memory of each rank, [ranks], in the unit of `costs.memory`.
    let limit: [Double]
    let stages: Int

    init(table: [[Int]], microBatches: Int, costs: ScheduleCosts, limit: [Double]) {
        self.table = table
        self.microBatches = microBatches
        self.costs = costs
        self.limit = limit
        stages = table.reduce(0) { $0 + $1.count }
    }

    /// The lists and their times; nil where a limit is too small for one micro-batch.
    func schedule(_ rules: Rules) -> PlacedSchedule? {
        var progress = ScheduleProgress(self, rules)
        for _ in 0..<(3 * stages * microBatches) {
            guard progress.step() else { return nil }
        }
        return progress.result
    }

    /// Most forwards of each rank before its first B, [ranks].
    fileprivate func openingForwards(_ rules: Rules) -> [Int] {
        guard let overrun = rules.overrun, stages == table.count else { return Array(repeating: Int.max, count: table.count) }
        var opening = [Int](repeating: Int.max, count: stages)
        // From the start of F0 on rank r to the arrival of B0 when nothing else is in the way.
        var window = 0.0
        for r in stride(from: stages - 1, through: 0, by: -1) {
            window += costs.forward[r]
            let fits = costs.forward[r] > 0 ? (window / costs.forward[r] + overrun + 1e-9).rounded(.down) : Double(microBatches)
            opening[r] = max(1, Int(min(fits, Double(microBatches))))
            window += costs.backward[r] + 2 * costs.communication
        }
        return opening
    }
}

/// A pipeline's lists as far as they are written, instruction by instruction.
private struct ScheduleProgress {
    private struct Rank {
        var time = 0.0
        /// Start of its first instruction.
        var start: Double?
        var held = 0.0
        /// Done so far, [chunks].
        var forwards: [Int]
        var backwards: [Int]
        /// W owed, first in first out: (micro-batch, chunk).
        var owed: [(micro: Int, chunk: Int)] = []
        var paid = 0
        var list: [Instruction] = []

        var owes: Bool { paid < owed.count }
    }

    private struct Choice {
        var start: Double
        var kind: Instruction.Kind
        var chunk: Int
    }

    private let scheduler: ListScheduler
    private let rules: ListScheduler.Rules
    private let costs: ScheduleCosts
    private let chunks: Int
    /// [stages] the rank that holds one.
    private var home: [Int]
    /// Finish times, [stages x micro-batches]; an unknown one is not a number.
    private var forwardDone: [Double]
    private var backwardDone: [Double]
    private var ranks: [Rank]
    /// [ranks] forwards in flight up to which an F goes first, and forwards that may start before the first B.
    private let warmup: [Double]
    private let opening: [Int]
    /// [ranks] what each would do next; nil while nothing is ready.
    private var choice: [Choice?] = []

    init(_ scheduler: ListScheduler, _ rules: ListScheduler.Rules) {
        self.scheduler = scheduler
        self.rules = rules
        costs = scheduler.costs
        let table = scheduler.table
        let count = table.first?.count ?? 1
        chunks = count
        home = [Int](repeating: 0, count: scheduler.stages)
        for rank in table.indices { for stage in table[rank] { home[stage] = rank } }
        forwardDone = [Double](repeating: .nan, count: scheduler.stages * scheduler.microBatches)
        backwardDone = forwardDone
        ranks = table.map { _ in Rank(forwards: Array(repeating: 0, count: count), backwards: Array(repeating: 0, count: count)) }
        warmup = table.indices.map { rules.eagerness * Double(table.count - $0) }
        opening = scheduler.openingForwards(rules)
        choice = table.indices.map { choose($0) }
    }

    var result: PlacedSchedule {
        let period = ranks.map { $0.time - ($0.start ?? $0.time) }.max() ?? 0
        return PlacedSchedule(lists: ranks.map(\.list), period: period, makespan: ranks.map(\.time).max() ?? 0)
    }

    /// Writes down the instruction that can start first; false where none can.
    mutating func step() -> Bool {
        var best = -1
        for rank in ranks.indices {
            guard let candidate = choice[rank] else { continue }
            if best < 0 || candidate.start < (choice[best]?.start ?? .infinity) { best = rank }
        }
        guard best >= 0, let taken = choice[best] else { return false }
        let touched = take(taken, best)
        choice[best] = choose(best)
        if touched != best { choice[touched] = choose(touched) }
        return true
    }

    // MARK: what is ready

    private func arrival(_ done: [Double], from stage: Int, micro: Int, to rank: Int) -> Double? {
        let at = done[stage * scheduler.microBatches + micro] + (home[stage] == rank ? 0 : costs.communication)
        return at.isNaN ? nil : max(ranks[rank].time, at)
    }

    private func forwardReady(_ rank: Int, _ chunk: Int) -> Double? {
        let held = scheduler.table[rank]
        let micro = ranks[rank].forwards[chunk]
        guard micro < scheduler.microBatches, ranks[rank].backwards[chunk] > 0 || micro < opening[rank] else { return nil }
        let stage = held[chunk]
        var reserve = 0.0
        for other in 0..<chunks where held[other] >= stage { reserve += costs.memory[held[other]] }
        guard ranks[rank].held + reserve <= scheduler.limit[rank] * (1 + 1e-9) else { return nil }
        return stage > 0 ? arrival(forwardDone, from: stage - 1, micro: micro, to: rank) : ranks[rank].time
    }

    private func backwardReady(_ rank: Int, _ chunk: Int) -> Double? {
        let micro = ranks[rank].backwards[chunk]
        guard micro < ranks[rank].forwards[chunk] else { return nil }
        let stage = scheduler.table[rank][chunk]
        return stage < scheduler.stages - 1 ? arrival(backwardDone, from: stage + 1, micro: micro, to: rank) : ranks[rank].time
    }

    // MARK: what goes first

    private func choose(_ rank: Int) -> Choice? {
        let first = firstPass(rank)
        guard ranks[rank].owes else { return first }
        let now = ranks[rank].time
        let next = ranks[rank].owed[ranks[rank].paid]
        let weight = Choice(start: now, kind: .weight, chunk: next.chunk)
        guard let first else { return weight }
        let fills = first.start - now >= rules.fill * costs.weight[scheduler.table[rank][next.chunk]] && first.start > now
        let isDue = first.kind == .forward && ranks[rank].owed.count - ranks[rank].paid >= rules.owedLimit
        return fills || isDue ? weight : first
    }

    /// The F or B that starts first; of two that start together the B, unless few forwards are in flight.
    private func firstPass(_ rank: Int) -> Choice? {
        var forward: Choice?
        var backward: Choice?
        for chunk in 0..<chunks {
            if let at = forwardReady(rank, chunk), forward.map({ at < $0.start || (at == $0.start && rules.laterChunkFirst) }) ?? true {
                forward = Choice(start: at, kind: .forward, chunk: chunk)
            }
            if let at = backwardReady(rank, chunk), backward.map({ at <= $0.start }) ?? true {
                backward = Choice(start: at, kind: .backward, chunk: chunk)
            }
        }
        guard let backward, let forward else { return backward ?? forward }
        if forward.start != backward.start { return forward.start < backward.start ? forward : backward }
        let inFlight = Double((0..<chunks).reduce(0) { $0 + ranks[rank].forwards[$1] - ranks[rank].backwards[$1] }) / Double(chunks)
        return inFlight < warmup[rank] ? forward : backward
    }

    // MARK: doing it

    /// - Returns: the rank for which something may be ready now, `rank` itself where there is none else.
    private mutating func take(_ taken: Choice, _ rank: Int) -> Int {
        if ranks[rank].start == nil { ranks[rank].start = taken.start }
        let stage = scheduler.table[rank][taken.chunk]
        switch taken.kind {
        case .forward:
            let micro = ranks[rank].forwards[taken.chunk]
            ranks[rank].list.append(Instruction(.forward, micro, chunk: taken.chunk))
            ranks[rank].forwards[taken.chunk] += 1
            ranks[rank].held += costs.memory[stage]
            ranks[rank].time = taken.start + costs.forward[stage]
            forwardDone[stage * scheduler.microBatches + micro] = ranks[rank].time
            return stage + 1 < scheduler.stages ? home[stage + 1] : rank
        case .backward:
            let micro = ranks[rank].backwards[taken.chunk]
            ranks[rank].list.append(Instruction(.backward, micro, chunk: taken.chunk))
            ranks[rank].backwards[taken.chunk] += 1
            ranks[rank].owed.append((micro, taken.chunk))
            ranks[rank].held -= costs.memory[stage] * costs.backwardFrees
            ranks[rank].time = taken.start + costs.backward[stage]
            backwardDone[stage * scheduler.microBatches + micro] = ranks[rank].time
            return stage > 0 ? home[stage - 1] : rank
        case .weight:
            let (micro, chunk) = ranks[rank].owed[ranks[rank].paid]
            ranks[rank].list.append(Instruction(.weight, micro, chunk: chunk))
            ranks[rank].paid += 1
            ranks[rank].held -= costs.memory[stage] * (1 - costs.backwardFrees)
            ranks[rank].time = taken.start + costs.weight[stage]
            return rank
        }
    }
}
