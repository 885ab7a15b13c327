import Planner
import Quantities
import Studies

extension SweepSensitivity {
    /// A bootstrap of fewer rows draws the same few again and again, and its intervals say nothing.
    private static let fewestRows = 8

    func text(rows: Int, possible: Int) -> String {
        var lines = ["\(rows) runs, \(possible) of them possible"]
        if percentiles.count == 3 {
            let (low, median, high) = (significant(percentiles[0]), significant(percentiles[1]), significant(percentiles[2]))
            lines.append("\(response.rawValue)\(response.unit): median \(median), 90 % between \(low) and \(high)")
        }
        guard let indices else {
            return (lines + ["\(response.rawValue) does not vary over the sample: no key matters"]).joined(separator: "\n") + "\n"
        }
        lines.append("share of the variance of \(response.rawValue) that a key explains (95 % interval), from \(indices.used) whole rows:")
        let width = max(3, keys.map(\.count).max() ?? 0)
        func cell(_ index: SensitivityIndices.Index) -> String {
            "\(rounded(index.value * 100, 1)) % (\(rounded(index.low * 100, 1)) to \(rounded(index.high * 100, 1)))"
        }
        for input in order {
            let name = keys[input] + String(repeating: " ", count: width - keys[input].count)
            lines.append("  \(name)  alone \(cell(indices.first[input])), with all interactions \(cell(indices.total[input]))")
        }
        if indices.used < Self.fewestRows {
            lines.append(
                "\(indices.used) rows are too few to say what matters, and the intervals too narrow; take more --samples, or ranges whose runs are possible"
            )
        } else if let most = order.first {
            lines.append("\(keys[most]) matters most")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Bars of the page.
    var bars: [SweepPage.Bar] {
        guard let indices else { return [] }
        return order.map {
            SweepPage.Bar(
                key: keys[$0], first: indices.first[$0].value, low: indices.first[$0].low, high: indices.first[$0].high,
                total: indices.total[$0].value)
        }
    }
}
