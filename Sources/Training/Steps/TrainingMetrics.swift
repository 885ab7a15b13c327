/// Numbers that tell whether training is healthy, by streaming over steps in constant memory.
public struct TrainingMetrics: Sendable {
    /// Weight of the past in the moving averages.
    public let smoothing: Double
    public private(set) var steps = 0
    public private(set) var lossAverage = 0.0
    public private(set) var gradientNormAverage = 0.0
    /// Of the updates applied.
    public private(set) var staleUpdates = 0
    public private(set) var stalenessSum = 0
    private var weight = 0.0
    private var normMean = 0.0
    private var normSquares = 0.0

    public init(smoothing: Double = 0.98) { self.smoothing = smoothing }

    /// Records one applied update. `staleness` is how many updates happened between reading the parameters and applying.
    public mutating func record(loss: Double, gradientNorm: Double, staleness: Int = 0) {
        steps += 1
        weight = smoothing * weight + (1 - smoothing)
        lossAverage += (1 - smoothing) / weight * (loss - lossAverage)
        gradientNormAverage += (1 - smoothing) / weight * (gradientNorm - gradientNormAverage)
        // Welford 1962: exact mean and sum of squared deviations.
        let delta = gradientNorm - normMean
        normMean += delta / Double(steps)
        normSquares += delta * (gradientNorm - normMean)
        if staleness > 0 { staleUpdates += 1 }
        stalenessSum += staleness
    }

    /// `gradient_norm_variance`: unbiased, over all steps.
    public var gradientNormVariance: Double { steps > 1 ? normSquares / Double(steps - 1) : 0 }
    /// `async_delay_ratio`: the share of updates whose gradient was stale.
    public var asyncDelayRatio: Double { steps > 0 ? Double(staleUpdates) / Double(steps) : 0 }
    /// Updates by which a gradient was late, mean over all steps.
    public var meanStaleness: Double { steps > 0 ? Double(stalenessSum) / Double(steps) : 0 }
}

/// Events a second over the last `window` seconds of whatever clock the caller keeps.
public struct RateCounter: Sendable {
    /// Seconds over which events are counted.
    public let window: Double
    private var events: [(time: Double, count: Double)] = []
    private var first = 0

    public init(window: Double) { self.window = window }

    /// Times must not decrease.
    public mutating func record(_ count: Double, at time: Double) {
        events.append((time, count))
        while first < events.count, events[first].time <= time - window { first += 1 }
        if first > 1024, first > events.count / 2 {
            events.removeFirst(first)
            first = 0
        }
    }

    public func rate(at time: Double) -> Double {
        events[first...].reduce(0) { $1.time > time - window ? $0 + $1.count : $0 } / window
    }
}
