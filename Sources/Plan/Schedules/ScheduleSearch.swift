/// Lists of all ranks, [ranks][instructions], and how long they take.
struct PlacedSchedule {
    var lists: [[Instruction]]
    /// Longest span of one rank, and end of the last instruction.
    var period: Double
    var makespan: Double

    func isShorter(than other: PlacedSchedule) -> Bool { (period, makespan) < (other.period, other.makespan) }
}

/// Looks for the shortest schedule of a placement under a memory limit: list schedules by many rules, and known orders of F and B with W put anew.
struct ScheduleSearch {
    let size: PipelineSize
    let table: [[Int]]
    let costs: ScheduleCosts
    /// Most memory of each rank, [ranks], in the unit of `costs.memory`.
    let limit: [Double]

    private enum Candidate {
        case rules(ListScheduler.Rules)
        case known(KnownOrder, fill: Double)
    }

    /// Orders of F and B that are good for some costs.
    private enum KnownOrder {
        case oneForwardOneBackward, warmedTwice, zeroBubbleV, interleaved
        case block(BuildingBlock)
    }

    /// Close enough to the lower bound to stop.
    private static let tolerance = 2e-4

    /// The best schedule found; nil where the limit does not hold one micro-batch. Many micro-batches are tried out on 4p of them (the steady
    /// state repeats), and the best few candidates are then built in full.
    func best() -> PlacedSchedule? {
        let trial = size.microBatches > 6 * size.ranks ? 4 * size.ranks : size.microBatches
        let goal = lowerBound(microBatches: trial) * (1 + Self.tolerance)
        var tried: [(candidate: Candidate, result: PlacedSchedule)] = []
        for candidate in candidates() {
            guard let result = build(candidate, microBatches: trial) else { continue }
            tried.append((candidate, result))
            if result.period <= goal, tried.count >= 4 { break }
        }
        tried.sort { $0.result.isShorter(than: $1.result) }
        guard trial < size.microBatches else { return tried.first?.result }
        let full = tried.prefix(4).compactMap { build($0.candidate, microBatches: size.microBatches) }
        return full.min { $0.isShorter(than: $1) }
    }

    private func build(_ candidate: Candidate, microBatches: Int) -> PlacedSchedule? {
        switch candidate {
        case .rules(let rules):
            return ListScheduler(table: table, microBatches: microBatches, costs: costs, limit: limit).schedule(rules)
        case .known(let order, let fill):
            let placement = WeightPlacement(table: table, microBatches: microBatches, costs: costs, limit: limit, fill: fill)
            return lists(order, PipelineSize(ranks: size.ranks, microBatches: microBatches)).flatMap { placement.place($0) }
        }
    }

    private func lists(_ order: KnownOrder, _ size: PipelineSize) -> [[Instruction]]? {
        let schedule: PipelineSchedule?
        switch order {
        case .oneForwardOneBackward: schedule = .zeroBubbleH1(size)
        case .warmedTwice: schedule = .zeroBubbleH2(size)
        case .zeroBubbleV: schedule = .zeroBubbleV(size)
        case .interleaved:
            schedule = try? .interleaved(ranks: size.ranks, microBatches: size.microBatches, chunks: table.first?.count ?? 1)
        case .block(let block): return block.order(ranks: size.ranks, microBatches: size.microBatches)
        }
        return schedule?.ranks.map { $0.filter { $0.kind != .weight } }
    }

    /// The likely best first.
    private func candidates() -> [Candidate] {
        var all: [Candidate] = []
        for fill in [0.0, 0.5, 0.75, 1.0] {
            for overrun in table.first?.count == 1 ? [0.25, 0.0, 0.5, nil] : [nil] {
                for eagerness in [0.0, 2.0] { all.append(.rules(.init(fill: fill, eagerness: eagerness, overrun: overrun))) }
            }
        }
        for fill in [0.0, 0.25, 0.5, 1.0] { for order in knownOrders() { all.append(.known(order, fill: fill)) } }
        return all
    }

    private func knownOrders() -> [KnownOrder] {
        let chunks = table.first?.count ?? 1
        guard chunks > 1 else { return [.oneForwardOneBackward, .warmedTwice] }
        guard table == PipelineSchedule.vTable(size.ranks) else { return [.interleaved] }
        let blocks = [2, 3, 4, 6].flatMap { BuildingBlock.candidates(ranks: size.ranks, speed: $0).prefix(4) }
        return [.zeroBubbleV] + blocks.map { .block($0) }
    }
}
