/// How well predictions meet measurements, over a set of rows. Errors are predicted over measured, less one; shares of 1, not per cent.
public struct ValidationStatistics: Sendable {
    public var rows = 0
    /// Rows without a usable prediction. In the quantiles each counts as infinitely wrong.
    public var failed = 0
    /// Sum of the weights of all rows.
    public var weight = 0.0
    /// Weighted median and 90th percentile of the absolute error with failures counted; nil without rows, infinite where failures reach that far.
    public var median: Double?
    public var p90: Double?
    /// Weighted mean of the absolute error, largest absolute error, and weighted mean of the signed error, over modelled rows.
    public var mean: Double?
    public var worst: Double?
    public var bias: Double?
    /// Kendall's rank correlation of measured and predicted throughput (samples/s) among rows that share source, model, GPUs, hardware and framework
    /// (Kendall 1938, tau-a over the pairs whose measured throughput differs by 1% or more; equal predictions count as neither).
    public var tau: Double?
    /// Concordant and discordant pairs behind it.
    public var pairs = 0
    /// The same over the pairs whose measured throughput differs by more than repeats of one configuration commonly do (`noise`).
    public var tauOverNoise: Double?
    public var pairsOverNoise = 0
    /// Difference of measured throughput up to which the order of two runs may be chance: equal rows of published tables differ by 1 % (same machine,
    /// same week) to 6 %.
    public static let noise = 0.03
    /// Weighted share of modelled rows with an interval whose measurement lies in it.
    public var coverage: Double?
    /// Weighted mean share of the step's time that rests on measured timings.
    public var measuredShare: Double?
    /// Weighted median of the absolute error of peak memory, and the rows behind it.
    public var memoryMedian: Double?
    public var memoryRows = 0

    /// O(n log n + pairs).
    /// Rows without weight are those that their table excludes: listed elsewhere, and not counted.
    public init(_ all: [ValidationRow]) {
        let rows = all.filter { $0.weight > 0 }
        self.rows = rows.count
        weight = rows.reduce(0) { $0 + $1.weight }
        let errors = rows.compactMap { row in row.error.map { (error: $0, weight: row.weight) } }
        failed = rows.count - errors.count
        let absolute = rows.map { (value: $0.error.map(abs) ?? .infinity, weight: $0.weight) }
        median = weightedQuantile(absolute, 0.5)
        p90 = weightedQuantile(absolute, 0.9)
        mean = weightedMean(errors.map { (abs($0.error), $0.weight) })
        bias = weightedMean(errors.map { ($0.error, $0.weight) })
        worst = errors.map { abs($0.error) }.max()
        (tau, pairs) = kendallTau(rows)
        (tauOverNoise, pairsOverNoise) = kendallTau(rows, over: Self.noise)
        coverage = weightedMean(
            rows.compactMap { row in row.prediction?.interval90.map { ($0.contains(row.measuredS) ? 1 : 0, row.weight) } })
        measuredShare = weightedMean(rows.compactMap { row in row.prediction.map { ($0.evidence.measured, row.weight) } })
        let memory = rows.compactMap { row in row.memoryError.map { (value: abs($0), weight: row.weight) } }
        memoryMedian = weightedQuantile(memory, 0.5)
        memoryRows = memory.count
    }
}

/// The smallest value at which the cumulated weight reaches `q` of the total; nil without weight.
func weightedQuantile(_ values: [(value: Double, weight: Double)], _ q: Double) -> Double? {
    let total = values.reduce(0) { $0 + $1.weight }
    guard total > 0 else { return nil }
    var cumulated = 0.0
    let sorted = values.sorted { $0.value < $1.value }
    for (value, weight) in sorted {
        cumulated += weight
        // Sums of thirds and sevenths miss the mark by a rounding error.
        if weight > 0, cumulated >= q * total - 1e-12 * total { return value }
    }
    return sorted.last?.value
}

/// Nil without weight.
func weightedMean(_ values: [(value: Double, weight: Double)]) -> Double? {
    let total = values.reduce(0) { $0 + $1.weight }
    return total > 0 ? values.reduce(0) { $0 + $1.value * $1.weight } / total : nil
}

/// (concordant - discordant) / (concordant + discordant) over pairs of comparable rows whose measured throughput differs by `least` or more; nil
/// without such a pair.
func kendallTau(_ rows: [ValidationRow], over least: Double = 0.01) -> (tau: Double?, pairs: Int) {
    struct Group: Hashable {
        var texts: [String]
        var numbers: [Int]
    }
    var groups: [Group: [(measured: Double, predicted: Double)]] = [:]
    for row in rows {
        guard row.error != nil, let predicted = row.prediction?.stepS, predicted > 0 else { continue }
        let key = Group(
            texts: [row.origin.source, row.origin.hardware, row.origin.framework],
            numbers: [row.shape.gpus, row.shape.layers, row.shape.hidden, row.shape.sequence])
        let batch = Double(row.shape.globalBatch)
        groups[key, default: []].append((batch / row.measuredS, batch / predicted))
    }
    // Whole counts, so the order of the groups does not matter.
    var concordant = 0
    var discordant = 0
    for runs in groups.values {
        for i in runs.indices {
            for j in runs.indices where j > i {
                let (slower, faster) = (min(runs[i].measured, runs[j].measured), max(runs[i].measured, runs[j].measured))
                guard faster / slower - 1 >= least else { continue }
                let sign = (runs[i].measured - runs[j].measured) * (runs[i].predicted - runs[j].predicted)
                if sign > 0 { concordant += 1 }
                if sign < 0 { discordant += 1 }
            }
        }
    }
    let pairs = concordant + discordant
    return (pairs > 0 ? Double(concordant - discordant) / Double(pairs) : nil, pairs)
}
