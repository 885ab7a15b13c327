import Quantities

/// What measuring a claim found.
public struct ClaimAnswer: Sendable {
    public enum Verdict: String, Sendable, CaseIterable {
        case holds
        case partly
        case doesNotHold = "does not hold"
        case impossible
    }
    public var claim: Claim
    public var measures: [MeasureAnswer]

    /// A limit of arithmetic or physics that fails makes a claim impossible. Else it holds where every figure reaches what is claimed under every
    /// condition, does not where the claimed figure itself reaches it under none, and holds partly in between.
    public var verdict: Verdict {
        if measures.contains(where: { $0.isLimit && !$0.holdsEverywhere }) { return .impossible }
        let figures = measures.filter { !$0.isLimit }
        guard let first = figures.first else { return .holds }
        if figures.allSatisfy(\.holdsEverywhere) { return .holds }
        if !figures.contains(where: \.holdsSomewhere) { return .doesNotHold }
        return first.holdsSomewhere || figures.dropFirst().contains(where: \.holdsSomewhere) ? .partly : .doesNotHold
    }
}

/// What one measure of a claim found.
public struct MeasureAnswer: Sendable {
    /// One set of conditions, and the figure there.
    public struct Point: Sendable {
        /// "training.micro_batch 2"; empty for the claim's own conditions where there are no others.
        public var conditions: String
        public var value: Double
        public var holds: Bool
    }
    public var what: String
    public var unit: String
    public var bound: ClaimBound
    public var isLimit: Bool
    /// Under the claim's own conditions, with what it may be off by: the calibration's interval of the step for a simulated figure, the range over
    /// the conditions for a quotient of two runs of one machine, Student's interval of the seeds for real training.
    public var value: Double
    public var low: Double
    public var high: Double
    public var points: [Point]
    /// Days and dollars of the experiment's own run without and with the technique, where it has a length and a price.
    public var change: (days: (Double, Double), usd: (Double, Double))?
    public var breakEven: String?
    /// File of scenarios/claims, or the command that measures.
    public var source: String

    public var holdsEverywhere: Bool { points.allSatisfy(\.holds) }
    public var holdsSomewhere: Bool { points.contains(where: \.holds) }
    /// Whether the whole interval lies on one side of what is claimed.
    public var isSettled: Bool { bound.settles(low, high) }

    /// Where the figure reaches what is claimed, in words.
    public var conditions: String {
        guard points.count > 1 else {
            return (points.first?.holds ?? false ? "reached" : "not reached") + (isSettled ? "" : ", within the error")
        }
        let reached = points.filter(\.holds)
        if reached.isEmpty { return "reached under none of \(points.count) conditions" }
        if reached.count == points.count { return "reached under all \(points.count) conditions" }
        return "reached with " + reached.map(\.conditions).joined(separator: "; ")
    }
}

extension ClaimAnswer {
    /// `{id, verdict, claimed, measured: {value, low, high, unit}, conditions, scenario, break_even}` and what there is beside it.
    public var json: JSONValue {
        let first = measures.first
        return .object([
            ("id", .string(claim.id)), ("topic", .string(claim.topic)), ("claim", .string(claim.claim)),
            ("verdict", .string(verdict.rawValue)),
            ("claimed", .string(first.map { $0.bound.text($0.unit) } ?? "")), ("measured", first?.interval ?? .null),
            ("conditions", .string(measures.map { "\($0.what): \($0.conditions)" }.joined(separator: ". "))),
            ("scenario", .optional(first?.source)), ("break_even", .optional(measures.lazy.compactMap(\.breakEven).first)),
            ("mechanism", .string(claim.mechanism)), ("otherwise", .string(claim.otherwise)),
            ("measures", .array(measures.map(\.json))),
        ])
    }
}

extension MeasureAnswer {
    var interval: JSONValue {
        .object([("value", .number(value)), ("low", .number(low)), ("high", .number(high)), ("unit", .string(unit))])
    }

    var json: JSONValue {
        .object([
            ("what", .string(what)), ("claimed", .string(bound.text(unit))), ("measured", interval), ("limit", .bool(isLimit)),
            (
                "points",
                .array(
                    points.map {
                        .object([("conditions", .string($0.conditions)), ("value", .number($0.value)), ("holds", .bool($0.holds))])
                    })
            ),
            ("days", change.map { .array([.number($0.days.0), .number($0.days.1)]) } ?? .null),
            ("usd", change.map { .array([.number($0.usd.0), .number($0.usd.1)]) } ?? .null), ("break_even", .optional(breakEven)),
            ("scenario", .string(source)),
        ])
    }
}

extension ClaimAnswer {
    /// A header and a row for each measure.
    public static func cells(_ answers: [ClaimAnswer]) -> [[String]] {
        [["claim", "topic", "verdict", "what", "unit", "claimed", "value", "low", "high", "conditions", "break_even", "scenario"]]
            + answers.flatMap { answer in
                answer.measures.map { measure in
                    [
                        answer.claim.id, answer.claim.topic, answer.verdict.rawValue, measure.what, measure.unit,
                        measure.bound.text(measure.unit),
                    ]
                        + [measure.value, measure.low, measure.high].map { "\($0)" }
                        + [measure.conditions, measure.breakEven ?? "", measure.source]
                }
            }
    }
}
