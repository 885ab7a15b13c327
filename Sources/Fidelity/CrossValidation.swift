import Calibration
import Glibc

/// A fit judged by model sizes left out: each group of rows of one stack, width and number of experts is predicted with constants that were
/// fitted without it.
public struct CrossValidation: Sendable {
    public let fit: ProfileFit
    public let solution: ProfileFit.Solution
    /// [runs] seconds predicted by the fit to all rows, and by the one without the row's group.
    public let inSample: [Double]
    public let leftOut: [Double]

    /// - Parameter refine: Gauss-Newton steps of each group's own fit, started from the fit to all rows; the first uses its slopes.
    /// - Throws: `CalibrationError` where a run cannot be timed.
    public init(fit: ProfileFit, iterations: Int = 7, refine: Int = 2, progress: (String) -> Void = { _ in }) throws(CalibrationError) {
        self.fit = fit
        let all = Array(repeating: true, count: fit.runs.count)
        solution = try fit.solve(used: all, iterations: iterations)
        progress("fitted \(fit.parameters.count) parameters to \(fit.runs.count) runs")
        inSample = try fit.predictions(solution.values, only: all)
        let rows = try fit.linearise(at: solution.values, used: all)
        var groups: [String: [Int]] = [:]
        for (index, run) in fit.runs.enumerated() { groups[Self.group(run), default: []].append(index) }
        var predicted = inSample
        for (number, name) in groups.keys.sorted().enumerated() {
            let members = groups[name] ?? []
            var used = all
            for index in members { used[index] = false }
            var (values, _) = try fit.advance(from: solution.values, rows: rows, used: used, damping: 1)
            for _ in 1..<max(1, refine) {
                let again = try fit.linearise(at: values, used: used)
                (values, _) = try fit.advance(from: values, rows: again, used: used, damping: 0.9)
            }
            let own = try fit.predictions(values, only: used.map { !$0 })
            for index in members { predicted[index] = own[index] }
            progress("group \(number + 1) of \(groups.count): \(name)")
        }
        leftOut = predicted
    }

    /// Rows that share stack, width and number of experts are left out together.
    static func group(_ run: PreparedRun) -> String {
        "\(run.run.framework) h\(run.plan.job.model.hidden) e\(run.plan.job.model.moe?.experts ?? 0)"
    }

    /// By stack, the log standard error that makes nine of ten left-out rows lie within 1.645 of it; stacks with few rows lean on the pool.
    public var residualSpread: [String: Double] {
        func spread(_ indices: [Int]) -> Double {
            let errors = indices.map { (abs(log(leftOut[$0] / fit.runs[$0].run.stepTimeS)), fit.runs[$0].run.weight) }.sorted {
                $0.0 < $1.0
            }
            let total = errors.reduce(0) { $0 + $1.1 }
            var sum = 0.0
            for (error, weight) in errors {
                sum += weight
                if sum >= 0.9 * total { return error / 1.645 }
            }
            return 0.2
        }
        let pool = spread(Array(fit.runs.indices))
        var result = ["generic": pool * 1.5]
        var stacks: [String: [Int]] = [:]
        for (index, run) in fit.runs.enumerated() { stacks[run.plan.behaviour.stack, default: []].append(index) }
        for (stack, indices) in stacks {
            let n = Double(indices.count)
            result[stack] = (n * spread(indices) + 10 * pool) / (n + 10)
        }
        return result
    }
}
