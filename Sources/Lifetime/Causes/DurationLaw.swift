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

    /// Lognormal through its median and 95th percentile: sigma = ln(p95 / median) / 1.6449.
    public static func lognormal(median: Double, p95: Double) -> DurationLaw {
        guard median > 0, p95 > median else { return .constant(median) }
        return .lognormal(median: median, sigma: log(p95 / median) / normal95)
    }

    /// The 95th percentile of the standard normal distribution.
    static let normal95 = 1.6448536269514722

    public static let none = DurationLaw.constant(0)

    public var mean: Double {
        switch self {
        case .constant(let value): value
        case .exponential(let mean), .weibull(_, let mean), .gamma(_, let mean): mean
        case .lognormal(let median, let sigma): median * exp(sigma * sigma / 2)
        case .uniform(let low, let high): (low + high) / 2
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
        }
    }
}
