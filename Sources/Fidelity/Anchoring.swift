import Calibration
import Glibc
import Plan
import Scenario

/// Calibration updated by a user's own measured runs: Bayes' rule on the constants of their stack, chip and fabric.
///
/// Every constant starts where the shipped profiles have it, with the spread that those left (all of the prior's in scopes that no published run
/// showed); Gauss-Newton steps on the logarithm of the step times move them as far as the runs ask for. A known stack hardly moves, a new one takes
/// most of what was measured, and a single run of the best layout corrects what bounds that layout, not what it hides.
public struct Anchoring: Sendable {
    /// A constant that moved.
    public struct Shift: Sendable, Hashable {
        public var constant: Constant
        public var scope: Scope
        /// Factor on the constant in this scope, before and after.
        public var from: Double
        public var to: Double
    }
    /// The shipped data with the update.
    public let data: CalibrationData
    /// Runs that took part.
    public let rows: Int
    /// The largest first; what moved by less than 1 % is left out.
    public let shifted: [Shift]
    /// Runs that the rest contradicts, in words: they are to be repeated and do not take part.
    public let suspects: [String]
    /// Mechanisms that no run of the user shows anything about although jobs of this stack may depend on them.
    public let silent: [String]

    /// - Throws: `CalibrationError` where no run can be modelled, or one cannot be timed.
    public init(runs: [MeasuredRun], data: CalibrationData) throws(CalibrationError) {
        var prepared: [PreparedRun] = []
        var reasons: [String] = []
        for run in runs where !run.isExcluded {
            do throws(PreparationError) { prepared.append(try PreparedRun(run, data: data)) } catch {
                reasons.append("\(run.id): \(error.description)")
            }
        }
        guard !prepared.isEmpty else {
            throw CalibrationError(
                "no measured run can be modelled: \(reasons.isEmpty ? "the table has none" : reasons.joined(separator: "; "))")
        }
        try self.init(prepared: prepared, data: data)
    }

    init(prepared: [PreparedRun], data: CalibrationData) throws(CalibrationError) {
        let best = try AnchorFit(prepared, data: data)
        // A run that is off by far from what the others and the priors allow is in another state, or of another configuration.
        suspects = prepared.indices.filter { best.shares[$0] < 0.5 }.map { index in
            let factor = (exp(best.residuals[index]) * 100).rounded() / 100
            let others = prepared.count > 1 ? "the other runs lead" : "the calibration leads"
            return "\(prepared[index].run.id) takes \(factor) times what \(others) to expect: repeat it; it is not used"
        }
        let taken = prepared.indices.filter { best.shares[$0] >= 0.5 }.map { prepared[$0] }
        rows = taken.count
        var updated = data
        var moved: [Shift] = []
        for (index, parameter) in best.fit.parameters.enumerated() {
            let (value, sigma) = (best.values[index], best.sigma(index))
            guard abs(value) > 1e-4 || best.sigmas[index] < 0.98 * parameter.sigma else { continue }
            let known = updated.profiles.adjustments.firstIndex { $0.constant == parameter.constant && $0.scope == parameter.scope }
            let before = known.map { updated.profiles.adjustments[$0].log } ?? 0
            if let known {
                updated.profiles.adjustments[known].log += value
                updated.profiles.adjustments[known].sigma = min(updated.profiles.adjustments[known].sigma, sigma)
            } else {
                updated.profiles.adjustments.append(
                    Adjustment(constant: parameter.constant, scope: parameter.scope, log: value, sigma: sigma))
            }
            if abs(value) > 0.01 {
                moved.append(Shift(constant: parameter.constant, scope: parameter.scope, from: exp(before), to: exp(before + value)))
            }
        }
        shifted = moved.sorted { abs(log($0.to / $0.from)) > abs(log($1.to / $1.from)) }
        // What is left of a stack that nothing was known of is what its own runs leave.
        for stack in Set(taken.map(\.plan.behaviour.stack)) where data.profiles.residual[stack] == nil {
            let generic = data.profiles.residual["generic"] ?? 0.2
            let n = Double(taken.count)
            updated.profiles.residual[stack] = max(0.06, generic * (2 / (2 + n)).squareRoot())
        }
        self.data = updated
        let shapes = taken.map(\.plan.job.layout)
        var quiet: [String] = []
        if !shapes.contains(where: { $0.pipeline > 1 }) { quiet.append("pipelines") }
        if !shapes.contains(where: { $0.tensor > 1 }) { quiet.append("tensor groups") }
        if !taken.contains(where: { $0.plan.job.cluster.gpus > $0.plan.job.cluster.domain }) { quiet.append("the network") }
        if !taken.contains(where: { $0.plan.job.training.microBatch == 1 }) { quiet.append("small micro-batches") }
        silent = quiet
    }
}
