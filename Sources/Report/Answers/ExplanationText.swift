import Quantities
import Studies

extension Explanation {
    public func text(_ style: TextStyle) -> String {
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
        if let anchored {
            lines += ["", "What your own runs changed (\(anchored.rows) used)"]
            lines += anchored.shifted.map { "  \(column($0.constant, 44))x\(significant($0.from)) -> x\(significant($0.to))" }
            if anchored.shifted.isEmpty { lines.append("  no constant moved by 1 %") }
            lines += anchored.suspects.map { "  doubtful: \($0)" }
            lines += anchored.silent.map { "  they say nothing about \($0)" }
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

    /// For `--csv`: the constants.
    public var table: [[String]] {
        [["constant", "value", "prior", "unit", "log_sigma", "step_time_effect", "why"]]
            + entries.map { [$0.constant.key, "\($0.value)", "\($0.prior)", $0.unit, "\($0.sigma)", "\($0.weight)", $0.why] }
    }
}
