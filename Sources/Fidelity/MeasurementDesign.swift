import Calibration
import Glibc
import Plan
import Scenario

/// Which runs to measure next: those that take most of the variance from the predictions that are wanted.
///
/// Greedy: of all candidates the one whose measurement removes most of the summed variance of the targets' log times, given what is chosen already.
/// Variances come from the slopes of the log times and the spreads that the calibration leaves of each constant.
public struct MeasurementDesign: Sendable {
    /// Indices into the candidates, in the order in which to measure.
    public let chosen: [Int]
    /// [targets] standard deviations of the log time that constants leave, before and after the chosen runs.
    public let before: [Double]
    public let after: [Double]

    /// - Throws: `CalibrationError` where a run cannot be timed.
    public init(candidates: [PreparedRun], targets: [PreparedRun], count: Int, data: CalibrationData) throws(CalibrationError) {
        let runs = candidates + targets
        let prior = try AnchorFit.prior(runs, data: data)
        let (fit, rows) = (prior.fit, prior.rows)
        // Slopes in units of each constant's spread, so that the prior is the unit matrix.
        let n = fit.parameters.count
        let noise = candidates.map { AnchorFit.noise($0, of: count, data.profiles) }
        let slopes = rows.map { row in
            var dense = [Double](repeating: 0, count: n)
            for (index, slope) in row.gradient { dense[index] = slope * fit.parameters[index].sigma }
            return dense
        }
        let wanted = Array(candidates.count..<runs.count)
        // Each chosen run takes the direction v = P g / sqrt(g'Pg + noise^2) out of the covariance P.
        var removed: [[Double]] = []
        func apply(_ vector: [Double]) -> [Double] {
            var result = vector
            for direction in removed {
                let share = zip(direction, vector).reduce(0) { $0 + $1.0 * $1.1 }
                for index in 0..<n { result[index] -= share * direction[index] }
            }
            return result
        }
        func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        before = wanted.map { dot(slopes[$0], slopes[$0]).squareRoot() }
        var order: [Int] = []
        while order.count < min(count, candidates.count) {
            let images = wanted.map { apply(slopes[$0]) }
            var best: (index: Int, gain: Double)?
            for index in candidates.indices where !order.contains(index) {
                let own = apply(slopes[index])
                let spread = dot(slopes[index], own) + noise[index] * noise[index]
                let gain = images.reduce(0) { sum, image in
                    let shared = dot(slopes[index], image)
                    return sum + shared * shared / spread
                }
                if gain > (best?.gain ?? 0) { best = (index, gain) }
            }
            guard let best else { break }
            let image = apply(slopes[best.index])
            let length = (dot(slopes[best.index], image) + noise[best.index] * noise[best.index]).squareRoot()
            removed.append(image.map { $0 / length })
            order.append(best.index)
        }
        chosen = order
        after = wanted.map { max(0, dot(slopes[$0], apply(slopes[$0]))).squareRoot() }
    }
}
