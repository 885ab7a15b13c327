/// The bidirectional schedules of DeepSeek-V3 (DeepSeek-AI, arXiv:2412.19437 section 3.2.1; phases as in github.com/deepseek-ai/DualPipe).
extension PipelineSchedule {
    /// DualPipe: micro-batches enter at both ends. Rank r holds stages r (chunk 0) and p-1-r (chunk 1), so the parameters exist twice.
    /// Micro-batches 0..<m/2 run down through chunk 0, the others up through chunk 1.
    /// - Throws: `ScheduleError` unless p is even and m even and at least 2p.
    static func dualPipe(_ size: PipelineSize) throws(ScheduleError) -> PipelineSchedule {
        let (p, m) = (size.ranks, size.microBatches)
        guard p % 2 == 0 else { throw ScheduleError("schedule dualpipe: \(p) ranks; it needs an even number: \(p + 1), or dualpipev") }
        guard m % 2 == 0, m >= 2 * p else {
            throw ScheduleError("schedule dualpipe: \(m) micro-batches on \(p) ranks; it needs an even number, at least \(2 * p)")
        }
        let ranks = (0..<p).map { r in
            // The upper half of the ranks sees the two directions the other way round.
            let flipped = r >= p / 2
            var list = BidirectionalList { phase, k in (k + (((phase == 1) != flipped) ? m / 2 : 0), (phase == 1) != flipped ? 1 : 0) }
            list.fill(depth: p / 2 - 1 - min(r, p - 1 - r), half: p / 2, perDirection: m / 2)
            return list.instructions
        }
        return PipelineSchedule(
            name: ScheduleKind.dualpipe.rawValue, ranks: ranks, microBatches: m, chunks: 2, splitsBackward: true,
            virtualStage: (0..<p).map { [$0, p - 1 - $0] })
    }

    /// DualPipeV: DualPipe cut in half and folded. Rank r holds virtual stages r and 2p-1-r; one copy of the parameters.
    /// - Throws: `ScheduleError` unless m is at least 2p.
    static func dualPipeV(_ size: PipelineSize) throws(ScheduleError) -> PipelineSchedule {
        let (p, m) = (size.ranks, size.microBatches)
        guard m >= 2 * p else { throw ScheduleError("schedule dualpipev: \(m) micro-batches on \(p) ranks; it needs at least \(2 * p)") }
        let ranks = (0..<p).map { r in
            var list = BidirectionalList { phase, k in (k, phase) }
            list.fill(depth: p - 1 - r, half: p, perDirection: m)
            return list.instructions
        }
        return PipelineSchedule(
            name: ScheduleKind.dualpipeV.rawValue, ranks: ranks, microBatches: m, chunks: 2, splitsBackward: true,
            virtualStage: (0..<p).map { [$0, 2 * p - 1 - $0] })
    }
}

/// One rank's list of a bidirectional schedule, written phase by phase.
private struct BidirectionalList {
    /// (phase, k-th micro-batch of the phase) to (micro-batch, chunk).
    let place: (Int, Int) -> (micro: Int, chunk: Int)
    var instructions: [Instruction] = []
    private var forwards = [0, 0]
    private var backwards = [0, 0]
    /// B done whose W is still owed, first in first out.
    private var owed: [Instruction] = []
    private var paid = 0

    init(place: @escaping (Int, Int) -> (Int, Int)) { self.place = place }

    /// The eight phases of the published implementation, with its names: F0 and F1 are forwards of the two directions, B0 and B1 their backwards, W weight
    /// gradients put off; what stands together is one block.
    /// - Parameters:
    ///   - depth: ranks between this one and the turn in the middle
    ///   - half: ranks from an end to the turn
    ///   - perDirection: micro-batches of a direction
    mutating func fill(depth: Int, half: Int, perDirection: Int) {
        let toEnd = half - depth
        // 1, warm-up: nF0.
        for _ in 0..<(2 * depth) { forward(0) }
        // 2, warm-up: nF0F1.
        for _ in 0..<toEnd {
            forward(0)
            forward(1)
        }
        // 3, zero bubble: nB1W1F1.
        for _ in 0..<depth {
            backwardInput(1)
            weight()
            forward(1)
        }
        // 4, steady: nF0B1F1B0.
        for i in 0..<(perDirection - 2 * half + toEnd) {
            if i == 0, depth == 0 {
                // The middle rank feeds itself: its first pair cannot overlap.
                forward(0)
                backward(1)
            } else {
                pair(0, 1)
            }
            pair(1, 0)
        }
        // 5, cool-down: nB1F1B0.
        for _ in 0..<depth {
            backward(1)
            pair(1, 0)
        }
        // 6, cool-down: nB1B0, of which the second half leaves its W for later.
        for i in 0..<(2 * toEnd) {
            if i >= toEnd { backwardInput((i + 1) % 2) } else { backward((i + 1) % 2) }
        }
        // 7, zero bubble: nWB0.
        for _ in 0..<depth {
            weight()
            backwardInput(0)
        }
        // 8: nW.
        for _ in 0..<toEnd { weight() }
    }

    private mutating func forward(_ phase: Int, joins: Bool = false) {
        let (micro, chunk) = place(phase, forwards[phase])
        instructions.append(Instruction(.forward, micro, chunk: chunk, joinsNext: joins))
        forwards[phase] += 1
    }

    private mutating func backwardInput(_ phase: Int, joins: Bool = false) {
        let (micro, chunk) = place(phase, backwards[phase])
        instructions.append(Instruction(.backward, micro, chunk: chunk, joinsNext: joins))
        owed.append(Instruction(.weight, micro, chunk: chunk))
        backwards[phase] += 1
    }

    private mutating func weight() {
        instructions.append(owed[paid])
        paid += 1
    }

    /// The full backward: B and W as one block.
    private mutating func backward(_ phase: Int) {
        backwardInput(phase, joins: true)
        instructions.append(owed.removeLast())
    }

    /// A forward and a full backward, overlapped.
    private mutating func pair(_ forwardPhase: Int, _ backwardPhase: Int) {
        forward(forwardPhase, joins: true)
        backward(backwardPhase)
    }
}
