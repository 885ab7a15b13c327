import Engine

/// How long one gradient takes a worker: a draw for every gradient, a pure function of (seed, worker, number).
public struct Service: Sendable, Equatable {
    public enum Shape: Sendable, Equatable {
        case constant
        case exponential
        /// With this shape parameter: k gives a coefficient of variation of 1 / sqrt(k).
        case gamma(Double)
        /// With this coefficient of variation.
        case lognormal(Double)
    }
    public var shape: Shape
    /// Seconds.
    public var mean: Double

    public init(_ shape: Shape = .constant, mean: Double = 1) {
        self.shape = shape
        self.mean = mean
    }

    public func seconds(seed: UInt64, worker: Int, number: Int) -> Double {
        if shape == .constant { return mean }
        var stream = RandomStream(seed: seed, purpose: "service", entity: UInt64(worker) << 40 ^ UInt64(number))
        switch shape {
        case .constant: return mean
        case .exponential: return stream.exponential(mean: mean)
        case .gamma(let k): return stream.gamma(shape: k, scale: mean / k)
        case .lognormal(let cv): return stream.lognormal(mean: mean, cv: cv)
        }
    }
}
