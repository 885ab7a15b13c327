/// The gradient-noise scale from gradients of two batch sizes (McCandlish et al., arXiv:1812.06162, appendix A): with b < B,
/// |G|^2 = (B |G_B|^2 - b |G_b|^2) / (B - b) and tr Sigma = (|G_b|^2 - |G_B|^2) / (1/b - 1/B), both unbiased; the scale is their ratio.
/// A batch of as many samples as the noise scale needs twice the steps of a very large one, and twice the samples of a very small one.
public struct NoiseScaleSums: Sendable, Equatable {
    /// Sums of |G_b|^2 and |G_B|^2.
    public internal(set) var small = 0.0
    public internal(set) var large = 0.0
    public internal(set) var count = 0
    /// b and B, in samples.
    public internal(set) var batches = (small: 0.0, large: 0.0)

    public init() {}

    public mutating func add(small: Double, large: Double, batches: (small: Double, large: Double)) {
        guard small.isFinite, large.isFinite, batches.large > batches.small else { return }
        self.small += small
        self.large += large
        self.batches = batches
        count += 1
    }

    /// |G|^2 and tr Sigma; nil before the first pair.
    public var estimate: (squaredGradient: Double, trace: Double)? {
        guard count > 0 else { return nil }
        let (b, large) = batches
        let (smallMean, largeMean) = (small / Double(count), self.large / Double(count))
        return ((large * largeMean - b * smallMean) / (large - b), (smallMean - largeMean) / (1 / b - 1 / large))
    }

    /// Samples; nil where the estimate of |G|^2 is not above 0: the noise hides the gradient.
    public var scale: Double? {
        guard let (gradient, trace) = estimate, gradient > 0, trace >= 0 else { return nil }
        return trace / gradient
    }

    public static func == (a: Self, b: Self) -> Bool {
        a.small == b.small && a.large == b.large && a.count == b.count && a.batches == b.batches
    }
}
