extension PipelineSchedule {
    /// Builds the schedule of `kind`.
    ///
    /// - Parameters:
    ///   - ranks: pipeline ranks, 1 or more
    ///   - microBatches: per step, 1 or more; DualPipe counts those of both directions
    ///   - chunks: model chunks a rank; only `interleaved` takes any number, the V shapes and DualPipe have 2 (1 is read as "not set")
    ///   - costs: what `zb-1p`, `zb-2p`, the V shapes and `auto` order by; nil: tF = tB = tW = 1, no communication
    /// - Throws: `ScheduleError` saying which number the kind cannot take and what would be right.
    public static func make(
        _ kind: ScheduleKind, ranks: Int, microBatches: Int, chunks: Int = 1, costs: ScheduleCosts? = nil
    ) throws(ScheduleError) -> PipelineSchedule {
        guard ranks >= 1, microBatches >= 1, chunks >= 1 else {
            throw ScheduleError(
                "schedule \(kind.rawValue): \(ranks) ranks, \(microBatches) micro-batches, \(chunks) chunks; each must be at least 1")
        }
        guard ranks <= 1 << 16, microBatches <= 1 << 24, chunks <= 1 << 12, ranks * microBatches * chunks <= 1 << 28 else {
            throw ScheduleError(
                "schedule \(kind.rawValue): \(ranks) ranks x \(microBatches) micro-batches x \(chunks) chunks are more than 2^28 forwards; use fewer"
            )
        }
        if let fixed = kind.fixedChunks, chunks != 1, chunks != fixed {
            throw ScheduleError(
                "schedule \(kind.rawValue): \(chunks) chunks a rank; it has \(fixed)\(fixed == 1 ? ", or choose interleaved" : "")")
        }
        let held = kind.fixedChunks ?? chunks
        if let costs { try costs.check(virtualStages: kind == .dualpipe ? ranks : ranks * held) }
        let size = PipelineSize(ranks: ranks, microBatches: microBatches)
        switch kind {
        case .gpipe: return gpipe(size)
        case .oneForwardOneBackward: return oneForwardOneBackward(size)
        case .interleaved: return try interleaved(ranks: ranks, microBatches: microBatches, chunks: chunks)
        case .zbH1: return zeroBubbleH1(size)
        case .zbH2: return zeroBubbleH2(size)
        case .zb1p: return try automaticZeroBubble(size, name: kind.rawValue, forwardsHeld: ranks, costs: costs)
        case .zb2p: return try automaticZeroBubble(size, name: kind.rawValue, forwardsHeld: 2 * ranks, costs: costs)
        case .zbV: return try costs.map { costs throws(ScheduleError) in try zeroBubbleV(size, costs: costs) } ?? zeroBubbleV(size)
        case .vHalf, .vMin: return try controlledMemory(size, kind, costs: costs)
        case .dualpipe: return try dualPipe(size)
        case .dualpipeV: return try dualPipeV(size)
        case .auto: return try automatic(size, chunks: chunks, costs: costs).schedule
        }
    }
}

extension ScheduleKind {
    /// Chunks a rank holds; nil: any number.
    public var fixedChunks: Int? {
        switch self {
        case .interleaved, .auto: nil
        case .zbV, .vHalf, .vMin, .dualpipe, .dualpipeV: 2
        default: 1
        }
    }

    /// Whether W is parted from B.
    public var splitsBackward: Bool {
        switch self {
        case .gpipe, .oneForwardOneBackward, .interleaved: false
        default: true
        }
    }

    /// Copies of the parameters that the ranks hold together.
    public var parameterCopies: Int { self == .dualpipe ? 2 : 1 }
}

/// How long and how wide a pipeline is.
struct PipelineSize {
    var ranks: Int
    var microBatches: Int
}
