import Planner
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

    /// Runs of weeks are told in hours and dollars.
    private func weeksText(_ dollars: PairedDifference) -> String {
        func hours(_ seconds: Double) -> String { significant(seconds / 3600, digits: 6) }
        let time =
            paired.isSignificant
            ? "B ends \(paired.difference < 0 ? "sooner" : "later") by \(hours(abs(paired.difference))) h ± \(hours(paired.halfWidth)) h"
            : "no difference of time is shown by \(paired.count) runs"
        let money =
            dollars.isSignificant
            ? "B is \(dollars.difference < 0 ? "cheaper" : "dearer") by \(significant(abs(dollars.difference), digits: 5)) USD ± \(significant(dollars.halfWidth)) USD, cheaper in \(rounded(shareCheaper * 100, 1)) % of the runs"
            : "no difference of cost is shown"
        return """
            A  \(names[0]): \(hours(paired.meanA)) h, \(significant(dollars.meanA, digits: 6)) USD, mean of \(paired.count) runs
            B  \(names[1]): \(hours(paired.meanB)) h, \(significant(dollars.meanB, digits: 6)) USD
            \(time) (95 %, both meet the same failures; ± \(hours(paired.unpairedHalfWidth)) h if not)
            \(money)

            """
    }

    public var text: String {
        if let dollars { return weeksText(dollars) }
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
