/// Puts the W of a schedule between its F and B, whose order is given: into waits, and where memory is short, else at the end.
struct WeightPlacement {
    let table: [[Int]]
    let microBatches: Int
    let costs: ScheduleCosts
    /// Most memory of each rank, [ranks], in the unit of `costs.memory`.
    let limit: [Double]
    /// A W fills a wait of at least this share of its own time.
    var fill = 1.0

    private struct Rank {
        var next = 0
        var time = 0.0
        var held = 0.0
        var owed: [Instruction] = []
        var paid = 0
        var list: [Instruction] = []
    }

    /// The lists with W, and the longest span and the end under `costs`; nil where the order does not fit the memory or deadlocks. O(instructions).
    func place(_ order: [[Instruction]]) -> PlacedSchedule? {
        let p = table.count
        let stages = table.reduce(0) { $0 + $1.count }
        var home = [Int](repeating: 0, count: stages)
        for r in 0..<p { for s in table[r] { home[s] = r } }
        var done = [Double](repeating: -1, count: 2 * stages * microBatches)
        var waiting = [Int](repeating: -1, count: done.count)
        var ranks = (0..<p).map { r in
            var rank = Rank()
            rank.list.reserveCapacity(order[r].count * 3 / 2)
            return rank
        }
        var runnable = Array((0..<p).reversed())
        var finished = 0
        while let r = runnable.popLast() {
            while ranks[r].next < order[r].count {
                let instruction = order[r][ranks[r].next]
                let stage = table[r][instruction.chunk]
                let forward = instruction.kind == .forward
                let input = forward ? stage - 1 : stage + 1
                var ready = 0.0
                if input >= 0, input < stages {
                    let key = ((forward ? 0 : 1) * stages + input) * microBatches + instruction.microBatch
                    guard done[key] >= 0 else {
                        waiting[key] = r
                        break
                    }
                    ready = done[key] + (home[input] == r ? 0 : costs.communication)
                }
                let room = forward ? limit[r] * (1 + 1e-9) - costs.memory[stage] : .infinity
                while ranks[r].paid < ranks[r].owed.count {
                    let cost = costs.weight[table[r][ranks[r].owed[ranks[r].paid].chunk]]
                    let wait = ready - ranks[r].time
                    guard ranks[r].held > room || (wait > 0 && wait >= fill * cost * (1 - 1e-12)) else { break }
                    pay(&ranks[r], r)
                }
                guard ranks[r].held <= room else { return nil }
                ranks[r].time = max(ranks[r].time, ready) + (forward ? costs.forward[stage] : costs.backward[stage])
                ranks[r].held += forward ? costs.memory[stage] : -costs.memory[stage] * costs.backwardFrees
                ranks[r].list.append(instruction)
                if !forward { ranks[r].owed.append(Instruction(.weight, instruction.microBatch, chunk: instruction.chunk)) }
                ranks[r].next += 1
                let key = ((forward ? 0 : 1) * stages + stage) * microBatches + instruction.microBatch
                done[key] = ranks[r].time
                if waiting[key] >= 0 { runnable.append(waiting[key]) }
            }
            if ranks[r].next == order[r].count, ranks[r].list.count < order[r].count * 3 / 2 || order[r].isEmpty {
                while ranks[r].paid < ranks[r].owed.count { pay(&ranks[r], r) }
                finished += 1
            }
        }
        guard finished == p else { return nil }
        var period = 0.0
        for r in 0..<p {
            guard let first = order[r].first else { continue }
            let stage = table[r][first.chunk]
            let start = done[stage * microBatches + first.microBatch] - costs.forward[stage]
            period = max(period, ranks[r].time - start)
        }
        return PlacedSchedule(lists: ranks.map(\.list), period: period, makespan: ranks.map(\.time).max() ?? 0)
    }

    private func pay(_ rank: inout Rank, _ r: Int) {
        let weight = rank.owed[rank.paid]
        let stage = table[r][weight.chunk]
        rank.time += costs.weight[stage]
        rank.held -= costs.memory[stage] * (1 - costs.backwardFrees)
        rank.list.append(weight)
        rank.paid += 1
    }
}
