import Engine

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// How one sample of a stream scatters round its mean, in standard deviations.
public enum Jitter: Sendable, Hashable {
    case gaussian
    /// Student's t with five degrees of freedom, scaled to unit variance: heavy tails.
    case student5

    /// Distribution function of the unit-variance variable.
    public func cumulative(_ x: Double) -> Double {
        switch self {
        case .gaussian: return 0.5 * erfc(-x / 2.0.squareRoot())
        case .student5:
            // t with 5 degrees: F = 1/2 + (theta + sin(theta) (cos(theta) + 2/3 cos^3(theta))) / pi, theta = atan(t / sqrt 5)
            // (Abramowitz and Stegun 26.7.3); unit variance is t sqrt(3/5).
            let t = x * (5.0 / 3).squareRoot()
            let theta = atan(t / 5.0.squareRoot())
            let cosine = cos(theta)
            return 0.5 + (theta + sin(theta) * (cosine + 2.0 / 3 * cosine * cosine * cosine)) / Double.pi
        }
    }

    /// A sample of mean 0 and variance 1.
    public func draw(_ stream: inout RandomStream) -> Double {
        let normal = stream.normal()
        guard self == .student5 else { return normal }
        // t: a normal over the root of a chi-square over its degrees of freedom; its variance is 5/3.
        return normal / (stream.gamma(shape: 2.5, scale: 2) / 5).squareRoot() * (3.0 / 5).squareRoot()
    }

    /// The value that a sample exceeds with chance `tail`.
    public func quantile(tail: Double) -> Double {
        // The lower tail is used, where the distribution function keeps its digits.
        var (low, high) = (0.0, 1.0)
        while cumulative(-high) > tail, high < 1e6 { high *= 2 }
        for _ in 0..<80 {
            let middle = (low + high) / 2
            if cumulative(-middle) > tail { low = middle } else { high = middle }
        }
        return high
    }
}

/// Cumulative sum of samples above `allowance`, one-sided: S = max(0, S + x - k), an alarm at S >= h (Page 1954, doi:10.1093/biomet/41.1-2.100).
/// Samples are standardised (distance from the peers' median over their spread) and clipped at `clip`, without which heavy tails decide.
public struct CumulativeSum: StreamDetector, Hashable {
    public var allowance: Double
    public var threshold: Double
    public var clip: Double?
    private var sum = 0.0

    public init(allowance: Double, threshold: Double, clip: Double? = nil) {
        self.allowance = allowance
        self.threshold = threshold
        self.clip = clip
    }

    /// - Returns: whether this sample raises an alarm; the sum then starts again.
    public mutating func take(_ sample: Double) -> Bool {
        let used = clip.map { min($0, max(-$0, sample)) } ?? sample
        sum = max(0, sum + used - allowance)
        guard sum >= threshold else { return false }
        sum = 0
        return true
    }

    /// As the protocol asks, on 120 states.
    public func falseAlarmRunLength(_ jitter: Jitter) -> Double { falseAlarmRunLength(jitter, cells: 120) }

    /// Mean number of samples until a false alarm, by the Markov chain of Brook and Evans (1972, doi:10.1093/biomet/59.3.539) on `cells` states.
    /// - Complexity: O(cells^3).
    public func falseAlarmRunLength(_ jitter: Jitter, cells: Int) -> Double {
        let width = 2 * threshold / Double(2 * cells - 1)
        func distribution(_ z: Double) -> Double {
            guard let clip else { return jitter.cumulative(z) }
            return z >= clip ? 1 : z < -clip ? 0 : jitter.cumulative(z)
        }
        return RunLength.solve(cells: cells, start: 0) { row, column in
            let low = column == 0 ? -Double.infinity : Double(column - row) * width - width / 2 + allowance
            let high = Double(column - row) * width + width / 2 + allowance
            return distribution(high) - (low.isInfinite ? 0 : distribution(low))
        }
    }

    /// The threshold at which false alarms are `runLength` samples apart in the mean.
    public static func threshold(
        allowance: Double, runLength: Double, jitter: Jitter = .gaussian, clip: Double? = nil
    ) -> Double {
        func length(_ threshold: Double, cells: Int) -> Double {
            CumulativeSum(allowance: allowance, threshold: threshold, clip: clip).falseAlarmRunLength(jitter, cells: cells)
        }
        // A coarse chain finds the place, at a thirtieth of the work.
        let near = RunLength.threshold(for: runLength, from: 0.5) { length($0, cells: 40) }
        return RunLength.threshold(for: runLength, from: 0.97 * near, growth: 1.03) { length($0, cells: 120) }
    }
}

