import CGSL

/// The difference of two systems that were run under the same random numbers, pair by pair.
///
/// Noise that both share cancels: Var(b - a) = Var(a) + Var(b) - 2 Cov(a, b) (Law, Simulation Modeling and Analysis, section 11.2).
public struct PairedDifference: Sendable, Hashable {
    /// Pairs.
    public let count: Int
    public let meanA: Double
    public let meanB: Double
    /// Mean of b - a.
    public let difference: Double
    /// Half width of the 95% confidence interval of `difference`, by Student's t with count - 1 degrees of freedom.
    public let halfWidth: Double
    /// The same had the two been run on random numbers of their own (Welch's approximation).
    public let unpairedHalfWidth: Double
    public let correlation: Double
    /// Whether any seed gave another number than the rest.
    public let isRandom: Bool

    /// - Returns: nil for fewer than two pairs, lists of different lengths, or values that are no numbers.
    public init?(_ a: [Double], _ b: [Double]) {
        guard a.count == b.count, a.count >= 2, (a + b).allSatisfy(\.isFinite) else { return nil }
        count = a.count
        let n = Double(a.count)
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / n }
        func variance(_ values: [Double], _ mean: Double) -> Double {
            // The mean of equal numbers may differ from them by rounding.
            guard let first = values.first, values.contains(where: { $0 != first }) else { return 0 }
            return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
        }
        isRandom = [a, b].contains { values in values.contains { $0 != values[0] } }
        let (meanA, meanB) = isRandom ? (mean(a), mean(b)) : (a[0], b[0])
        (self.meanA, self.meanB) = (meanA, meanB)
        let differences = zip(a, b).map { $1 - $0 }
        difference = isRandom ? mean(differences) : b[0] - a[0]
        let (varianceA, varianceB) = (variance(a, meanA), variance(b, meanB))
        halfWidth = gsl_cdf_tdist_Pinv(0.975, n - 1) * (variance(differences, difference) / n).squareRoot()
        let (shareA, shareB) = (varianceA / n, varianceB / n)
        let spread = shareA + shareB
        let freedom = spread > 0 ? spread * spread / ((shareA * shareA + shareB * shareB) / (n - 1)) : n - 1
        unpairedHalfWidth = gsl_cdf_tdist_Pinv(0.975, freedom) * spread.squareRoot()
        let covariance = zip(a, b).reduce(0) { $0 + ($1.0 - meanA) * ($1.1 - meanB) } / (n - 1)
        let scale = (varianceA * varianceB).squareRoot()
        correlation = scale > 0 ? covariance / scale : 0
    }

    public var interval: ClosedRange<Double> { (difference - halfWidth)...(difference + halfWidth) }
    /// Whether the interval leaves out 0.
    public var isSignificant: Bool { abs(difference) > halfWidth }
}
