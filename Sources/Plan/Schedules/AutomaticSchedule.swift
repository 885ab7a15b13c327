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

    static func search(
        _ size: PipelineSize, table: [[Int]], costs: ScheduleCosts, limit: [Double]
    ) throws(ScheduleError) -> AutomaticSchedule {
        let search = ScheduleSearch(size: size, table: table, costs: costs, limit: limit)
        guard let found = search.best() else {
            let need = table.map { stages in stages.reduce(0) { $0 + costs.memory[$1] } }.max() ?? 0
            throw ScheduleError("the memory limit \(limit.min() ?? 0) does not hold one micro-batch; it must be at least \(need)")
        }
        let schedule = PipelineSchedule(
            name: "", ranks: found.lists, microBatches: size.microBatches, chunks: table.first?.count ?? 1, splitsBackward: true,
            virtualStage: table)
        return AutomaticSchedule(
            schedule: schedule, period: found.period, makespan: found.makespan,
            lowerBound: search.lowerBound(microBatches: size.microBatches))
    }
}
