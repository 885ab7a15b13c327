/// Attention of each query to its k best keys, with a dense start: all keys for the first tenth of the steps, fewer and fewer for the next three
/// tenths, `steady` of them for the rest.
public struct SparseAttentionSchedule: Sendable, Equatable {
    /// Shares of the training: with all keys, and with fewer and fewer.
    public let warmup: Double
    public let ramp: Double
    /// Share of the keys kept in the end.
    public let steady: Double

    /// - Throws: `TrainingError` unless the phases fit in 1 and the share is in (0, 1].
    public init(warmup: Double = 0.1, ramp: Double = 0.3, steady: Double = 0.25) throws(TrainingError) {
        guard warmup >= 0, ramp >= 0, warmup + ramp <= 1, steady > 0, steady <= 1 else {
            throw TrainingError("phases of \(warmup) and \(ramp) with \(steady) of the keys: phases must fit in 1 and the share in (0, 1]")
        }
        self.warmup = warmup
        self.ramp = ramp
        self.steady = steady
    }

    /// Share of the keys at `step` of `total`: 1 before warmup x total, linear until (warmup + ramp) x total, then `steady`.
    public func share(at step: Int, of total: Int) -> Double {
        let progress = Double(step) / Double(max(1, total))
        if progress <= warmup { return 1 }
        if progress >= warmup + ramp { return steady }
        return 1 + (steady - 1) * (progress - warmup) / ramp
    }

    /// Keys that a query with `available` ones attends to: at least one.
    public func keys(of available: Int, at step: Int, of total: Int) -> Int {
        max(1, min(available, Int((share(at: step, of: total) * Double(available)).rounded(.up))))
    }
}

/// FLOPs of one head over a sequence, with the scoring that chooses the keys.
public struct SparseAttentionCost: Sendable {
    /// Tokens of the sequence, and dimensions of the head.
    public var sequence: Int
    public var headDimension: Int
    /// Dimensions in which keys are scored; equal to `headDimension` where the true scores are computed first.
    public var scoringDimension: Int

    public init(sequence: Int, headDimension: Int, scoringDimension: Int) {
        self.sequence = sequence
        self.headDimension = headDimension
        self.scoringDimension = scoringDimension
    }

    /// Causal pairs of query and key.
    private var pairs: Double { Double(sequence) * Double(sequence + 1) / 2 }
    /// Scores and weighted values, two FLOPs each a dimension.
    public var dense: Double { pairs * 4 * Double(headDimension) }
    /// All pairs are scored in `scoringDimension`; where these are not the true scores, the kept ones are scored again in full.
    public func sparse(share: Double) -> Double {
        let again = scoringDimension == headDimension ? 0 : 2 * Double(headDimension)
        return pairs * (2 * Double(scoringDimension) + share * (2 * Double(headDimension) + again))
    }
}
