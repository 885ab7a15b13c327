/// f(x) = 1/2 sum h_i x_i^2 with gradients h_i x_i + noise of a given deviation: the loss under SGD is known in closed form.
public struct NoisyQuadratic: Sendable {
    /// Curvatures h [dimensions].
    public let curvature: [Double]
    /// Standard deviation of each gradient element for a batch of one.
    public let noise: Double

    public init(curvature: [Double], noise: Double) {
        self.curvature = curvature
        self.noise = noise
    }

    public func loss(_ x: [Double]) -> Double { 0.5 * zip(curvature, x).reduce(0) { $0 + $1.0 * $1.1 * $1.1 } }

    /// A gradient from a batch of `batch` samples.
    public func gradient(_ x: [Double], batch: Int, draws: inout SeededDraws) -> [Double] {
        let deviation = noise / Double(max(1, batch)).squareRoot()
        return zip(curvature, x).map { $0 * $1 + deviation * draws.normal() }
    }

    /// E f(x_t) for SGD of a constant rate from `start`: E x^2 <- (1 - rate h)^2 E x^2 + rate^2 noise^2 / batch in each direction.
    public func expectedLoss(start: [Double], rate: Double, batch: Int, steps: Int) -> Double {
        var loss = 0.0
        for (h, x) in zip(curvature, start) {
            let shrink = (1 - rate * h) * (1 - rate * h)
            let kick = rate * rate * noise * noise / Double(max(1, batch))
            let decay = power(shrink, steps)
            let accumulated = shrink == 1 ? kick * Double(steps) : kick * (1 - decay) / (1 - shrink)
            loss += 0.5 * h * (decay * x * x + accumulated)
        }
        return loss
    }

    /// The loss at which SGD of a constant rate settles: sum of rate noise^2 / (2 batch (2 - rate h)); infinite where rate h is 2 or more.
    public func floor(rate: Double, batch: Int) -> Double {
        curvature.reduce(0) { sum, h in
            h == 0 ? sum : rate * h < 2 ? sum + 0.5 * rate * noise * noise / Double(max(1, batch)) / (2 - rate * h) : .infinity
        }
    }
}
