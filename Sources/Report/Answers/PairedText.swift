import Quantities
import Studies

extension PairedAnswer {
    private var share: (value: Double, half: Double) {
        paired.meanA > 0 ? (paired.difference / paired.meanA * 100, paired.halfWidth / paired.meanA * 100) : (0, 0)
    }

    /// How many times fewer seeds are needed than without common random numbers for the same interval.
    private var reduction: Double? {
        let ratio = paired.unpairedHalfWidth / paired.halfWidth
        return ratio.isFinite ? ratio * ratio : nil
    }

    public var text: String {
        func signed(_ value: Double) -> String { (value < 0 ? "-" : "+") + significant(abs(value)) }
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

    public var rows: [[String]] {
        [
            ["a", "b", "seeds", "mean_a_s", "mean_b_s", "difference_s", "half_width_s", "unpaired_half_width_s", "correlation"],
            names + ["\(paired.count)"]
                + [paired.meanA, paired.meanB, paired.difference, paired.halfWidth, paired.unpairedHalfWidth, paired.correlation].map {
                    "\($0)"
                },
        ]
    }
}
