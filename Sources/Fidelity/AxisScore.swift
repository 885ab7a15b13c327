import Glibc

/// How left-out predictions of one axis come out, over rows with weights. Shares of 1.
public struct AxisScore: Sendable {
    public var rows = 0
    /// Weighted median and 90th percentile of |predicted/measured - 1|, and weighted median of the signed error.
    public var median = 0.0
    public var p90 = 0.0
    public var bias = 0.0
    /// Share of the rows inside their interval of 90 %.
    public var coverage = 0.0
    /// Weighted median of half the interval's width, as a share of the prediction.
    public var halfWidth = 0.0
    /// Mean interval score of the logarithms (Gneiting and Raftery 2007): width + 20 times what the measurement lies outside, so that wide is no free lunch.
    public var intervalScore = 0.0

    public init(_ outcomes: [(outcome: CrossValidation.Outcome, measured: Double, weight: Double)]) {
        rows = outcomes.count
        func quantile(_ values: [(Double, Double)], _ share: Double) -> Double {
            let sorted = values.sorted { $0.0 < $1.0 }
            let total = sorted.reduce(0) { $0 + $1.1 }
            var sum = 0.0
            for (value, weight) in sorted {
                sum += weight
                if sum >= share * total - 1e-12 { return value }
            }
            return sorted.last?.0 ?? 0
        }
        let errors = outcomes.map { ($0.outcome.predicted / $0.measured - 1, $0.weight) }
        median = quantile(errors.map { (abs($0.0), $0.1) }, 0.5)
        p90 = quantile(errors.map { (abs($0.0), $0.1) }, 0.9)
        bias = quantile(errors, 0.5)
        var (inside, score, total) = (0.0, 0.0, 0.0)
        var widths: [(Double, Double)] = []
        for (outcome, measured, weight) in outcomes {
            let range = outcome.uncertainty.interval90(outcome.predicted)
            total += weight
            if range.contains(measured) { inside += weight }
            widths.append(((range.upperBound - range.lowerBound) / 2 / outcome.predicted, weight))
            let (low, high, value) = (log(range.lowerBound), log(range.upperBound), log(measured))
            score += weight * (high - low + 20 * max(0, low - value) + 20 * max(0, value - high))
        }
        coverage = total > 0 ? inside / total : 0
        halfWidth = quantile(widths, 0.5)
        intervalScore = total > 0 ? score / total : 0
    }
}

extension CrossValidation {
    /// The rows of one axis that `chosen` takes.
    public func score(_ axis: LeftOutAxis, where chosen: (PreparedRun, Outcome) -> Bool = { _, _ in true }) -> AxisScore? {
        guard let outcomes = leftOut[axis] else { return nil }
        let picked = fit.runs.indices.filter { chosen(fit.runs[$0], outcomes[$0]) }.map {
            (outcome: outcomes[$0], measured: fit.runs[$0].run.stepTimeS, weight: fit.runs[$0].run.weight)
        }
        return picked.isEmpty ? nil : AxisScore(picked)
    }
}
