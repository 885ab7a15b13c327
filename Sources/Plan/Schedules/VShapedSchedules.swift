/// The V-shaped schedules of Qi et al., arXiv:2405.15362: rank r holds virtual stages r and 2p-1-r, so that the first and the last are neighbours.
extension PipelineSchedule {
    /// ZB-V: no bubble between a rank's first and last instruction where tF = tB = tW, in the memory of 1F1B and evenly over the ranks.
    /// Needs 2p-1 micro-batches to fill; with fewer, what the missing ones would do is left out.
    static func zeroBubbleV(_ size: PipelineSize) -> PipelineSchedule {
        let (p, m) = (size.ranks, max(size.microBatches, 2 * size.ranks - 1))
        let ranks = (0..<p).map { r in
            var list = PhaseList()
            for _ in 0..<(2 * (p - r) - 1) { list.forward(0) }
            for _ in 0..<r {
                list.forward(1)
                list.forward(0)
            }
            for _ in 0..<(p - r) {
                list.forward(1)
                list.backward(1)
                list.weight(1)
            }
            while list.forwards[1] < m {
                if list.forwards[0] < m { list.forward(0) }
                list.backward(0)
                list.weight(0)
                list.forward(1)
                list.backward(1)
                list.weight(1)
            }
            // Cool-down: B goes first, so that the ranks below can go on; W waits.
            for _ in 0..<r {
                list.backward(0)
                list.backward(1)
            }
            for _ in 0..<(p - r) {
                list.backward(0)
                list.weight(0)
            }
            for chunk in [1, 0] { while list.weights[chunk] < m { list.weight(chunk) } }
            return m == size.microBatches ? list.instructions : list.instructions.filter { $0.microBatch < size.microBatches }
        }
        return PipelineSchedule(
            name: ScheduleKind.zbV.rawValue, ranks: ranks, microBatches: size.microBatches, chunks: 2, splitsBackward: true,
            virtualStage: vTable(p))
    }

    /// ZB-V for given times: the shortest order found within the memory of p forwards, B freeing its share and W the rest.
    static func zeroBubbleV(_ size: PipelineSize, costs: ScheduleCosts) throws(ScheduleError) -> PipelineSchedule {
        let table = vTable(size.ranks)
        var found = try search(size, table: table, costs: costs, limit: forwards(size.ranks, table: table, costs: costs)).schedule
        found.name = ScheduleKind.zbV.rawValue
        return found
    }

    /// Memory of `count` forwards of each rank, [ranks].
    private static func forwards(_ count: Int, table: [[Int]], costs: ScheduleCosts) -> [Double] {
        table.map { stages in Double(count) * stages.reduce(0) { $0 + costs.memory[$1] } }
    }

    /// V-Half holds (p+2)/2 forwards and V-Min (p+4)/3 (rounded down; 1F1B: p), with bubbles of about p/2 and 2p/3 micro-batches.
    /// The building block's turns are tried out and the one with the shortest step under the costs is taken; W fills waits within the memory.
    static func controlledMemory(
        _ size: PipelineSize, _ kind: ScheduleKind, costs given: ScheduleCosts?
    ) throws(ScheduleError) -> PipelineSchedule {
        let (p, m) = (size.ranks, size.microBatches)
        let held = kind == .vMin ? max(1, (p + 4) / 3) : max(1, (p + 2) / 2)
        let table = vTable(p)
        let costs = given ?? .uniform(virtualStages: 2 * p)
        let limit = forwards(held, table: table, costs: costs)
        func place(_ block: BuildingBlock, fill: Double, microBatches: Int) -> PlacedSchedule? {
            WeightPlacement(table: table, microBatches: microBatches, costs: costs, limit: limit, fill: fill)
                .place(block.order(ranks: p, microBatches: microBatches))
        }
        // Beyond 2p the steady state repeats: more micro-batches would not change which block is best.
        let trial = min(m, 2 * p + 2)
        var best: (block: BuildingBlock, fill: Double, result: PlacedSchedule)?
        for block in BuildingBlock.candidates(ranks: p, speed: kind == .vMin ? 2 : 3) {
            for fill in given == nil ? [1.0] : [1.0, 0.5, 0.0] {
                guard let found = place(block, fill: fill, microBatches: trial) else { continue }
                if best.map({ found.isShorter(than: $0.result) }) ?? true { best = (block, fill, found) }
            }
        }
        guard let best, let lists = place(best.block, fill: best.fill, microBatches: m)?.lists else {
            throw ScheduleError("schedule \(kind.rawValue): no building block fits \(held) forwards on \(p) ranks; choose zb-v")
        }
        return PipelineSchedule(name: kind.rawValue, ranks: lists, microBatches: m, chunks: 2, splitsBackward: true, virtualStage: table)
    }

    static func vTable(_ ranks: Int) -> [[Int]] { (0..<ranks).map { [$0, 2 * ranks - 1 - $0] } }
}

/// A list that takes the micro-batches of each chunk and kind in order.
private struct PhaseList {
    var instructions: [Instruction] = []
    private(set) var forwards = [0, 0]
    private(set) var backwards = [0, 0]
    private(set) var weights = [0, 0]

    mutating func forward(_ chunk: Int) {
        instructions.append(Instruction(.forward, forwards[chunk], chunk: chunk))
        forwards[chunk] += 1
    }

    mutating func backward(_ chunk: Int) {
        instructions.append(Instruction(.backward, backwards[chunk], chunk: chunk))
        backwards[chunk] += 1
    }

    mutating func weight(_ chunk: Int) {
        instructions.append(Instruction(.weight, weights[chunk], chunk: chunk))
        weights[chunk] += 1
    }
}
