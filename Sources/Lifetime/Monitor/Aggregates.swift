#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Mean and spread of the last so many samples of a stream, O(1) a sample.
public struct MovingAverage: Sendable, Hashable {
    private var window: [Double]
    private var next = 0
    private var sum = 0.0
    private var squares = 0.0
    public private(set) var count = 0

    public init(window: Int) { self.window = Array(repeating: 0, count: max(1, window)) }

    public mutating func take(_ sample: Double) {
        if count == window.count {
            sum -= window[next]
            squares -= window[next] * window[next]
        } else {
            count += 1
        }
        window[next] = sample
        sum += sample
        squares += sample * sample
        next = (next + 1) % window.count
        // Once a turn the sums are made anew, so that rounding does not pile up.
        if next == 0 {
            sum = window.reduce(0, +)
            squares = window.reduce(0) { $0 + $1 * $1 }
        }
    }

    public var mean: Double { count > 0 ? sum / Double(count) : 0 }
    public var variance: Double { count > 1 ? max(0, (squares - sum * mean) / Double(count - 1)) : 0 }
}

/// Rate of a counter that only grows, and starts at zero again where its process restarts.
public struct RateCounter: Sendable, Hashable {
    private var last: (time: Double, value: Double)?
    /// A second; 0 before the second reading.
    public private(set) var rate = 0.0

    public init() {}

    /// - Parameter time: seconds, ascending; a reading that is not later than the last is passed over.
    public mutating func take(_ value: Double, at time: Double) {
        if let last, time > last.time { rate = (value >= last.value ? value - last.value : value) / (time - last.time) }
        if last.map({ time > $0.time }) ?? true { last = (time, value) }
    }

    public static func == (a: RateCounter, b: RateCounter) -> Bool {
        a.rate == b.rate && a.last?.time == b.last?.time && a.last?.value == b.last?.value
    }
    public func hash(into hasher: inout Hasher) { hasher.combine(rate) }
}

/// One metric over all GPUs at one moment.
public struct PeerGroup: Sendable, Hashable {
    public var mean: Double
    public var deviation: Double
    public var least: Double
    public var most: Double
    public var median: Double
    /// Median absolute deviation from the median, times 1.4826: the standard deviation where the values are Gaussian, and hardly moved by outliers.
    public var spread: Double

    /// - Parameter values: [GPUs].
    public init(_ values: [Double]) {
        let count = Double(max(1, values.count))
        let average = values.reduce(0, +) / count
        mean = average
        deviation = (values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / count).squareRoot()
        let sorted = values.sorted()
        least = sorted.first ?? 0
        most = sorted.last ?? 0
        let middle = Self.median(sorted)
        median = middle
        spread = 1.4826 * Self.median(values.map { abs($0 - middle) }.sorted())
    }

    /// Robust distance of a value from its peers, in their spread.
    public func distance(_ value: Double) -> Double {
        guard spread > 0 else { return value == median ? 0 : value > median ? .infinity : -.infinity }
        return (value - median) / spread
    }

    private static func median(_ sorted: [Double]) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let half = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
    }
}
