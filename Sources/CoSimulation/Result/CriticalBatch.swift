import Training

/// Steps S and samples E to one loss over batch sizes lie on (S / S_min - 1) (E / E_min - 1) = 1 (McCandlish et al., arXiv:1812.06162): with
/// E = S B that is S = S_min + E_min / B, a straight line in 1/B.
public struct CriticalBatch: Sendable, Equatable {
    public let leastSteps: Double
    public let leastSamples: Double
    /// R^2 of ln S over the points.
    public let determination: Double
    /// E_min / S_min: twice the least steps, twice the least samples.
    public var batch: Double { leastSamples / leastSteps }

    /// Fits ln S by weighting every point by its own size; nil for less than three points, or where no such law holds.
    public init?(_ points: [(steps: Double, samples: Double)]) {
        guard points.count >= 3, points.allSatisfy({ $0.steps > 0 && $0.samples > 0 }) else { return nil }
        // Relative residuals: minimise sum (1 - S_min / S - E_min / E)^2, linear in both.
        var (aa, ab, bb, a, b) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for point in points {
            let (x, y) = (1 / point.steps, 1 / point.samples)
            aa += x * x
            ab += x * y
            bb += y * y
            a += x
            b += y
        }
        let determinant = aa * bb - ab * ab
        guard determinant > 0 else { return nil }
        leastSteps = (a * bb - b * ab) / determinant
        leastSamples = (aa * b - ab * a) / determinant
        guard leastSteps > 0, leastSamples > 0 else { return nil }
        var (residual, total) = (0.0, 0.0)
        let logs = points.map { $0.steps.logarithm }
        let mean = logs.reduce(0, +) / Double(logs.count)
        for (point, log) in zip(points, logs) {
            let fitted = leastSteps + leastSamples * point.steps / point.samples
            residual += (fitted.logarithm - log) * (fitted.logarithm - log)
            total += (log - mean) * (log - mean)
        }
        determination = total > 0 ? 1 - residual / total : 1
    }
}

extension Double {
    fileprivate var logarithm: Double { naturalLogarithm(self) }
}