/// Mean run lengths of detectors that are Markov chains.
enum RunLength {
    /// Mean steps until a chain leaves its `cells` states, from state `start`: (I - Q) L = 1 with Q[i][j] the chance to go from i to j.
    /// - Complexity: O(cells^3).
    static func solve(cells: Int, start: Int, chance: (Int, Int) -> Double) -> Double {
        // [cells][cells + 1]; Gauss without pivoting: the matrix is an M-matrix.
        let width = cells + 1
        var matrix = [Double](repeating: 1, count: cells * width)
        for row in 0..<cells {
            for column in 0..<cells { matrix[row * width + column] = (row == column ? 1 : 0) - chance(row, column) }
        }
        return matrix.withUnsafeMutableBufferPointer { matrix in
            for pivot in 0..<cells {
                let scale = matrix[pivot * width + pivot]
                guard abs(scale) > 1e-300 else { return .infinity }
                for row in (pivot + 1)..<max(pivot + 1, cells) {
                    let factor = matrix[row * width + pivot] / scale
                    guard factor != 0 else { continue }
                    for column in pivot...cells { matrix[row * width + column] -= factor * matrix[pivot * width + column] }
                }
            }
            var lengths = [Double](repeating: 0, count: cells)
            for row in stride(from: cells - 1, through: 0, by: -1) {
                var sum = matrix[row * width + cells]
                for column in (row + 1)..<max(row + 1, cells) { sum -= matrix[row * width + column] * lengths[column] }
                lengths[row] = sum / matrix[row * width + row]
            }
            return lengths[start] > 0 ? lengths[start] : .infinity
        }
    }

    /// The threshold at which `length` is `target`: upwards until it is passed, then by secants of the logarithm, which is nearly straight, held inside
    /// the bracket. Far above the target the chain turns singular, so steps upwards are small.
    static func threshold(for target: Double, from start: Double, growth: Double = 1.3, _ length: (Double) -> Double) -> Double {
        func height(_ h: Double) -> Double {
            let found = length(h)
            return found < 1e14 ? log(found) : .infinity
        }
        let wanted = log(target)
        var (low, below) = (0.0, 0.0)
        var (high, above) = (start, height(start))
        while above < wanted, high < 400 {
            (low, below) = (high, above)
            high *= growth
            above = height(high)
        }
        for round in 0..<40 {
            let secant = low + (high - low) * (wanted - below) / (above - below)
            let isUsable = above.isFinite && secant > low && secant < high && round % 3 < 2
            let middle = isUsable ? secant : (low + high) / 2
            let found = height(middle)
            if abs(found - wanted) < 1e-3 { return middle }
            if found < wanted { (low, below) = (middle, found) } else { (high, above) = (middle, found) }
            if high - low < 1e-6 * high { break }
        }
        return high
    }
}

/// Three cumulative sums at once, for small, medium and large shifts, with one budget of false alarms between them.
public struct ShiftDetector: StreamDetector, Hashable {
    public private(set) var sums: [CumulativeSum]

    /// - Parameters:
    ///   - streams: metrics x GPUs that are watched.
    ///   - falseAlarmsPerDay: of all of them together.
    ///   - period: seconds between two samples of a stream.
    public init(streams: Int, falseAlarmsPerDay: Double = 0.2, period: Double = 1, jitter: Jitter = .gaussian) {
        self.init(runLength: Double(streams) * 86_400 / period / falseAlarmsPerDay, jitter: jitter)
    }

    /// - Parameter runLength: samples of a stream between two false alarms, at least.
    public init(runLength: Double, jitter: Jitter) {
        switch jitter {
        case .gaussian:
            sums = [0.5, 1.25, 2].map { allowance in
                CumulativeSum(
                    allowance: allowance, threshold: CumulativeSum.threshold(allowance: allowance, runLength: 3 * runLength))
            }
        case .student5:
            sums = [(1.25, 3.0), (2, 5)].map { allowance, clip in
                CumulativeSum(
                    allowance: allowance,
                    threshold: CumulativeSum.threshold(allowance: allowance, runLength: 2 * runLength, jitter: jitter, clip: clip),
                    clip: clip)
            }
        }
    }

    /// Alarms of one sum alone are no rarer than those of all together: the sum of their rates bounds the rate.
    public func falseAlarmRunLength(_ jitter: Jitter) -> Double {
        1 / sums.reduce(0) { $0 + 1 / $1.falseAlarmRunLength(jitter) }
    }

    /// - Parameter sample: standardised against the peers at the same moment.
    public mutating func take(_ sample: Double) -> Bool {
        var isAlarm = false
        for index in sums.indices where sums[index].take(sample) { isAlarm = true }
        return isAlarm
    }
}
