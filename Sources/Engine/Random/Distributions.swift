#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Draws. A parameter at or below its limit gives the distribution's limit there (for instance coefficient of variation 0: the mean itself),
/// so that no draw can trap.
extension RandomStream {
    /// Uniform on [0, 1), in steps of 2^-53.
    public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Uniform on (0, 1), for logarithms.
    private mutating func openUniform() -> Double { (Double(next() >> 11) + 0.5) * 0x1p-53 }

    /// Standard normal, by Box and Muller (1958, doi:10.1214/aoms/1177706645).
    public mutating func normal() -> Double {
        if let spare = spareNormal {
            spareNormal = nil
            return spare
        }
        let radius = (-2 * log(openUniform())).squareRoot()
        let angle = 2 * Double.pi * uniform()
        spareNormal = radius * sin(angle)
        return radius * cos(angle)
    }

    public mutating func normal(mean: Double, deviation: Double) -> Double { mean + deviation * normal() }

    /// Log-normal with the given mean and coefficient of variation: sigma^2 = ln(1 + cv^2), mu = ln(mean) - sigma^2/2.
    public mutating func lognormal(mean: Double = 1, cv: Double) -> Double {
        let z = normal()
        guard mean > 0, cv > 0 else { return mean }
        let variance = log1p(cv * cv)
        return mean * exp(variance.squareRoot() * z - variance / 2)
    }

    /// Exponential with the given mean.
    public mutating func exponential(mean: Double) -> Double {
        let u = openUniform()
        return mean > 0 ? -mean * log(u) : 0
    }

    /// Weibull, survival exp(-(x/scale)^shape). Mean scale * Gamma(1 + 1/shape).
    public mutating func weibull(shape: Double, scale: Double) -> Double {
        let u = openUniform()
        guard shape > 0, scale > 0 else { return 0 }
        return scale * pow(-log(u), 1 / shape)
    }

    /// Gamma with mean shape * scale, by Marsaglia and Tsang (2000, doi:10.1145/358407.358414). Uses a varying number of draws.
    public mutating func gamma(shape: Double, scale: Double) -> Double {
        guard shape > 0, scale > 0, shape.isFinite else { return shape > 0 && scale > 0 ? .infinity : 0 }
        // Shapes below 1: Gamma(a) = Gamma(a + 1) * U^(1/a).
        let boost = shape < 1 ? pow(openUniform(), 1 / shape) : 1
        let d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal()
            let root = 1 + c * x
            guard root > 0 else { continue }
            let v = root * root * root
            if log(openUniform()) < 0.5 * x * x + d - d * v + d * log(v) { return d * v * boost * scale }
        }
    }
}
