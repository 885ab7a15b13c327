import Planner
import Quantities
import Report

/// The difference of two scenarios under common random numbers, as text and as a document.
struct PairedAnswer {
    /// A and B.
    let names: [String]
    let paired: PairedDifference
    let firstSeed: UInt64

    private var share: (value: Double, half: Double) {
        paired.meanA > 0 ? (paired.difference / paired.meanA * 100, paired.halfWidth / paired.meanA * 100) : (0, 0)
    }

    /// How many times fewer seeds are needed than without common random numbers for the same interval.
    private var reduction: Double? {
        let ratio = paired.unpairedHalfWidth / paired.halfWidth
        return ratio.isFinite ? ratio * ratio : nil
    }

    var text: String {
        func signed(_ value: Double) -> String { (value < 0 ? "-" : "+") + significant(abs(value)) }
        guard paired.isRandom else {
            let change =
                paired.difference == 0
                ? "no difference" : "B is \(paired.difference < 0 ? "faster" : "slower") by \(significant(abs(share.value))) %"
            return """
                A  \(names[0]): \(significant(paired.meanA, digits: 6)) s a step
                B  \(names[1]): \(significant(paired.meanB, digits: 6)) s a step
                B - A  \(signed(paired.difference)) s: \(change); all \(paired.count) seeds give the same times, so nothing is random and one run of each says all

                """
        }
        let verdict =
            !paired.isSignificant
            ? "no difference is shown by \(paired.count) seeds"
            : "B is \(paired.difference < 0 ? "faster" : "slower") by \(significant(abs(share.value))) % (95 % interval \(significant(abs(share.value) - share.half)) to \(significant(abs(share.value) + share.half)) %)"
        return """
            A  \(names[0]): \(significant(paired.meanA, digits: 6)) s a step, mean of \(paired.count) seeds
            B  \(names[1]): \(significant(paired.meanB, digits: 6)) s a step
            B - A  \(signed(paired.difference)) s ± \(significant(paired.halfWidth)) s (95 %, paired); ± \(significant(paired.unpairedHalfWidth)) s without common random numbers
            \(verdict); correlation \(rounded(paired.correlation, 3))\(reduction.map { "; without common random numbers it takes \(rounded($0, 1)) times the seeds" } ?? "")

            """
    }

    var rows: [[String]] {
        [
            ["a", "b", "seeds", "mean_a_s", "mean_b_s", "difference_s", "half_width_s", "unpaired_half_width_s", "correlation"],
            names + ["\(paired.count)"]
                + [paired.meanA, paired.meanB, paired.difference, paired.halfWidth, paired.unpairedHalfWidth, paired.correlation].map {
                    "\($0)"
                },
        ]
    }

    var json: JSONValue {
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
