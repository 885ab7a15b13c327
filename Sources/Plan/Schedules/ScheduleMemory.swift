extension PipelineSchedule {
    /// Most activations that `rank` holds at once, in forwards of that rank (a chunk of v counts 1/v).
    ///
    /// F adds one chunk. B frees `backwardFrees` of it and W the rest; where W is not parted, B frees all. With `backwardFrees` 1 this is the number
    /// of micro-batches in flight that the papers count. Memory follows the order of the rank's list alone, not the times.
    public func peakInFlight(rank: Int, backwardFrees: Double = 1) -> Double {
        let chunk = forwardsPerChunk
        return peak(rank: rank) { instruction in
            switch instruction.kind {
            case .forward: chunk
            case .backward: splitsBackward ? -chunk * backwardFrees : -chunk
            case .weight: -chunk * (1 - backwardFrees)
            }
        }
    }

    /// Most activations that `rank` holds at once, in the unit of `costs.memory`.
    /// - Throws: `ScheduleError` when the costs do not match the virtual stages.
    public func peakMemory(rank: Int, costs: ScheduleCosts) throws(ScheduleError) -> Double {
        try costs.check(virtualStages: virtualStages)
        guard virtualStage.indices.contains(rank), ranks.indices.contains(rank) else {
            throw ScheduleError("schedule \(name): there is no rank \(rank); it has \(ranks.count)")
        }
        for instruction in ranks[rank] where !virtualStage[rank].indices.contains(instruction.chunk) {
            throw ScheduleError("schedule \(name), rank \(rank), \(instruction): there are chunks 0 to \(virtualStage[rank].count - 1)")
        }
        return peak(rank: rank) { instruction in
            let kept = costs.memory[virtualStage[rank][instruction.chunk]]
            return switch instruction.kind {
            case .forward: kept
            case .backward: splitsBackward ? -kept * costs.backwardFrees : -kept
            case .weight: -kept * (1 - costs.backwardFrees)
            }
        }
    }

    /// Micro-batches of each chunk that `rank` holds at the moment at which `weights` times them is largest, [chunks]; where W is parted, a
    /// micro-batch between its B and its W counts for what B leaves.
    /// - Parameter weights: memory of a micro-batch in each chunk, [chunks], in any one unit
    public func held(rank: Int, weights: [Double], backwardFrees: Double = 0.5) -> [Double] {
        guard ranks.indices.contains(rank) else { return [] }
        var held = [Double](repeating: 0, count: weights.count)
        var most = held
        var peak = -1.0
        for instruction in ranks[rank] where held.indices.contains(instruction.chunk) {
            switch instruction.kind {
            case .forward: held[instruction.chunk] += 1
            case .backward: held[instruction.chunk] -= splitsBackward ? backwardFrees : 1
            case .weight: held[instruction.chunk] -= 1 - backwardFrees
            }
            var sum = 0.0
            for chunk in held.indices { sum += held[chunk] * weights[chunk] }
            if sum > peak + 1e-9 * max(1, peak) { (peak, most) = (sum, held) }
        }
        return most.map { max(0, ($0 * 1024).rounded() / 1024) }
    }

    private func peak(rank: Int, _ change: (Instruction) -> Double) -> Double {
        guard ranks.indices.contains(rank) else { return 0 }
        var held = 0.0
        var most = 0.0
        for instruction in ranks[rank] {
            held += change(instruction)
            most = max(most, held)
        }
        return most
    }
}
