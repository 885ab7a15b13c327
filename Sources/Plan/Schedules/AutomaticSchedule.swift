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
        for fill in [0.0, 0.5, 1.0] {
            for eagerness in [0.0, 1.0, 2.0] { rules.append(.init(fill: fill, eagerness: eagerness)) }
        }
        return rules
    }()

    /// No rank can finish its own work sooner, and none can start its first B before that micro-batch went down and came back, with only
    /// as many forwards to fill the wait as its memory holds.
    static func lowerBound(_ size: PipelineSize, table: [[Int]], costs: ScheduleCosts, limit: [Double]) -> Double {
        let m = Double(size.microBatches)
        let stages = table.reduce(0) { $0 + $1.count }
        var home = [Int](repeating: 0, count: stages)
        for r in table.indices { for s in table[r] { home[s] = r } }
        var bound = 0.0
        for r in table.indices {
            let work = table[r].reduce(0.0) { $0 + costs.forward[$1] + costs.backward[$1] + costs.weight[$1] } * m
            guard let first = table[r].min(), let last = table[r].max() else { continue }
            // From the start of the rank's first F to its first B, which is that of its deepest chunk.
            var wait = 0.0
            for s in first..<stages { wait += costs.forward[s] + (s > first && home[s] != home[s - 1] ? costs.communication : 0) }
            for s in stride(from: stages - 1, to: last, by: -1) {
                wait += costs.backward[s] + (home[s] != home[s - 1] ? costs.communication : 0)
            }
            // Forwards that fit before it: the cheapest in memory per second first would bound more tightly; all chunks alike suffice.
            var filled = 0.0
            let densest = table[r].map { costs.memory[$0] > 0 ? costs.forward[$0] / costs.memory[$0] : .infinity }.max() ?? .infinity
            filled = min(m * table[r].reduce(0.0) { $0 + costs.forward[$1] }, densest * limit[r])
            bound = max(bound, work + max(0, wait - filled))
        }
        return bound
    }
}
