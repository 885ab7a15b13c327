import Calibration
import Glibc
import Plan

/// A fit judged by rows left out: each group of rows that share what an axis names is predicted with constants that were fitted without it.
public struct CrossValidation: Sendable {
    /// A left-out row as it was predicted.
    public struct Outcome: Sendable {
        /// Seconds.
        public var predicted: Double
        public var uncertainty: StepUncertainty
        /// What the fit without the row knew of it: "known", "pair", "chip", "stack", "stack and chip".
        public var stratum: String
    }
    public let fit: ProfileFit
    public let solution: ProfileFit.Solution
    /// [runs] seconds predicted by the fit to all rows.
    public let inSample: [Double]
    /// [runs] by axis.
    public private(set) var leftOut: [LeftOutAxis: [Outcome]] = [:]
    /// By stack, the log standard error that its rows keep where their model size is left out.
    public private(set) var residual: [String: Double] = [:]
    /// Factors of `ProfileTable.intervals`.
    public private(set) var intervals: [String: [Double]] = [:]

    /// - Parameter refine: Gauss-Newton steps of each fit with a size left out, started from the fit to all rows; the first uses its slopes, and the
    ///   other axes take that one alone.
    /// - Throws: `CalibrationError` where a run cannot be timed.
    public init(
        fit: ProfileFit, iterations: Int = 9, refine: Int = 2, axes: [LeftOutAxis] = LeftOutAxis.allCases,
        start: [Double]? = nil, progress: (String) -> Void = { _ in }
    ) throws(CalibrationError) {
        self.fit = fit
        let all = Array(repeating: true, count: fit.runs.count)
        solution = try fit.solve(used: all, start: start, iterations: iterations, progress: progress)
        progress("fitted \(fit.parameters.count) parameters to \(fit.runs.count) runs")
        inSample = try fit.predictions(solution.values, only: all)
        let rows = try fit.linearise(at: solution.values, used: all)
        let leave = try LeaveOut(fit: fit, at: solution.values, rows: rows)
        var raw: [LeftOutAxis: [(solution: ProfileFit.Solution, members: [Int])]] = [:]
        var predicted: [LeftOutAxis: [Double]] = [:]
        for axis in axes {
            var groups: [String: [Int]] = [:]
            for (index, run) in fit.runs.enumerated() { groups[axis.group(run), default: []].append(index) }
            var seconds = inSample
            for name in groups.keys.sorted() {
                let members = groups[name] ?? []
                var used = all
                for index in members { used[index] = false }
                var own = try leave.without(members)
                if axis == .size {
                    for _ in 1..<max(1, refine) {
                        let again = try fit.linearise(at: own.values, used: used)
                        let next = try fit.advance(from: own.values, rows: again, used: used, damping: 0.9)
                        own = ProfileFit.Solution(values: next.values, sigmas: next.sigmas)
                    }
                }
                let times = try fit.predictions(own.values, only: used.map { !$0 })
                for index in members { seconds[index] = times[index] }
                raw[axis, default: []].append((own, members))
            }
            predicted[axis] = seconds
            progress("\(axis.title): \(groups.count) groups")
        }
        residual = Self.residuals(fit, predicted[.size] ?? inSample)
        var outcomes: [LeftOutAxis: [Outcome]] = [:]
        for (axis, folds) in raw {
            outcomes[axis] = Self.outcomes(fit, folds, predicted[axis] ?? inSample, residual: residual, intervals: [:])
        }
        intervals = Self.factors(fit, outcomes)
        for (axis, list) in outcomes {
            leftOut[axis] = list.map { outcome in
                var scaled = outcome
                let pair = intervals[outcome.stratum] ?? [1, 1]
                scaled.uncertainty.below *= pair[0]
                scaled.uncertainty.above *= pair[1]
                return scaled
            }
        }
    }

    /// Rows that share stack, width and number of experts are left out together.
    static func group(_ run: PreparedRun) -> String {
        "\(run.run.framework) h\(run.plan.job.model.hidden) e\(run.plan.job.model.moe?.experts ?? 0)"
    }

