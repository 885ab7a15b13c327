/// The V-shaped schedules of Qi et al., arXiv:2405.15362: rank r holds virtual stages r and 2p-1-r, so that the first and the last are neighbours.
///
/// A building block places F and B of one micro-batch on all ranks; repeating it every 6 units (tF = tB = tW = 1) gives the schedule, and how long
/// the block lives on a rank, over 6, is the memory. F of chunk 0 walks down `down` units a rank and F of chunk 1 back `up` units a rank, B likewise:
/// down + up = 2 gives a third of the memory of 1F1B (V-Min), 3 half (V-Half), 6 all of it and no bubble (ZB-V).
enum VShape {
    case zeroBubble, half, minimum

    var kind: ScheduleKind {
        switch self {
        case .zeroBubble: .zbV
        case .half: .vHalf
        case .minimum: .vMin
        }
    }
}

extension PipelineSchedule {
    static func vShaped(_ size: PipelineSize, _ shape: VShape) throws(ScheduleError) -> PipelineSchedule {
        let p = size.ranks
        let table = (0..<p).map { [$0, 2 * p - 1 - $0] }
        let costs = ScheduleCosts.uniform(virtualStages: 2 * p)
        let held =
            switch shape {
            case .zeroBubble: p
            case .half: (p + 2) / 2
            case .minimum: (p + 4) / 3
            }
        let scheduler = ListScheduler(
            table: table, microBatches: size.microBatches, costs: costs, limit: Array(repeating: Double(2 * held), count: p))
        var best: (PipelineSchedule, Double)?
        for rules in searchedRules {
            guard let lists = scheduler.lists(rules) else { continue }
            let schedule = PipelineSchedule(
                name: shape.kind.rawValue, ranks: lists, microBatches: size.microBatches, chunks: 2, splitsBackward: true,
                virtualStage: table)
            let length = try CompiledSchedule(schedule).length(costs).makespan
            if best.map({ length < $0.1 }) ?? true { best = (schedule, length) }
        }
        guard let best else {
            throw ScheduleError("schedule \(shape.kind.rawValue): no order found for \(p) ranks and \(size.microBatches) micro-batches")
        }
        return best.0
    }
}
