import Calibration
import Compression
import Kernels
import Scenario

/// Seconds of one piece of a step, with what they rest on.
public struct PieceTime: Sendable, Hashable {
    /// While the other cores are idle.
    public var alone: Estimate
    /// While all workers are busy.
    public var busy: Double
    public init(alone: Estimate, busy: Double) { (self.alone, self.busy) = (alone, busy) }
    /// Known exactly, and the same on a busy machine.
    static let none = PieceTime(alone: Estimate(seconds: 0, error: 0, evidence: .formula), busy: 0)
}

/// Where the seconds of a step's pieces come from.
public protocol PieceTimes: Sendable {
    /// For reports.
    var source: String { get }
    func time(_ piece: Piece) -> PieceTime
}

/// What the workers of a run timed: its own pieces, one by one.
struct OwnPieceTimes: PieceTimes {
    let source = "the run's own kernels, timed one by one between its steps"
    private var times: [Piece: PieceTime] = [:]

    init(_ plan: RunPlan, _ memory: RunMemory) {
        func readings(_ index: Int, busy: Bool) -> [Double] { (0..<memory.options.rounds).map { memory.trials(busy: busy, $0)[index] } }
        for (index, piece) in plan.distinct.enumerated() {
            let rounds = readings(index, busy: false)
            let middle = middleValue(rounds)
            // Half the range of a few readings stands for their deviation.
            let spread = ((rounds.max() ?? 0) - (rounds.min() ?? 0)) / 2
            let alone = Estimate(seconds: middle, error: middle > 0 ? spread / middle : 0, evidence: .measured)
            times[piece] = PieceTime(alone: alone, busy: memory.workers > 1 ? middleValue(readings(index, busy: true)) : middle)
        }
    }

    func time(_ piece: Piece) -> PieceTime { times[piece] ?? .none }
}

/// What the fits of a measurement file say.
struct CalibratedPieceTimes: PieceTimes {
    private let kernels: KernelTimes
    private let codec: (any GradientCodec)?
    private let isShared: Bool
    /// Bytes that no cache holds.
    private static let far = Double.infinity

    init(_ kernels: KernelTimes, _ spec: ExecutionSpec) {
        self.kernels = kernels
        codec = spec.codec?.compression.codec
        isShared = spec.workers > 1
    }

    var source: String { "calibration of \(kernels.device) (\(kernels.library))" }

    func time(_ piece: Piece) -> PieceTime {
        switch piece {
        case .kernel(let call, let reuse): kernel(call, footprint: Double(1 << reuse))
        case .share(let n), .fetch(let n): kernel(.copy, n)
        case .send(let n), .receive(let n): message(n)
        // Two operands are read and one is written, as by an addition; each further replica adds once more.
        case .reduce(let n, let replicas): kernel(.add, n).times(Double(replicas - 1))
        case .encode(let n): codec.map { encode($0, n) } ?? .none
        case .decode(let n): codec.map { plain($0, n, encodes: false) + kernel(.add, n) } ?? .none
        }
    }

    private func kernel(_ name: KernelName, _ n: Int) -> PieceTime {
        guard n > 0, let call = try? KernelCall(name, [n]) else { return .none }
        return kernel(call, footprint: Self.far)
    }

    private func kernel(_ call: KernelCall, footprint: Double) -> PieceTime {
        let alone = kernels.estimate(call, footprint: footprint)
        return PieceTime(alone: alone, busy: alone.seconds * (isShared ? kernels.contention(call) : 1))
    }

    /// Half of what a message between two processes takes: the sender's copy into the system or the receiver's out of it.
    private func message(_ n: Int) -> PieceTime {
        guard n > 0 else { return .none }
        guard var known = kernels.message(bytes: Double(4 * n), over: .loopbackSocket) else {
            var guess = kernel(.copy, n).times(2)
            guess.alone.error = 0.5
            return guess
        }
        known.seconds /= 2
        return PieceTime(alone: known, busy: known.seconds)
    }

    /// With error feedback what is left over is added before and kept behind: one more addition, and for values that are coded a decoding and a
    /// subtraction (`ErrorFeedback.cost`).
    private func encode(_ codec: any GradientCodec, _ n: Int) -> PieceTime {
        guard let feedback = codec as? ErrorFeedback else { return plain(codec, n, encodes: true) }
        let inner = plain(feedback.codec, n, encodes: true) + kernel(.add, n)
        return feedback.codec is SparseCodec ? inner : inner + plain(feedback.codec, n, encodes: false) + kernel(.add, n)
    }

    private func plain(_ codec: any GradientCodec, _ n: Int, encodes: Bool) -> PieceTime {
        let inner = (codec as? ErrorFeedback)?.codec ?? codec
        let bytes = Double(4 * n + inner.encodedSize(count: n).most)
        let copy = kernel(.copy, n)
        let strain = copy.alone.seconds > 0 ? copy.busy / copy.alone.seconds : 1
        if let known = kernels.codec(inner.name, encodes: encodes, bytes: bytes) {
            return PieceTime(alone: known, busy: known.seconds * strain)
        }
        // A codec that was not measured: its own count of operations and bytes at a slow core's rates.
        let cost = inner.cost(count: n)
        let seconds =
            encodes ? cost.encodeOperations / 2e9 + cost.encodeBytes / 1e10 : cost.decodeOperations / 2e9 + cost.decodeBytes / 1e10
        return PieceTime(alone: Estimate(seconds: seconds, error: 0.5, evidence: .formula), busy: seconds * strain)
    }
}

extension PieceTime {
    /// One after the other; errors of different kinds of work are independent.
    static func + (a: PieceTime, b: PieceTime) -> PieceTime {
        let seconds = a.alone.seconds + b.alone.seconds
        let (x, y) = (a.alone.seconds * a.alone.error, b.alone.seconds * b.alone.error)
        return PieceTime(
            alone: Estimate(
                seconds: seconds, error: seconds > 0 ? (x * x + y * y).squareRoot() / seconds : 0,
                evidence: a.alone.evidence.rawValue > b.alone.evidence.rawValue ? a.alone.evidence : b.alone.evidence),
            busy: a.busy + b.busy)
    }
    func times(_ factor: Double) -> PieceTime {
        var scaled = self
        scaled.alone.seconds *= factor
        scaled.busy *= factor
        return scaled
    }
}
