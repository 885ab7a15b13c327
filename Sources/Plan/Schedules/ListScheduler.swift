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
    }

    private struct Choice {
        var start: Double
        var kind: Instruction.Kind
        var chunk: Int
    }

    init(table: [[Int]], microBatches: Int, costs: ScheduleCosts, limit: [Double]) {
        self.table = table
        self.microBatches = microBatches
        self.costs = costs
        self.limit = limit
        stages = table.reduce(0) { $0 + $1.count }
    }

    /// The lists and their times; nil where a limit is too small for one micro-batch.
    func schedule(_ rules: Rules) -> PlacedSchedule? {
        let p = table.count
        let v = table.first?.count ?? 1
        var home = [Int](repeating: 0, count: stages)
        for r in 0..<p { for stage in table[r] { home[stage] = r } }
        // Finish times by (stage, micro-batch); an unknown one is not a number.
        var forwardDone = [Double](repeating: .nan, count: stages * microBatches)
        var backwardDone = forwardDone
        var ranks = (0..<p).map { _ in Rank(forwards: Array(repeating: 0, count: v), backwards: Array(repeating: 0, count: v)) }
        let warmup = (0..<p).map { r in rules.eagerness * Double(p - r) }
        let opening = openingForwards(rules)

        func arrival(_ done: [Double], from stage: Int, micro: Int, to rank: Int) -> Double {
            done[stage * microBatches + micro] + (home[stage] == rank ? 0 : costs.communication)
        }
        func forwardReady(_ r: Int, _ chunk: Int) -> Double? {
            let micro = ranks[r].forwards[chunk]
            guard micro < microBatches, ranks[r].backwards[chunk] > 0 || micro < opening[r] else { return nil }
            let stage = table[r][chunk]
            var reserve = 0.0
            for other in 0..<v where table[r][other] >= stage { reserve += costs.memory[table[r][other]] }
            guard ranks[r].held + reserve <= limit[r] * (1 + 1e-9) else { return nil }
            guard stage > 0 else { return ranks[r].time }
            let at = arrival(forwardDone, from: stage - 1, micro: micro, to: r)
            return at.isNaN ? nil : max(ranks[r].time, at)
        }
        func backwardReady(_ r: Int, _ chunk: Int) -> Double? {
            let micro = ranks[r].backwards[chunk]
            guard micro < ranks[r].forwards[chunk] else { return nil }
            let stage = table[r][chunk]
            guard stage < stages - 1 else { return ranks[r].time }
            let at = arrival(backwardDone, from: stage + 1, micro: micro, to: r)
            return at.isNaN ? nil : max(ranks[r].time, at)
        }
        func choose(_ r: Int) -> Choice? {
            var f: Choice?
            var b: Choice?
            for chunk in 0..<v {
                if let at = forwardReady(r, chunk), f.map({ at < $0.start || (at == $0.start && rules.laterChunkFirst) }) ?? true {
                    f = Choice(start: at, kind: .forward, chunk: chunk)
                }
                if let at = backwardReady(r, chunk), b.map({ at < $0.start || at == $0.start }) ?? true {
                    b = Choice(start: at, kind: .backward, chunk: chunk)
                }
            }
            let owes = ranks[r].paid < ranks[r].owed.count
            var first = b ?? f
            if let b, let f {
                let flying = Double((0..<v).reduce(0) { $0 + ranks[r].forwards[$1] - ranks[r].backwards[$1] }) / Double(v)
                first = f.start < b.start || (f.start == b.start && flying < warmup[r]) ? f : b
            }
            guard owes else { return first }
            let next = ranks[r].owed[ranks[r].paid]
            let cost = costs.weight[table[r][next.chunk]]
            guard let first else { return Choice(start: ranks[r].time, kind: .weight, chunk: next.chunk) }
            let waits = first.start - ranks[r].time >= rules.fill * cost && first.start > ranks[r].time
            let late = first.kind == .forward && ranks[r].owed.count - ranks[r].paid >= rules.owedLimit
            return waits || late ? Choice(start: ranks[r].time, kind: .weight, chunk: next.chunk) : first
        }

        var choice = (0..<p).map { choose($0) }
        for _ in 0..<(3 * stages * microBatches) {
            var best = -1
            for r in 0..<p {
                guard let candidate = choice[r] else { continue }
                if best < 0 || candidate.start < (choice[best]?.start ?? .infinity) { best = r }
            }
            guard best >= 0, let taken = choice[best] else { return nil }
            if ranks[best].start == nil { ranks[best].start = taken.start }
            let stage = table[best][taken.chunk]
            var touched = best
            switch taken.kind {
            case .forward:
                let micro = ranks[best].forwards[taken.chunk]
                ranks[best].list.append(Instruction(.forward, micro, chunk: taken.chunk))
                ranks[best].forwards[taken.chunk] += 1
                ranks[best].held += costs.memory[stage]
                ranks[best].time = taken.start + costs.forward[stage]
                forwardDone[stage * microBatches + micro] = ranks[best].time
                if stage + 1 < stages { touched = home[stage + 1] }
            case .backward:
                let micro = ranks[best].backwards[taken.chunk]
                ranks[best].list.append(Instruction(.backward, micro, chunk: taken.chunk))
                ranks[best].backwards[taken.chunk] += 1
                ranks[best].owed.append((micro, taken.chunk))
                ranks[best].held -= costs.memory[stage] * costs.backwardFrees
                ranks[best].time = taken.start + costs.backward[stage]
                backwardDone[stage * microBatches + micro] = ranks[best].time
                if stage > 0 { touched = home[stage - 1] }
            case .weight:
                let (micro, chunk) = ranks[best].owed[ranks[best].paid]
                ranks[best].list.append(Instruction(.weight, micro, chunk: chunk))
                ranks[best].paid += 1
                ranks[best].held -= costs.memory[stage] * (1 - costs.backwardFrees)
                ranks[best].time = taken.start + costs.weight[stage]
            }
            choice[best] = choose(best)
            if touched != best { choice[touched] = choose(touched) }
        }
        let period = ranks.map { $0.time - ($0.start ?? $0.time) }.max() ?? 0
        return PlacedSchedule(lists: ranks.map(\.list), period: period, makespan: ranks.map(\.time).max() ?? 0)
    }

    /// Most forwards of each rank before its first B, [ranks].
    private func openingForwards(_ rules: Rules) -> [Int] {
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
