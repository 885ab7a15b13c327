import Engine

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// How long something takes, in seconds: detecting a failure, repairing a node, a slow spell.
public enum DurationLaw: Sendable, Hashable {
    case constant(Double)
    case exponential(mean: Double)
    /// `sigma` is the standard deviation of the logarithm.
    case lognormal(median: Double, sigma: Double)
    case uniform(from: Double, to: Double)
    case weibull(shape: Double, mean: Double)
    case gamma(shape: Double, mean: Double)
    /// One of four values, each as likely: the means of the quarters of what was observed.
    case quarters(Double, Double, Double, Double)

    /// Lognormal through its median and 95th percentile: sigma = ln(p95 / median) / 1.6449.
    public static func lognormal(median: Double, p95: Double) -> DurationLaw {
        guard median > 0, p95 > median else { return .constant(median) }
        return .lognormal(median: median, sigma: log(p95 / median) / normal95)
    }

    /// The 95th percentile of the standard normal distribution.
    static let normal95 = 1.6448536269514722

    /// The quarters of observed values, whose mean is kept; zero without any.
    public static func observed(_ values: [Double]) -> DurationLaw {
        let sorted = values.sorted()
        guard sorted.count >= 4 else { return .constant(sorted.isEmpty ? 0 : sorted.reduce(0, +) / Double(sorted.count)) }
        // A value that lies across two quarters counts in both with its shares.
        func quarter(_ index: Int) -> Double {
            let length = Double(sorted.count) / 4
            let (from, to) = (Double(index) * length, Double(index + 1) * length)
            return sorted.indices.reduce(0) { sum, place in
                sum + sorted[place] * max(0, min(to, Double(place + 1)) - max(from, Double(place)))
            } / length
        }
        return .quarters(quarter(0), quarter(1), quarter(2), quarter(3))
    }

    public static let none = DurationLaw.constant(0)

    public var mean: Double {
        switch self {
        case .constant(let value): value
        case .exponential(let mean), .weibull(_, let mean), .gamma(_, let mean): mean
        case .lognormal(let median, let sigma): median * exp(sigma * sigma / 2)
        case .uniform(let low, let high): (low + high) / 2
        case .quarters(let a, let b, let c, let d): (a + b + c + d) / 4
        }
    }

    public func draw(_ stream: inout RandomStream) -> Double {
        switch self {
        case .constant(let value): return value
        case .exponential(let mean): return stream.exponential(mean: mean)
        case .lognormal(let median, let sigma): return median * exp(sigma * stream.normal())
        case .uniform(let low, let high): return low + (high - low) * stream.uniform()
        case .weibull(let shape, let mean): return stream.weibull(shape: shape, scale: mean / tgamma(1 + 1 / shape))
        case .gamma(let shape, let mean): return stream.gamma(shape: shape, scale: mean / shape)
        case .quarters(let a, let b, let c, let d):
            let u = stream.uniform()
            return u < 0.5 ? (u < 0.25 ? a : b) : (u < 0.75 ? c : d)
        }
    }

    /// A draw of what is left for an observer who comes at a random moment: the equilibrium distribution of renewal theory (Cox 1962, chapter 5),
    /// a uniform share of an interval drawn in proportion to its length.
    func drawRemaining(_ stream: inout RandomStream) -> Double {
        let part = stream.uniform()
        switch self {
        case .constant(let value): return part * value
        case .exponential(let mean): return stream.exponential(mean: mean)
        case .lognormal(let median, let sigma): return part * median * exp(sigma * sigma + sigma * stream.normal())
        case .uniform(let low, let high):
            // Length-biased: density proportional to x between the limits.
            return part * (low * low + (high * high - low * low) * stream.uniform()).squareRoot()
        case .weibull(let shape, let mean):
            // (x / scale)^shape is Gamma(1), length-biased Gamma(1 + 1/shape).
            return part * mean / tgamma(1 + 1 / shape) * pow(stream.gamma(shape: 1 + 1 / shape, scale: 1), 1 / shape)
        case .gamma(let shape, let mean): return part * stream.gamma(shape: shape + 1, scale: mean / shape)
        case .quarters(let a, let b, let c, let d):
            // Length-biased: each in proportion to its value.
            let u = stream.uniform() * (a + b + c + d)
            return part * (u < a ? a : u < a + b ? b : u < a + b + c ? c : d)
        }
    }
}
