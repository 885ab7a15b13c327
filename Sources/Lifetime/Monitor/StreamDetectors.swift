import Engine

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Watches one stream of samples, standardised to mean 0 and deviation 1 while all is well, for a rise of the mean.
public protocol StreamDetector: Sendable {
    /// - Returns: whether this sample raises an alarm; the detector then starts again.
    mutating func take(_ sample: Double) -> Bool
    /// Mean samples between two false alarms, in closed form or by a Markov chain, never by simulation.
    func falseAlarmRunLength(_ jitter: Jitter) -> Double
}

/// Exponentially weighted moving average z = (1 - w) z + w x; an alarm at z >= L sqrt(w / (2 - w)) (Roberts 1959, doi:10.1080/00401706.1959.10489860).
public struct WeightedAverage: StreamDetector, Hashable {
    public var weight: Double
    /// In deviations of the average itself.
    public var limit: Double
    public var clip: Double?
    private var value = 0.0

    public init(weight: Double, limit: Double, clip: Double? = nil) {
        self.weight = weight
        self.limit = limit
        self.clip = clip
    }

    private var height: Double { limit * (weight / (2 - weight)).squareRoot() }

    public mutating func take(_ sample: Double) -> Bool {
        let used = clip.map { min($0, max(-$0, sample)) } ?? sample
        // Held above the lower limit, so that a long calm does not delay an alarm.
        value = max(-height, (1 - weight) * value + weight * used)
        guard value >= height else { return false }
        value = 0
        return true
    }

    /// By the Markov chain of Lucas and Saccucci (1990, doi:10.1080/00401706.1990.10484583) on states between the limits.
    public func falseAlarmRunLength(_ jitter: Jitter) -> Double {
        let cells = 121
        let width = 2 * height / Double(cells)
        func distribution(_ x: Double) -> Double {
            guard let clip else { return jitter.cumulative(x) }
            return x >= clip ? 1 : x < -clip ? 0 : jitter.cumulative(x)
        }
        return RunLength.solve(cells: cells, start: cells / 2) { row, column in
            let from = -height + (Double(row) + 0.5) * width
            let kept = (1 - weight) * from
            let high = (-height + Double(column + 1) * width - kept) / weight
            let low = (-height + Double(column) * width - kept) / weight
            return distribution(high) - (column == 0 ? 0 : distribution(low))
        }
    }

    public static func limit(weight: Double, runLength: Double, jitter: Jitter, clip: Double? = nil) -> Double {
        RunLength.threshold(for: runLength, from: 1) { WeightedAverage(weight: weight, limit: $0, clip: clip).falseAlarmRunLength(jitter) }
    }
}

/// Distance of one sample from its peers, in their spread; an alarm where it is above `limit`. Needs no memory, and a clear case.
public struct PeerDistance: StreamDetector, Hashable {
    public var limit: Double
    public init(limit: Double) { self.limit = limit }
    public init(runLength: Double, jitter: Jitter) { limit = jitter.quantile(tail: 1 / runLength) }

    public mutating func take(_ sample: Double) -> Bool { sample >= limit }
    public func falseAlarmRunLength(_ jitter: Jitter) -> Double { 1 / jitter.cumulative(-limit) }
}

/// Quickest detection of a change of the mean by `shift` (Shiryaev 1963, Roberts 1966, doi:10.1080/00401706.1966.10490374): R = (1 + R) L(x) with the
/// likelihood ratio L = e^(shift x - shift^2 / 2), an alarm at R >= A.
///
/// While all is well R - n is a martingale, so false alarms are at least A samples apart in the mean, whatever the jitter once L is scaled to mean 1.
public struct ChangePoint: StreamDetector, Hashable {
    public var shift: Double
    public var threshold: Double
    public var clip: Double?
    /// log of the mean of e^(shift x) over the jitter.
    private let normalisation: Double
    private var statistic = 0.0

    public init(shift: Double, runLength: Double, jitter: Jitter, clip: Double? = nil) {
        self.shift = shift
        threshold = runLength
        self.clip = clip
        guard let clip else {
            normalisation = shift * shift / 2
            return
        }
        // The mean by parts over the clipped range: e^(sc) - s times the integral of F(x) e^(sx).
        let points = 2000
        let step = 2 * clip / Double(points)
        var integral = 0.0
        for index in 0..<points {
            let x = -clip + (Double(index) + 0.5) * step
            integral += jitter.cumulative(x) * exp(shift * x) * step
        }
        normalisation = log(exp(shift * clip) - shift * integral)
    }

    public mutating func take(_ sample: Double) -> Bool {
        let used = clip.map { min($0, max(-$0, sample)) } ?? sample
        statistic = (1 + statistic) * exp(shift * used - normalisation)
        guard statistic >= threshold else { return false }
        statistic = 0
        return true
    }

    /// The martingale's bound; the truth is longer by the overshoot.
    public func falseAlarmRunLength(_ jitter: Jitter) -> Double { threshold }
}

/// Several detectors on one stream; an alarm of one is an alarm.
public struct DetectorSet: StreamDetector {
    public private(set) var all: [any StreamDetector]
    public init(_ all: [any StreamDetector]) { self.all = all }

    public mutating func take(_ sample: Double) -> Bool {
        var isAlarm = false
        for index in all.indices where all[index].take(sample) { isAlarm = true }
        return isAlarm
    }

    public func falseAlarmRunLength(_ jitter: Jitter) -> Double { 1 / all.reduce(0) { $0 + 1 / $1.falseAlarmRunLength(jitter) } }
}
