import Planner
import Quantities

/// The difference of two scenarios under common random numbers, as a value and as a document.
public struct PairedAnswer: Sendable {
    /// A and B.
    public let names: [String]
    public let paired: PairedDifference
    public let firstSeed: UInt64

    public var json: JSONValue {
        .object([
            ("a", .string(names[0])), ("b", .string(names[1])), ("seeds", .integer(paired.count)), ("first_seed", .unsigned(firstSeed)),
            ("step_time_s", .object([("a", .number(paired.meanA)), ("b", .number(paired.meanB))])),
            (
                "difference_s",
                .object([
                    ("mean", .number(paired.difference)), ("low", .number(paired.interval.lowerBound)),
                    ("high", .number(paired.interval.upperBound)),
                ])
            ), ("half_width_s", .number(paired.halfWidth)), ("unpaired_half_width_s", .number(paired.unpairedHalfWidth)),
            ("correlation", .number(paired.correlation)), ("significant", .bool(paired.isSignificant)),
        ])
    }
}