    private static func outcomes(
        _ fit: ProfileFit, _ folds: [(solution: ProfileFit.Solution, members: [Int])], _ predicted: [Double], residual: [String: Double],
        intervals: [String: [Double]]
    ) -> [Outcome] {
        var list = fit.runs.map { _ in Outcome(predicted: 0, uncertainty: StepUncertainty(below: 0, above: 0, unseen: []), stratum: "") }
        for fold in folds {
            let gone = Set(fold.members)
            var shown = Set<Scope>()
            for (index, run) in fit.runs.enumerated() where !gone.contains(index) { shown.formUnion(run.plan.profile.scopes) }
            var profile = fit.profile(fold.solution, residual: residual, provenance: "")
            profile.adjustments.removeAll { !shown.contains($0.scope) }
            for index in fold.members {
                let run = fit.runs[index]
                var own = profile
                if !shown.contains(.stack(run.plan.behaviour.stack)) { own.residual[run.plan.behaviour.stack] = nil }
                let uncertainty = run.uncertainty(own, priors: fit.data.priors)
                list[index] = Outcome(predicted: predicted[index], uncertainty: uncertainty, stratum: uncertainty.stratum)
            }
        }
        return list
    }

    /// Of each stack the spread of rows with their size left out; stacks with few rows lean on all of them.
    private static func residuals(_ fit: ProfileFit, _ predicted: [Double]) -> [String: Double] {
        func spread(_ indices: [Int]) -> Double {
            let errors = indices.map { (abs(log(predicted[$0] / fit.runs[$0].run.stepTimeS)), fit.runs[$0].run.weight) }
            // Rows of a second state are no measure of the first.
            return (quantile(errors, 0.68) + quantile(errors, 0.9) / 1.645) / 2
        }
        let pool = spread(Array(fit.runs.indices))
        var result = ["generic": pool]
        var stacks: [String: [Int]] = [:]
        for (index, run) in fit.runs.enumerated() { stacks[run.plan.behaviour.stack, default: []].append(index) }
        for (stack, indices) in stacks {
            let n = Double(indices.count)
            result[stack] = (n * min(0.35, spread(indices)) + 6 * min(0.35, pool)) / (n + 6)
        }
        return result
    }

    /// The factors with which nine of ten left-out rows of each stratum lie inside, a twentieth out on either side; files count alike in a stratum
    /// as far as the larger ones go.
    private static func factors(_ fit: ProfileFit, _ outcomes: [LeftOutAxis: [Outcome]]) -> [String: [Double]] {
        var scores: [String: [(Double, Double)]] = [:]
        for (axis, list) in outcomes {
            for (index, outcome) in list.enumerated() where outcome.predicted > 0 {
                // What is known: by size; what is unseen: by the axis that hides it.
                guard (axis == .size) == (outcome.stratum == "known" || outcome.stratum == "pair") || outcome.stratum == "pair" else {
                    continue
                }
                let run = fit.runs[index].run
                if let slow = outcome.uncertainty.slow, log(run.stepTimeS / outcome.predicted) > 0.4, slow.probability > 0.02 { continue }
                let deviation = outcome.uncertainty.above
                guard deviation > 0 else { continue }
                let rows = fit.runs.count { $0.run.file == run.file }
                let weight = run.weight / Double(max(20, rows)).squareRoot()
                scores[outcome.stratum, default: []].append((log(run.stepTimeS / outcome.predicted) / deviation, weight))
            }
        }
        var result: [String: [Double]] = [:]
        for (stratum, list) in scores where list.count >= 20 {
            let low = -quantile(list, 0.05) / 1.645
            let high = quantile(list, 0.95) / 1.645
            result[stratum] = [max(0.4, low), max(0.4, high)]
        }
        return result
    }

    /// The smallest value at which the cumulated weight reaches `share` of the whole.
    private static func quantile(_ values: [(Double, Double)], _ share: Double) -> Double {
        let sorted = values.sorted { $0.0 < $1.0 }
        let total = sorted.reduce(0) { $0 + $1.1 }
        var sum = 0.0
        for (value, weight) in sorted {
            sum += weight
            if sum >= share * total { return value }
        }
        return sorted.last?.0 ?? 0
    }
}
