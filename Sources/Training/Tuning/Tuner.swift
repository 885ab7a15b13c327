/// Ends a trial that no longer improves: after `patience` observations in a row that are not at least `improvement` below the best.
public struct EarlyStopping: Sendable, Equatable {
    /// Observations in a row without improvement that end the trial, the least improvement, and the best loss so far.
    public let patience: Int
    public let improvement: Double
    public private(set) var best = Double.infinity
    private var waited = 0

    /// - Throws: `TrainingError` for a patience below 1 or a negative improvement.
    public init(patience: Int, improvement: Double = 0) throws(TrainingError) {
        guard patience >= 1, improvement >= 0 else {
            throw TrainingError("a patience of \(patience) for improvements of \(improvement): at least 1, and zero or more")
        }
        self.patience = patience
        self.improvement = improvement
    }

    /// True when it is time to stop. A loss that is not finite stops at once.
    public mutating func shouldStop(loss: Double) -> Bool {
        guard loss.isFinite else { return true }
        if loss < best - improvement {
            best = loss
            waited = 0
        } else {
            best = min(best, loss)
            waited += 1
        }
        return waited >= patience
    }
}

/// Gives much to few: all trials get `least` of a resource (steps, say), the best 1/`factor` of them `factor` times as much, and so on up to `most`
/// (successive halving, Jamieson and Talwalkar, arXiv:1502.07943; a trial goes on as soon as it is among the best of its rung so far, as in ASHA,
/// arXiv:1810.05934, so that nothing waits).
public struct SuccessiveHalving: Sendable {
    /// The resource of each rung, rising to `most`.
    public let rungs: [Int]
    public let factor: Int
    /// Losses seen [rungs].
    private var seen: [[Double]]

    /// - Throws: `TrainingError` unless 1 <= least <= most and the factor is at least 2.
    public init(least: Int, most: Int, factor: Int = 3) throws(TrainingError) {
        guard least >= 1, least <= most, factor >= 2 else {
            throw TrainingError("from \(least) to \(most) by a factor of \(factor): 1 <= least <= most, and a factor of 2 or more")
        }
        var rungs = [most]
        while let last = rungs.last, last / factor >= least { rungs.append(last / factor) }
        self.rungs = rungs.reversed()
        self.factor = factor
        seen = rungs.map { _ in [] }
    }

    /// Whether a trial that had `loss` at `rung` goes on to the next.
    public mutating func goesOn(rung: Int, loss: Double) -> Bool {
        guard rung + 1 < rungs.count, loss.isFinite else { return false }
        seen[rung].append(loss)
        let better = seen[rung].filter { $0 < loss }.count
        return better < max(1, (seen[rung].count + factor - 1) / factor)
    }
}

/// What a search found.
public struct TuningResult: Sendable {
    /// One choice of values, and how far it came.
    public struct Trial: Sendable {
        /// [parameters]
        public var values: [Double]
        public var loss: Double
        /// Resource of the last rung it reached.
        public var resource: Int
    }
    /// In the order in which they began.
    public var trials: [Trial]
    /// Resource spent in all, where a trial that goes on starts anew.
    public var spent: Int
    /// The least loss among the trials that went farthest.
    public var best: Trial? {
        let farthest = trials.map(\.resource).max()
        return trials.filter { $0.resource == farthest && $0.loss.isFinite }.min { $0.loss < $1.loss }
    }
}

/// Searches `space` with `trials` proposals of a tree Parzen estimator, each trained through the rungs of `halving` as far as it goes on.
/// `evaluate` gets the values [parameters] and the resource, and gives the loss. The same seed gives the same search.
public func tune<Failure: Error>(
    _ estimator: TreeParzenEstimator, halving: SuccessiveHalving, trials: Int, evaluate: ([Double], Int) throws(Failure) -> Double
) throws(Failure) -> TuningResult {
    var estimator = estimator
    var halving = halving
    var result = TuningResult(trials: [], spent: 0)
    for _ in 0..<max(0, trials) {
        let point = estimator.propose()
        let values = estimator.space.values(at: point)
        var trial = TuningResult.Trial(values: values, loss: .infinity, resource: 0)
        for (rung, resource) in halving.rungs.enumerated() {
            trial.loss = try evaluate(values, resource)
            trial.resource = resource
            result.spent += resource
            if !halving.goesOn(rung: rung, loss: trial.loss) { break }
        }
        estimator.record(point, loss: trial.loss)
        result.trials.append(trial)
    }
    return result
}
