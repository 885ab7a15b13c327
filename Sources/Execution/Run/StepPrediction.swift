import Calibration
import Scenario

/// What a step is predicted to take, and what that rests on.
public struct StepPrediction: Sendable {
    /// Where the times of its pieces come from.
    public var source: String
    public var times: StepTimes
    /// Relative standard error of the step: errors of one kind of work go together, those of different kinds are independent.
    public var error: Double
    /// Share of the computed time by what it rests on; sums to 1.
    public var evidence: [EvidenceKind: Double]
    /// Of the matrix products of a step.
    public var stepFLOPs: Double

    init(source: String, times: StepTimes, error: Double, evidence: [EvidenceKind: Double], stepFLOPs: Double) {
        (self.source, self.times, self.error) = (source, times, error)
        (self.evidence, self.stepFLOPs) = (evidence, stepFLOPs)
    }

    /// Predicts a spec's step from a calibration of this machine. Nothing is run or timed.
    /// - Throws: `ExecutionError` where the spec cannot be run.
    public init(_ spec: ExecutionSpec, calibration: KernelTimes) throws(ExecutionError) {
        try self.init(try RunPlan(spec), CalibratedPieceTimes(calibration, spec))
    }

    init(_ plan: RunPlan, _ pieces: some PieceTimes) throws(ExecutionError) {
        let predictor = Predictor(plan: plan, pieces: pieces)
        source = pieces.source
        stepFLOPs = plan.model.stepFLOPs
        times = try predictor.step(StepPlay(plan))
        (error, evidence) = predictor.certainty()
    }
}

/// Adds up a step from the times of its pieces.
private struct Predictor<Pieces: PieceTimes> {
    let plan: RunPlan
    let pieces: Pieces
    private var spec: ExecutionSpec { plan.spec }

    init(plan: RunPlan, pieces: Pieces) { (self.plan, self.pieces) = (plan, pieces) }

    /// Costs depend on how much the other workers are busy meanwhile, and that on the costs: a few turns settle both.
    func step(_ play: StepPlay) throws(ExecutionError) -> StepTimes {
        var overlap = [Double](repeating: spec.workers > 1 ? 1 : 0, count: spec.workers)
        var outcome = StepPlay.Outcome()
        for _ in 0..<6 {
            outcome = try play.play((0..<spec.workers).map { costs($0, overlap: overlap[$0]) })
            overlap = outcome.overlap
        }
        return outcome.times
    }

    /// - Parameter load: mean share of the other workers that are busy.
    private func seconds(_ list: [Piece], load: Double) -> Double {
        list.reduce(0) { sum, piece in
            let time = pieces.time(piece)
            return sum + time.alone.seconds + load * (time.busy - time.alone.seconds)
        }
    }

    private func costs(_ worker: Int, overlap: Double) -> WorkerCosts {
        let own = plan.pieces[worker % spec.pipeline]
        // Behind the pipeline all workers do the same at the same time.
        let late = spec.workers > 1 ? 1.0 : 0
        var costs = WorkerCosts()
        costs.forward = own.forward.map { seconds($0, load: overlap) }
        costs.backward = own.backward.map { seconds($0, load: overlap) }
        costs.weight = own.weight.map { seconds($0, load: overlap) }
        costs.forwardCopy = own.forwardCopies.map { seconds($0, load: overlap) }
        costs.backwardCopy = own.backwardCopies.map { seconds($0, load: overlap) }
        if let straggler = spec.straggler, straggler.worker == worker { costs.slowdown = max(1, straggler.slowdown) }
        costs.scale = seconds(own.scale, load: late)
        costs.encode = seconds(own.encode, load: late)
        costs.share = seconds(own.share, load: late)
        costs.reduce = seconds(own.reduce, load: late)
        costs.fetch = seconds(own.fetch, load: late)
        costs.decode = seconds(own.decode, load: late)
        costs.tiedShare = seconds(own.tiedShare, load: late)
        costs.tiedFetch = seconds(own.tiedFetch, load: late)
        costs.optimizer = seconds(own.optimizer, load: late)
        costs.clear = seconds(own.clear, load: late)
        return costs
    }

    /// Of the work of one replica.
    func certainty() -> (error: Double, evidence: [EvidenceKind: Double]) {
        var (sum, byKind): (Double, [String: Double]) = (0, [:])
        var shares: [EvidenceKind: Double] = [:]
        for own in plan.pieces {
            for (list, count) in own.weighted(microBatches: spec.microBatches) {
                for piece in list {
                    let time = pieces.time(piece).alone
                    let seconds = Double(count) * time.seconds
                    sum += seconds
                    byKind[piece.kind, default: 0] += seconds * time.error
                    shares[time.evidence, default: 0] += seconds
                }
            }
        }
        guard sum > 0 else { return (0, [:]) }
        // In the order of the names: a sum over a dictionary would round differently from run to run.
        let square = byKind.sorted { $0.key < $1.key }.reduce(0.0) { $0 + $1.value * $1.value }
        return (square.squareRoot() / sum, shares.mapValues { $0 / sum })
    }
}

extension Piece {
    /// What pieces share a fit, and so its error.
    fileprivate var kind: String {
        switch self {
        case .kernel(let call, _): call.kernel.rawValue
        case .share, .fetch: "copy"
        case .send, .receive: "message"
        case .reduce: "add"
        case .encode: "encode"
        case .decode: "decode"
        }
    }
}
