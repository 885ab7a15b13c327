/// When each instruction of a schedule runs: the longest path through its dependencies, first instruction at 0.
public struct ScheduleTiming: Sendable, Hashable {
    /// First instruction of each rank in `start` and `finish`, [ranks + 1].
    public let rankStart: [Int32]
    /// Seconds, [instructions], rank by rank; joined instructions share those of their block.
    public let start: [Double]
    public let finish: [Double]
    /// End of the last instruction.
    public let makespan: Double
    /// Busy seconds, [ranks].
    public let busy: [Double]

    public var ranks: Int { rankStart.count - 1 }

    /// Idle seconds within the makespan, [ranks].
    public var bubble: [Double] { busy.map { makespan - $0 } }

    /// Seconds from a rank's first start to its last finish, [ranks].
    public var span: [Double] {
        (0..<ranks).map { r in
            let range = Int(rankStart[r])..<Int(rankStart[r + 1])
            guard let first = range.first, let last = range.last else { return 0 }
            return finish[last] - start[first]
        }
    }

    /// Longest span of one rank: the time of a step where the optimizer does not synchronise the stages (Qi et al., arXiv:2401.10241 section 4).
    public var period: Double { span.max() ?? 0 }

    /// Start and finish of instruction `position` of `rank`.
    public func times(rank: Int, position: Int) -> (start: Double, finish: Double) {
        let i = Int(rankStart[rank]) + position
        return (start[i], finish[i])
    }
}

extension CompiledSchedule {
    /// Longest path, O(instructions).
    /// - Throws: `ScheduleError` when the costs do not match the virtual stages.
    public func timing(_ costs: ScheduleCosts) throws(ScheduleError) -> ScheduleTiming {
        let (duration, finish) = try replay(costs)
        let ranks = self.ranks
        var starts = [Double](repeating: 0, count: costRow.count)
        var finishes = starts
        var busy = [Double](repeating: 0, count: ranks)
        var makespan = 0.0
        for rank in 0..<ranks {
            var last: Int32 = -1
            for i in Int(rankStart[rank])..<Int(rankStart[rank + 1]) {
                let b = Int(block[i])
                starts[i] = finish[b] - duration[b]
                finishes[i] = finish[b]
                if block[i] != last { busy[rank] += duration[b] }
                last = block[i]
            }
            if last >= 0 { makespan = max(makespan, finish[Int(last)]) }
        }
        return ScheduleTiming(rankStart: rankStart, start: starts, finish: finishes, makespan: makespan, busy: busy)
    }

    /// Makespan and period alone, for searches.
    /// - Throws: `ScheduleError` when the costs do not match the virtual stages.
    public func length(_ costs: ScheduleCosts) throws(ScheduleError) -> (makespan: Double, period: Double) {
        let (duration, finish) = try replay(costs)
        var makespan = 0.0
        var period = 0.0
        for rank in 0..<ranks where rankStart[rank] < rankStart[rank + 1] {
            let first = Int(block[Int(rankStart[rank])])
            let last = Int(block[Int(rankStart[rank + 1]) - 1])
            makespan = max(makespan, finish[last])
            period = max(period, finish[last] - (finish[first] - duration[first]))
        }
        return (makespan, period)
    }

    /// Instructions that decide the makespan, first to last, as (rank, position): each starts the moment the one before lets it.
    /// - Throws: `ScheduleError` when the costs do not match the virtual stages.
    public func criticalChain(_ costs: ScheduleCosts) throws(ScheduleError) -> [(rank: Int, position: Int)] {
        let (_, finish) = try replay(costs)
        guard var current = finish.indices.max(by: { finish[$0] < finish[$1] }) else { return [] }
        var blocks = [current]
        while true {
            var binding = -1
            var latest = -Double.infinity
            for (candidate, hop) in [
                (previous[current], 0.0), (awaited[current * 2], costs.communication), (awaited[current * 2 + 1], costs.communication),
            ]
            where candidate >= 0 && finish[Int(candidate)] + hop > latest {
                latest = finish[Int(candidate)] + hop
                binding = Int(candidate)
            }
            guard binding >= 0 else { break }
            current = binding
            blocks.append(current)
        }
        var firstOf = [Int](repeating: -1, count: blockCount)
        var rankOf = [Int](repeating: 0, count: blockCount)
        for rank in 0..<ranks {
            for i in Int(rankStart[rank])..<Int(rankStart[rank + 1]) where firstOf[Int(block[i])] < 0 {
                firstOf[Int(block[i])] = i - Int(rankStart[rank])
                rankOf[Int(block[i])] = rank
            }
        }
        return blocks.reversed().map { (rankOf[$0], firstOf[$0]) }
    }

    /// Duration and finish of every block, [blocks].
    private func replay(_ costs: ScheduleCosts) throws(ScheduleError) -> (duration: [Double], finish: [Double]) {
        try costs.check(virtualStages: virtualStages)
        var table = costs.forward + costs.backward + costs.weight
        if !splitsBackward { for s in 0..<virtualStages { table[virtualStages + s] += costs.weight[s] } }
        var duration = [Double](repeating: 0, count: blockCount)
        for i in costRow.indices { duration[Int(block[i])] += table[Int(costRow[i])] }
        if costs.overlap != 1 { for b in paired.indices where paired[b] { duration[b] *= costs.overlap } }
        let hop = costs.communication
        // The hot loop of every search: raw buffers, one block at a time in an order that respects the dependencies.
        let finish = [Double](unsafeUninitializedCapacity: blockCount) { finish, count in
            duration.withUnsafeBufferPointer { duration in
                previous.withUnsafeBufferPointer { previous in
                    awaited.withUnsafeBufferPointer { awaited in
                        for next in order {
                            let b = Int(next)
                            var begin = 0.0
                            let before = Int(previous[b])
                            if before >= 0 { begin = finish[before] }
                            let one = Int(awaited[2 * b])
                            if one >= 0 { begin = max(begin, finish[one] + hop) }
                            let two = Int(awaited[2 * b + 1])
                            if two >= 0 { begin = max(begin, finish[two] + hop) }
                            finish.initializeElement(at: b, to: begin + duration[b])
                        }
                    }
                }
            }
            count = blockCount
        }
        return (duration, finish)
    }
}

extension PipelineSchedule {
    /// Times of every instruction under `costs`. For many costs, keep a `CompiledSchedule`.
    /// - Throws: `ScheduleError` when the schedule is not valid or the costs do not match it.
    public func timing(_ costs: ScheduleCosts) throws(ScheduleError) -> ScheduleTiming {
        try CompiledSchedule(self).timing(costs)
    }
}
