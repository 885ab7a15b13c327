/// A searched schedule and how good it is.
public struct AutomaticSchedule: Sendable, Hashable {
    public var schedule: PipelineSchedule
    /// Seconds of a step: the longest span of one rank.
    public var period: Double
    public var makespan: Double
    /// No schedule within the memory limit has a shorter period.
    public var lowerBound: Double
    /// How far the period is above the lower bound, as a share of it.
    public var distance: Double { lowerBound > 0 ? period / lowerBound - 1 : 0 }
}

extension PipelineSchedule {
    /// The automatic schedules of arXiv:2401.10241 section 3: ZB-1p holds p forwards a rank, ZB-2p 2p; B frees a share and W the rest.
    static func automaticZeroBubble(
        _ size: PipelineSize, name: String, forwardsHeld: Int, costs: ScheduleCosts?
    ) throws(ScheduleError) -> PipelineSchedule {
        var costs = costs ?? .uniform(virtualStages: size.ranks)
        try costs.check(virtualStages: size.ranks)
        let limit = (0..<size.ranks).map { costs.memory[$0] * Double(forwardsHeld) }
        costs.memoryLimit = nil
        var found = try search(size, table: (0..<size.ranks).map { [$0] }, costs: costs, limit: limit).schedule
        found.name = name
        return found
    }

    /// The best schedule found under the costs and their memory limit (nil: twice the ranks in forwards), with its distance from the lower bound.
    /// - Parameter chunks: 1, or 2 for the V-shaped placement
    /// - Throws: `ScheduleError` when the costs do not match, or the limit does not hold one micro-batch.
    public static func automatic(
        ranks: Int, microBatches: Int, chunks: Int = 1, costs: ScheduleCosts
    ) throws(ScheduleError) -> AutomaticSchedule {
        guard ranks >= 1, microBatches >= 1 else {
            throw ScheduleError("schedule auto: \(ranks) ranks, \(microBatches) micro-batches; each must be at least 1")
        }
        return try automatic(PipelineSize(ranks: ranks, microBatches: microBatches), chunks: chunks, costs: costs)
    }

    static func automatic(_ size: PipelineSize, chunks: Int, costs: ScheduleCosts?) throws(ScheduleError) -> AutomaticSchedule {
        let p = size.ranks
        let table: [[Int]]
        switch chunks {
        case 1: table = (0..<p).map { [$0] }
        case 2: table = (0..<p).map { [$0, 2 * p - 1 - $0] }
        default: table = (0..<p).map { r in (0..<chunks).map { r + $0 * p } }
        }
        let costs = costs ?? .uniform(virtualStages: p * chunks)
        try costs.check(virtualStages: p * chunks)
        let limit = table.map { stages in costs.memoryLimit ?? stages.reduce(0) { $0 + costs.memory[$1] } * 2 * Double(p) }
        var found = try search(size, table: table, costs: costs, limit: limit)
        found.schedule.name = ScheduleKind.auto.rawValue
        return found
    }

    private static func search(
        _ size: PipelineSize, table: [[Int]], costs: ScheduleCosts, limit: [Double]
    ) throws(ScheduleError) -> AutomaticSchedule {
        let scheduler = ListScheduler(table: table, microBatches: size.microBatches, costs: costs, limit: limit)
        var best: AutomaticSchedule?
        for rules in searchedRules {
            guard let lists = scheduler.lists(rules) else { continue }
            let schedule = PipelineSchedule(
                name: "", ranks: lists, microBatches: size.microBatches, chunks: table.first?.count ?? 1, splitsBackward: true,
                virtualStage: table)
            let (makespan, period) = try CompiledSchedule(schedule).length(costs)
            if best.map({ (period, makespan) < ($0.period, $0.makespan) }) ?? true {
                best = AutomaticSchedule(schedule: schedule, period: period, makespan: makespan, lowerBound: 0)
            }
        }
        guard var best else {
            let need = table.map { stages in stages.reduce(0) { $0 + costs.memory[$1] } }.max() ?? 0
            throw ScheduleError("the memory limit \(limit.min() ?? 0) does not hold one micro-batch; it must be at least \(need)")
        }
        best.lowerBound = lowerBound(size, table: table, costs: costs, limit: limit)
        return best
    }

    static let searchedRules: [ListScheduler.Rules] = {
        var rules: [ListScheduler.Rules] = []
        for overrun in [0.0, 0.5, nil] {
            for fill in [0.0, 0.5, 1.0] {
                for eagerness in [0.0, 2.0] { rules.append(.init(fill: fill, eagerness: eagerness, overrun: overrun)) }
            }
        }
        return rules
    }()

    /// A period that no schedule within the memory limit can go below, the largest of two bounds over all ranks r:
    /// its own work and the wait for its first B that the forwards within its memory cannot fill; and, for each rank q, the way of the first F
    /// from r to q, all F and B of q with the W that its memory forces before its last B, the way of a B back to r, and one W.
    static func lowerBound(_ size: PipelineSize, table: [[Int]], costs: ScheduleCosts, limit: [Double]) -> Double {
        let m = Double(size.microBatches)
        let stages = table.reduce(0) { $0 + $1.count }
        var home = [Int](repeating: 0, count: stages)
        for r in table.indices { for s in table[r] { home[s] = r } }
        func hop(_ a: Int, _ b: Int) -> Double { home[a] == home[b] ? 0 : costs.communication }
        // Seconds before the first F and after the last B of each stage, from the ends of the model.
        var down = [0.0]
        var up = [0.0]
        for s in 1..<max(1, stages) {
            down.append(down[s - 1] + costs.forward[s - 1] + hop(s - 1, s))
            up.append(up[s - 1] + costs.backward[s] + hop(s - 1, s))
        }
        let turn = down[stages - 1] + costs.forward[stages - 1] + up[stages - 1]
        var bound = 0.0
        for r in table.indices {
            guard let first = table[r].min(), let last = table[r].max() else { continue }
            let forward = table[r].reduce(0.0) { $0 + costs.forward[$1] }
            let work = table[r].reduce(forward) { $0 + costs.backward[$1] + costs.weight[$1] } * m
            let wait = turn - down[first] - up[last]
            let densest = table[r].map { costs.memory[$0] > 0 ? costs.forward[$0] / costs.memory[$0] : .infinity }.max() ?? .infinity
            bound = max(bound, work + max(0, wait - min(m * forward, densest * limit[r])))
            for q in table.indices {
                guard let entry = table[q].min(), entry >= first else { continue }
                let busy = table[q].reduce(0.0) { $0 + costs.forward[$1] + costs.backward[$1] } * m
                bound = max(bound, down[entry] - down[first] + busy + forcedWeights(size, q, table, costs, limit) + up[entry] - up[first] + costs.weight[first])
            }
        }
        return bound
    }

    /// Seconds of W that rank `q` must do before its last B, or it could not have held the activations; one chunk only, else 0.
    private static func forcedWeights(_ size: PipelineSize, _ q: Int, _ table: [[Int]], _ costs: ScheduleCosts, _ limit: [Double]) -> Double {
        guard table[q].count == 1 else { return 0 }
        let stage = table[q][0]
        // At the last F, m - 1 others are done; at best all of them had their B, and each still owes what W frees.
        let owed = costs.memory[stage] * (1 - costs.backwardFrees)
        guard owed > 0 else { return 0 }
        let room = ((limit[q] - costs.memory[stage]) / owed + 1e-9).rounded(.down)
        return max(0, Double(size.microBatches - 1) - room) * costs.weight[stage]
    }
}
