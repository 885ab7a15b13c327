extension PipelineSchedule {
    /// All forwards, then all backwards (Huang et al., arXiv:1811.06965).
    static func gpipe(_ size: PipelineSize) -> PipelineSchedule {
        let list = (0..<size.microBatches).map { Instruction(.forward, $0) } + (0..<size.microBatches).map { Instruction(.backward, $0) }
        return PipelineSchedule(
            name: ScheduleKind.gpipe.rawValue, ranks: Array(repeating: list, count: size.ranks), microBatches: size.microBatches)
    }

    /// PipeDream-flush (Narayanan et al., arXiv:2006.09503): rank s warms up with p-s-1 forwards, then one F and one B in turn.
    static func oneForwardOneBackward(_ size: PipelineSize) -> PipelineSchedule {
        let ranks = (0..<size.ranks).map { s in
            alternating(warmup: min(size.microBatches, size.ranks - s - 1), count: size.microBatches) {
                Instruction(.forward, $0)
            } backward: {
                Instruction(.backward, $0)
            }
        }
        return PipelineSchedule(name: ScheduleKind.oneForwardOneBackward.rawValue, ranks: ranks, microBatches: size.microBatches)
    }

    /// Interleaved 1F1B of Megatron-LM (Narayanan et al., arXiv:2104.04473): rank r holds virtual stages r, r + p, r + 2p, ...
    ///
    /// Micro-batches run in groups through one chunk after the other. A group has p of them (the last is short where p does not divide; Megatron-LM itself refuses that), or
    /// `groupSize`: Megatron-Core's `microbatch_group_size_per_vp_stage`, with the rules that Megatron-Core checks.
    /// - Parameter chunks: model chunks a rank
    /// - Throws: `ScheduleError` when `groupSize` is not within p...m, or leaves a last group shorter than p, which Megatron-Core refuses.
    public static func interleaved(
        ranks p: Int, microBatches m: Int, chunks v: Int, groupSize: Int? = nil
    ) throws(ScheduleError) -> PipelineSchedule {
        guard p >= 1, m >= 1, v >= 1 else {
            throw ScheduleError("schedule interleaved: \(p) ranks, \(m) micro-batches, \(v) chunks; each must be at least 1")
        }
        if let groupSize {
            guard groupSize >= p, groupSize <= m else {
                throw ScheduleError(
                    "schedule interleaved: a group of \(groupSize) micro-batches; it must be within \(p) (ranks) to \(m) (micro-batches)")
            }
            let rest = m % groupSize
            guard rest == 0 || rest >= p else {
                throw ScheduleError(
                    "schedule interleaved: \(m) micro-batches in groups of \(groupSize) leave \(rest) in the last group; it must be 0 or at least "
                        + "\(p) (ranks): \(m - rest) or \(m - rest + groupSize) micro-batches would fit")
            }
        }
        // Without the padding, F and B of a short last group would wait for each other in a circle: the lists are those of the next multiple
        // of p, and what the added micro-batches would do is left out, which cannot close a circle.
        let group = groupSize ?? p
        let padded = groupSize == nil ? (m + p - 1) / p * p : m
        var forward: [(micro: Int, chunk: Int)] = []
        forward.reserveCapacity(padded * v)
        for first in stride(from: 0, to: padded, by: group) {
            for chunk in 0..<v { for micro in first..<min(first + group, padded) { forward.append((micro, chunk)) } }
        }
        let lists = (0..<p).map { r in
            // One chunk alone is plain 1F1B; with more, a rank runs two hops further ahead for each rank after it.
            let warmup = v == 1 ? p - r - 1 : 2 * (p - r - 1) + (v - 1) * group
            let list = alternating(warmup: min(padded * v, warmup), count: padded * v) {
                Instruction(.forward, forward[$0].micro, chunk: forward[$0].chunk)
            } backward: {
                Instruction(.backward, forward[$0].micro, chunk: v - 1 - forward[$0].chunk)
            }
            return padded == m ? list : list.filter { $0.microBatch < m }
        }
        return PipelineSchedule(name: ScheduleKind.interleaved.rawValue, ranks: lists, microBatches: m, chunks: v)
    }

    /// `warmup` forwards, then F and B in turn, then the backwards that are left.
    private static func alternating(
        warmup: Int, count: Int, forward: (Int) -> Instruction, backward: (Int) -> Instruction
    ) -> [Instruction] {
        var list: [Instruction] = []
        list.reserveCapacity(2 * count)
        for k in 0..<warmup { list.append(forward(k)) }
        for k in 0..<(count - warmup) {
            list.append(forward(warmup + k))
            list.append(backward(k))
        }
        for k in (count - warmup)..<count { list.append(backward(k)) }
        return list
    }
}
