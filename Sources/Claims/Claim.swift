import Foundation

/// A figure that somebody claims for a technique, and the measurements that settle it.
public struct Claim: Sendable {
    /// `C01` to `C46`.
    public var id: String
    public var topic: String
    /// The claim in our words, with the figure and its conditions.
    public var claim: String
    /// What is built, and how it is measured.
    public var mechanism: String
    /// What would change the verdict.
    public var otherwise: String
    /// The first one is the claimed figure; the others are its parts and conditions.
    public var measures: [ClaimMeasure]
}

/// One figure of a claim: how it is measured, and what is claimed of it.
public struct ClaimMeasure: Sendable {
    public var what: String
    public var unit: String
    public var bound: ClaimBound
    /// Arithmetic or physics: where it fails, the claim cannot be true of anything.
    public var isLimit: Bool
    public var question: Question

    public enum Question: Sendable {
        /// Simulated, or trained under the simulated clock.
        case experiment(ClaimExperiment)
        /// Measured by `make claims` with the algorithms themselves; the row's text.
        case recorded(String)
        /// The product of these numbers.
        case product([Double])
        /// The best of the layouts that search finds over the scenario's own: a file of scenarios/claims.
        case optimum(scenario: String)
        /// Seconds of one way of an all-reduce over those of another, on a cluster file of scenarios/claims, over sizes in bytes.
        case collective(file: String, ways: [String], bytes: [Double])
        /// Dense peak of an accelerator in TFLOP/s: catalogue name, format.
        case peak(accelerator: String, format: String)
    }
}

/// What is claimed of a figure: at least, at most, or between.
public struct ClaimBound: Sendable, Equatable {
    public var least: Double?
    public var most: Double?

    public init(least: Double? = nil, most: Double? = nil) {
        (self.least, self.most) = (least, most)
    }

    public func holds(_ value: Double) -> Bool { value >= (least ?? -.infinity) && value <= (most ?? .infinity) }

    /// Whether an interval lies on one side.
    func settles(_ low: Double, _ high: Double) -> Bool { holds(low) == holds(high) }

    /// "at most 0.4".
    public func text(_ unit: String) -> String {
        let unit = unit.isEmpty ? "" : " \(unit)"
        return switch (least, most) {
        case (let least?, let most?): "\(short(least)) to \(short(most))\(unit)"
        case (let least?, nil): "at least \(short(least))\(unit)"
        case (nil, let most?): "at most \(short(most))\(unit)"
        case (nil, nil): "no figure"
        }
    }

    /// The end that decides.
    var edge: Double? { least ?? most }
}

/// A scenario run once, or twice with other settings, and a figure of its result.
public struct ClaimExperiment: Sendable {
    public enum Program: String, Sendable { case run, train }
    public enum Value: String, Sendable {
        /// The figure with the technique; over that without; that without over that with.
        case after, ratio, gain
    }
    public var program: Program
    /// A file of scenarios/claims.
    public var scenario: String
    /// Settings without the technique, `key=value` each; with it.
    public var before: [String]
    public var after: [String]
    /// Points of a scenario that varies keys.
    public var beforePoint: Int
    public var afterPoint: Int
    /// Key path in the result file, such as `step.time_s`; with a divisor, a share.
    public var figure: String
    public var divisor: String?
    public var scale: Double
    public var value: Value
    /// Conditions over which the figure is looked at; the first value of each is the claim's own.
    public var conditions: [(key: String, values: [String])]
    /// An axis along which the technique starts to pay, numbers with one unit.
    public var breakEven: (key: String, values: [String])?
}

/// Four digits, as people write them.
func short(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    guard value != 0 else { return "0" }
    let magnitude = abs(value)
    if magnitude >= 1e7 || magnitude < 1e-3 { return String(format: "%.3g", value) }
    if magnitude >= 1000 { return String(format: "%.0f", value) }
    let text = String(format: "%.\(magnitude >= 100 ? 1 : magnitude >= 10 ? 2 : 3)f", value)
    guard text.contains(".") else { return text }
    var trimmed = text[...]
    while trimmed.last == "0" { trimmed.removeLast() }
    if trimmed.last == "." { trimmed.removeLast() }
    return String(trimmed)
}
