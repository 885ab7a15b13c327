/// f(x) = 1/2 sum h_i x_i^2 with gradients h_i x_i + noise of a given deviation: the loss under SGD is known in closed form.
public struct NoisyQuadratic: Sendable {
    /// Curvatures h [dimensions].
    public let curvature: [Double]
    /// Standard deviation of each gradient element for a batch of one [dimensions].
    public let deviation: [Double]

    /// The same noise in every direction.
    public init(curvature: [Double], noise: Double) {
        self.init(curvature: curvature, deviation: [Double](repeating: noise, count: curvature.count))
    }

    /// Directions without a deviation have no noise.
    public init(curvature: [Double], deviation: [Double]) {
        self.curvature = curvature
        self.deviation = curvature.indices.map { $0 < deviation.count ? deviation[$0] : 0 }
    }

    /// h_i = i^-exponent with noise of variance h_i: the model of Zhang et al. (arXiv:1907.04164).
    public static func spectrum(dimension: Int, exponent: Double) -> NoisyQuadratic {
        let curvature = (1...max(1, dimension)).map { exponential(-exponent, of: Double($0)) }
        return NoisyQuadratic(curvature: curvature, deviation: curvature.map { $0.squareRoot() })
    }

    public func loss(_ x: [Double]) -> Double { 0.5 * zip(curvature, x).reduce(0) { $0 + $1.0 * $1.1 * $1.1 } }

    /// A gradient from a batch of `batch` samples.
    public func gradient(_ x: [Double], batch: Int, draws: inout SeededDraws) -> [Double] {
        let root = Double(max(1, batch)).squareRoot()
        return x.indices.map { curvature[$0] * x[$0] + deviation[$0] / root * draws.normal() }
    }

    /// The gradient [dimensions] of the batch that `key` names: always the same draws for the same key.
    public func gradient<Scalar: TrainingScalar>(_ x: [Scalar], batch: Int, key: UInt64, into gradient: inout [Scalar]) {
        let scale = 1 / Double(max(1, batch)).squareRoot()
        Scalar.noisyQuadratic(&gradient, x, curvature: curvature, deviation: deviation, noise: (key, scale))
    }

    /// E f(x_t) for SGD of a constant rate from `start`: E x^2 <- (1 - rate h)^2 E x^2 + rate^2 noise^2 / batch in each direction.
    public func expectedLoss(start: [Double], rate: Double, batch: Int, steps: Int) -> Double {
        var loss = 0.0
        for i in curvature.indices {
            let shrink = (1 - rate * curvature[i]) * (1 - rate * curvature[i])
            let kick = rate * rate * deviation[i] * deviation[i] / Double(max(1, batch))
            let decay = power(shrink, steps)
            let accumulated = shrink == 1 ? kick * Double(steps) : kick * (1 - decay) / (1 - shrink)
            loss += 0.5 * curvature[i] * (decay * start[i] * start[i] + accumulated)
        }
        return loss
    }

    /// The loss at which SGD of a constant rate settles: sum of rate noise^2 / (2 batch (2 - rate h)); infinite where rate h is 2 or more.
    public func floor(rate: Double, batch: Int) -> Double {
        curvature.indices.reduce(0) { sum, i in
            let h = curvature[i]
            let kick = 0.5 * rate * deviation[i] * deviation[i] / Double(max(1, batch))
            return h == 0 ? sum : rate * h < 2 ? sum + kick / (2 - rate * h) : .infinity
        }
    }
}
