import Engine

/// How much of the variance of an output each input explains: "what matters most".
public struct SensitivityIndices: Sendable {
    public struct Index: Sendable, Hashable {
        public var value: Double
        /// 95% confidence interval, by the bootstrap.
        public var low: Double
        public var high: Double
    }
    /// Variance that the input explains alone, over the whole variance: [inputs].
    public let first: [Index]
    /// Variance that is left while all other inputs are fixed, so with all interactions: [inputs].
    public let total: [Index]
    public let mean: Double
    public let variance: Double
    /// Points of A whose outputs, with those of B and of all AB_i, are known.
    public let used: Int

    /// First-order and total indices after Jansen (Comput. Phys. Commun. 117, 1999; both as given in Saltelli et al., 2010, table 2):
    /// S_i = 1 - mean((f(B) - f(AB_i))^2) / (2 V), T_i = mean((f(A) - f(AB_i))^2) / (2 V), V the variance of f over A and B.
    /// - Parameters:
    ///   - outputs: of `design.points`, in their order; nil where a point has none, which leaves out the whole row.
    ///   - resamples: of the bootstrap (Efron and Tibshirani, 1993, section 13.3: percentiles).
    ///   - seed: of the bootstrap.
    /// - Returns: nil where fewer than two rows are whole, or the output does not vary.
    public init?(of outputs: [Double?], design: SampleDesign, resamples: Int = 1000, seed: UInt64) {
        let (count, inputs) = (design.count, design.inputs)
        guard outputs.count == count * (inputs + 2) else { return nil }
        // [rows][f(A), f(B), f(AB_0), ...]
        let rows = (0..<count).compactMap { row -> [Double]? in
            let values = (0..<inputs + 2).compactMap { outputs[$0 * count + row] }.filter(\.isFinite)
            return values.count == inputs + 2 ? values : nil
        }
        guard rows.count >= 2, let estimate = Estimate(rows, inputs: inputs) else { return nil }
        (mean, variance, used) = (estimate.mean, estimate.variance, rows.count)
        var stream = RandomStream(seed: seed, purpose: "sensitivity-bootstrap")
        let drawn = (0..<max(1, resamples)).compactMap { _ in
            Estimate((0..<rows.count).map { _ in rows[Int.random(in: 0..<rows.count, using: &stream)] }, inputs: inputs)
        }
        func index(_ value: Double, _ samples: [Double]) -> Index {
            let sorted = samples.sorted()
            guard !sorted.isEmpty else { return Index(value: value, low: value, high: value) }
            let last = Double(sorted.count - 1)
            return Index(value: value, low: sorted[Int((0.025 * last).rounded())], high: sorted[Int((0.975 * last).rounded())])
        }
        first = (0..<inputs).map { input in index(estimate.first[input], drawn.map { $0.first[input] }) }
        total = (0..<inputs).map { input in index(estimate.total[input], drawn.map { $0.total[input] }) }
    }

    private struct Estimate {
        var mean = 0.0
        var variance = 0.0
        var first: [Double] = []
        var total: [Double] = []

        init?(_ rows: [[Double]], inputs: Int) {
            let n = Double(rows.count)
            mean = rows.reduce(0) { $0 + $1[0] + $1[1] } / (2 * n)
            let mean = mean
            variance = rows.reduce(0) { $0 + ($1[0] - mean) * ($1[0] - mean) + ($1[1] - mean) * ($1[1] - mean) } / (2 * n - 1)
            guard variance > 1e-24 * mean * mean, variance.isFinite else { return nil }
            for input in 0..<inputs {
                var (own, others) = (0.0, 0.0)
                for row in rows {
                    own += (row[1] - row[2 + input]) * (row[1] - row[2 + input])
                    others += (row[0] - row[2 + input]) * (row[0] - row[2 + input])
                }
                first.append(1 - own / (2 * n * variance))
                total.append(others / (2 * n * variance))
            }
        }
    }
}
