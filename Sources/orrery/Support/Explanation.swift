import Calibration
import Glibc
import Plan
import Quantities
import Report
import Scenario
import Simulation

/// What a predicted step time rests on.
struct Explanation {
    /// A constant of the time model as this job uses it.
    struct Entry {
        var constant: Constant
        var value: Double
        var prior: Double
        var unit: String
        var why: String
        /// Scopes whose fitted factors apply, with the factors.
        var fitted: [(scope: String, factor: Double)]
        /// Standard deviation of the value's logarithm.
        var sigma: Double
        /// Relative change of the step time for one `sigma`, half the distance between both sides.
        var weight: Double
    }
    let scenario: String
    let stack: String
    let provenance: String
    let stepS: Double
    let expectedError: Double
    let breakdown: [(activity: Activity, seconds: Double)]
    /// The heaviest first.
    let entries: [Entry]

    init(_ scenario: Scenario, from file: String, _ data: CalibrationData) throws {
        let report = try project(scenario, from: file, data)
        let plan = try scenario.job.plan(data)
        self.scenario = scenario.name
        stack = plan.behaviour.stack
        provenance = data.profiles.provenance
        stepS = report.result.step.timeS.mean
        expectedError = plan.expectedError
        breakdown = Activity.allCases.compactMap { activity in
            report.result.breakdownS[activity].flatMap { $0 > 0 ? (activity: activity, seconds: $0) : nil }
        }
        let replay = try StepReplay(plan: plan)
        let fitted = data.profiles.uncertainty(for: plan.profile)
        func seconds(_ constant: Constant, log: Double) throws(SimulationError) -> Double {
            var profiles = data.profiles
            profiles.adjustments.append(Adjustment(constant: constant, scope: .all, log: log, sigma: 0))
            let constants = profiles.constants(for: plan.profile, priors: data.priors)
            return try replay.seconds(costs: StageCosts(work: plan.work, model: plan.model.with(constants)))
        }
        var entries: [Entry] = []
        for constant in Constant.allCases {
            let prior = data.priors[constant]
            let own = fitted.filter { $0.constant == constant }
            // What the fit leaves is at most what was open before it.
            let left = own.isEmpty ? prior.sigma : min(prior.sigma, own.reduce(0) { $0 + $1.sigma * $1.sigma }.squareRoot())
            let distance = try seconds(constant, log: left) - seconds(constant, log: -left)
            entries.append(
                Entry(
                    constant: constant, value: plan.model.constants[constant], prior: prior.value(plan.profile.generation),
                    unit: prior.unit,
                    why: prior.why, fitted: own.map { ($0.scope.description, exp($0.log)) }, sigma: left, weight: abs(distance) / 2 / stepS)
            )
        }
        self.entries = entries.enumerated().sorted { ($1.element.weight, $0.offset) < ($0.element.weight, $1.offset) }.map(\.element)
    }

    /// Of the step time, between which 90 of 100 measurements should lie: 1.645 standard errors of the logarithm to each side.
    var interval90: (low: Double, high: Double) { (stepS * exp(-1.645 * expectedError), stepS * exp(1.645 * expectedError)) }

    /// Moves the step time by more than a ten-thousandth.
    private var acting: [Entry] { entries.filter { $0.weight > 1e-4 } }

    func text(_ style: TextStyle) -> String {
        let total = breakdown.reduce(0) { $0 + $1.seconds }
        var lines = [
            "\(scenario): \(significant(stepS, digits: 4)) s a step, expected error \(percent(expectedError)); "
                + "90 in 100 between \(significant(interval90.low, digits: 4)) s and \(significant(interval90.high, digits: 4)) s",
            "software stack \(stack); calibration: \(provenance)", "", "Where the step goes",
        ]
        for (activity, seconds) in breakdown {
            lines.append(
                "  \(column(activity.rawValue, 22))\(column("\(significant(seconds, digits: 4)) s", 14))\(percent(seconds / total))")
        }
        lines += ["", "What matters most: change of the step time for one standard deviation of the constant"]
        for (index, entry) in acting.prefix(5).enumerated() {
            lines.append(
                "  \(index + 1). \(entry.constant.key) = \(significant(entry.value)) \(entry.unit), known to \(percent(entry.sigma)): step time ±\(percent(entry.weight))"
            )
            lines.append("     \(entry.why)")
        }
        lines += ["", "Constants that act on this job", "  " + columns(["constant", "value", "prior", "fitted", "±", "effect", "unit"])]
        for entry in acting {
            let factor = entry.fitted.isEmpty ? "-" : "x\(significant(entry.fitted.reduce(1) { $0 * $1.factor }))"
            lines.append(
                "  "
                    + columns([
                        entry.constant.key, significant(entry.value), significant(entry.prior), factor, percent(entry.sigma),
                        percent(entry.weight, digits: 2), entry.unit,
                    ]))
            lines += entry.fitted.map { "      fitted for \($0.scope): x\(significant($0.factor))" }
            lines.append("      \(entry.why)")
        }
        let still = entries.count - acting.count
        if still > 0 { lines += ["", "\(still) other constants do not act on this job; --json lists them."] }
        return lines.joined(separator: "\n") + "\n"
    }

    private func column(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
    private func columns(_ cells: [String]) -> String {
        var line = ""
        for (cell, width) in zip(cells, [25, 10, 10, 10, 10, 10, 0]) { line += width == 0 ? cell : column(cell, width) }
        return line
    }
    private func percent(_ share: Double, digits: Int = 1) -> String { "\(fixed(share * 100, decimals: digits))%" }

    var json: JSONValue {
        .object([
            ("scenario", .string(scenario)), ("stack", .string(stack)), ("calibration", .string(provenance)),
            ("step_time_s", .number(stepS)),
            ("step_time_error", .number(expectedError)), ("interval90", .array([.number(interval90.low), .number(interval90.high)])),
            ("breakdown_s", .object(breakdown.map { ($0.activity.rawValue, .number($0.seconds)) })),
            ("most_important", .array(acting.prefix(5).map { .string($0.constant.key) })),
            (
                "constants",
                .array(
                    entries.map { entry in
                        .object([
                            ("constant", .string(entry.constant.key)), ("value", .number(entry.value)), ("prior", .number(entry.prior)),
                            ("unit", .string(entry.unit)), ("log_sigma", .number(entry.sigma)), ("step_time_effect", .number(entry.weight)),
                            (
                                "fitted",
                                .array(entry.fitted.map { .object([("scope", .string($0.scope)), ("factor", .number($0.factor))]) })
                            ),
                            ("why", .string(entry.why)),
                        ])
                    })
            ),
        ])
    }

    /// For `--csv`: the constants.
    var table: [[String]] {
        [["constant", "value", "prior", "unit", "log_sigma", "step_time_effect", "why"]]
            + entries.map { [$0.constant.key, "\($0.value)", "\($0.prior)", $0.unit, "\($0.sigma)", "\($0.weight)", $0.why] }
    }
}
