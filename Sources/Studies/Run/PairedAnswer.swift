import Planner
import Quantities

/// The difference of two scenarios under common random numbers, as a value and as a document.
public struct PairedAnswer: Sendable {
    /// A and B.
    public let names: [String]
    public let paired: PairedDifference
    public let firstSeed: UInt64
    /// Of runs of weeks, whose wall clocks `paired` then holds: dollars, and the share of the samples in which B is the cheaper one.
    public var dollars: PairedDifference?
    public var shareCheaper = 0.0

    init(names: [String], paired: PairedDifference, firstSeed: UInt64) {
        (self.names, self.paired, self.firstSeed) = (names, paired, firstSeed)
    }

    /// What is compared: the key of a result file.
    public var measure: String { dollars == nil ? "step_time_s" : "wall_clock_s" }

    private var dollarMembers: [(key: String, value: JSONValue)] {
        guard let dollars else { return [] }
        return [
            (
                "total_usd",
                .object([
                    ("a", .number(dollars.meanA)), ("b", .number(dollars.meanB)), ("difference", .number(dollars.difference)),
                    ("low", .number(dollars.interval.lowerBound)), ("high", .number(dollars.interval.upperBound)),
                    ("share_b_cheaper", .number(shareCheaper)),
                ])
            )
        ]
    }

    public var json: JSONValue {
        .object(
            [
                ("a", .string(names[0])), ("b", .string(names[1])), ("seeds", .integer(paired.count)), ("first_seed", .unsigned(firstSeed)),
                (measure, .object([("a", .number(paired.meanA)), ("b", .number(paired.meanB))])),
                (
                    "difference_s",
                    .object([
                        ("mean", .number(paired.difference)), ("low", .number(paired.interval.lowerBound)),
                        ("high", .number(paired.interval.upperBound)),
                    ])
                ), ("half_width_s", .number(paired.halfWidth)), ("unpaired_half_width_s", .number(paired.unpairedHalfWidth)),
                ("correlation", .number(paired.correlation)), ("significant", .bool(paired.isSignificant)),
            ] + dollarMembers)
    }
}
