import Calibration
import Foundation
import Plan
import Quantities
import Scenario
import Simulation

/// What a predicted step time rests on.
public struct Explanation: Sendable {
    /// A constant of the time model as this job uses it.
    public struct Entry: Sendable {
        public var constant: Constant
        public var value: Double
        public var prior: Double
        public var unit: String
        public var why: String
        /// Scopes whose fitted factors apply, with the factors.
        public var fitted: [(scope: String, factor: Double)]
        /// Standard deviation of the value's logarithm.
        public var sigma: Double
        /// Relative change of the step time for one `sigma`, half the distance between both sides.
        public var weight: Double
    }
    public let scenario: String
    public let stack: String
    public let provenance: String
    public let stepS: Double
    public let expectedError: Double
    public let breakdown: [(activity: Activity, seconds: Double)]
    /// The heaviest first.
    public let entries: [Entry]
    /// What the user's own runs moved; nil where there are none.
    public internal(set) var anchored: AnchoredReport?

    init(_ scenario: Scenario, _ answer: RunAnswer, _ data: CalibrationData) throws {
        let plan = try scenario.job.plan(data)
        self.scenario = scenario.name
        stack = plan.behaviour.stack
        provenance = data.profiles.provenance
        stepS = answer.result.step.timeS.mean
        expectedError = answer.result.evidence.stepTimeError
        range = answer.result.evidence.interval90 ?? []
        breakdown = Activity.allCases.compactMap { activity in
            answer.result.breakdownS[activity].flatMap { $0 > 0 ? (activity: activity, seconds: $0) : nil }
        }
        let replay = try StepReplay(plan: plan)
        let fitted = data.profiles.uncertainty(for: plan.profile)
        func seconds(_ constant: Constant, log: Double) throws(Fault) -> Double {
            var profiles = data.profiles
            profiles.adjustments.append(Adjustment(constant: constant, scope: .all, log: log, sigma: 0))
            let constants = profiles.constants(for: plan.profile, priors: data.priors)
            return try replay.seconds(costs: StageCosts(work: plan.work, training: plan.job.training, model: plan.model.with(constants)))
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

    /// Of the step time, between which 90 of 100 measurements should lie.
    public var interval90: (low: Double, high: Double) { (range.first ?? stepS, range.last ?? stepS) }
    private let range: [Double]

    /// Moves the step time by more than a ten-thousandth.
    public var acting: [Entry] { entries.filter { $0.weight > 1e-4 } }

    public var json: JSONValue {
        .object(
            [
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
                                ("unit", .string(entry.unit)), ("log_sigma", .number(entry.sigma)),
                                ("step_time_effect", .number(entry.weight)),
                                (
                                    "fitted",
                                    .array(entry.fitted.map { .object([("scope", .string($0.scope)), ("factor", .number($0.factor))]) })
                                ),
                                ("why", .string(entry.why)),
                            ])
                        })
                ),
            ] + (anchored.map { [("anchored", JSONValue($0))] } ?? []))
    }
}

extension Study {
    /// What does the predicted step time rest on?
    /// - Throws: `ScenarioErrors` as `run`.
    public func explain(_ scenario: Scenario) throws(ScenarioErrors) -> Explanation {
        let study = try knowing(scenario)
        let answer = try study.run(scenario)
        return try scenario.locatingFaults {
            var explanation = try Explanation(scenario, answer, study.data)
            explanation.anchored = study.anchored
            return explanation
        }
    }
}
