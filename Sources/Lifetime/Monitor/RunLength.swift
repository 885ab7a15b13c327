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
}

/// Cumulative sum of samples above `allowance`, one-sided: S = max(0, S + x - k), an alarm at S >= h (Page 1954, doi:10.1093/biomet/41.1-2.100).
/// Samples are standardised (distance from the peers' median over their spread) and clipped at `clip`, without which heavy tails decide.
public struct CumulativeSum: Sendable, Hashable {
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

    /// Mean number of samples until a false alarm, by the Markov chain of Brook and Evans (1972, doi:10.1093/biomet/59.3.539) on `cells` states.
    /// - Complexity: O(cells^3).
    public func falseAlarmRunLength(_ jitter: Jitter, cells: Int = 120) -> Double {
        let width = 2 * threshold / Double(2 * cells - 1)
        func distribution(_ z: Double) -> Double {
            guard let clip else { return jitter.cumulative(z) }
            return z >= clip ? 1 : z < -clip ? 0 : jitter.cumulative(z)
        }
        // (I - Q) L = 1, where Q[i][j] is the chance to go from state i to state j.
        var matrix = [[Double]](repeating: [Double](repeating: 0, count: cells + 1), count: cells)
        for row in 0..<cells {
            for column in 0..<cells {
                let low = column == 0 ? -Double.infinity : Double(column - row) * width - width / 2 + allowance
                let high = Double(column - row) * width + width / 2 + allowance
                let chance = distribution(high) - (low.isInfinite ? 0 : distribution(low))
                matrix[row][column] = (row == column ? 1 : 0) - chance
            }
            matrix[row][cells] = 1
        }
        // Gauss without pivoting: the matrix is an M-matrix.
        for pivot in 0..<cells {
            let scale = matrix[pivot][pivot]
            guard abs(scale) > 1e-300 else { return .infinity }
            for row in (pivot + 1)..<max(pivot + 1, cells) {
                let factor = matrix[row][pivot] / scale
                guard factor != 0 else { continue }
                for column in pivot...cells { matrix[row][column] -= factor * matrix[pivot][column] }
            }
        }
        var lengths = [Double](repeating: 0, count: cells)
        for row in stride(from: cells - 1, through: 0, by: -1) {
            var sum = matrix[row][cells]
            for column in (row + 1)..<max(row + 1, cells) { sum -= matrix[row][column] * lengths[column] }
            lengths[row] = sum / matrix[row][row]
        }
        return lengths[0] > 0 ? lengths[0] : .infinity
    }

    /// The threshold at which false alarms are `runLength` samples apart in the mean.
    public static func threshold(
        allowance: Double, runLength: Double, jitter: Jitter = .gaussian, clip: Double? = nil
    ) -> Double {
        func length(_ h: Double) -> Double {
            CumulativeSum(allowance: allowance, threshold: h, clip: clip).falseAlarmRunLength(jitter)
        }
        // Upwards until the target is passed, since the chain turns singular far above it; then bisection.
        var high = 0.5
        while high < 200 {
            let found = length(high)
            if !(found < 1e14) || found > runLength { break }
            high *= 1.15
        }
        var low = high / 1.15
        for _ in 0..<24 {
            let middle = (low + high) / 2
            if length(middle) < runLength { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }
}

/// Three cumulative sums at once, for small, medium and large shifts, with one budget of false alarms between them.
public struct ShiftDetector: Sendable, Hashable {
    public private(set) var sums: [CumulativeSum]

    /// - Parameters:
    ///   - streams: metrics x GPUs that are watched.
    ///   - falseAlarmsPerDay: of all of them together.
    ///   - period: seconds between two samples of a stream.
    public init(streams: Int, falseAlarmsPerDay: Double = 0.2, period: Double = 1, jitter: Jitter = .gaussian) {
        let runLength = Double(streams) * 86_400 / period / falseAlarmsPerDay
        switch jitter {
        case .gaussian:
            sums = [0.5, 1.25, 2].map { allowance in
                CumulativeSum(
                    allowance: allowance, threshold: CumulativeSum.threshold(allowance: allowance, runLength: 2.5 * runLength))
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

    /// - Parameter sample: standardised against the peers at the same moment.
    public mutating func take(_ sample: Double) -> Bool {
        var isAlarm = false
        for index in sums.indices where sums[index].take(sample) { isAlarm = true }
        return isAlarm
    }
}
