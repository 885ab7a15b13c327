import Quantities
import Studies

extension ValidationReport {
    /// A row each, then the statistics by file, hardware, framework and completeness.
    public func table(style: TextStyle) -> String {
        let name = min(44, max(12, rows.map { printable($0.origin.id).count }.max() ?? 12))
        var lines = [
            style.heading(
                padded("  run", name + 2) + ["GPUs", "measured", "predicted", "error", "memory"].map { rightAligned($0, 11) }.joined()),
            style.rule,
        ]
        for row in rows {
            var line =
                "  " + padded(printable(row.origin.id), name) + rightAligned(grouped(row.shape.gpus), 11)
                + rightAligned(time(row.measuredS), 11)
            if let prediction = row.prediction, let error = row.error {
                let cell = rightAligned(signedPercent(error), 11)
                line +=
                    rightAligned(time(prediction.stepS), 11)
                    + style.paint(cell, abs(error) <= 0.1 ? .green : abs(error) <= 0.25 ? .yellow : .red)
                line +=
                    rightAligned(row.memoryError.map(signedPercent) ?? "", 11)
                    + (prediction.fits ? "" : style.paint("  does not fit", .red))
            } else {
                line += "  " + style.paint(printable(row.reason ?? "no usable prediction"), .red)
            }
            lines.append(line)
        }
        lines.append("")
        for split in Split.allCases {
            let groups = statistics(by: split)
            guard !groups.isEmpty else { continue }
            lines += statisticsTable(split == .complete ? "complete rows" : "by \(split.rawValue)", groups, style) + [""]
        }
        lines += statisticsTable("all", [("all rows", overall)], style)
        lines.append(
            style.paint("  Errors are of the step time; the median and p90 count rows that cannot be modelled as infinitely wrong.", .dim))
        lines.append(
            style.paint("  tau >3%: rank correlation over pairs whose measured throughput differs by more than repeats commonly do.", .dim))
        return lines.joined(separator: "\n") + "\n"
    }

    private func statisticsTable(
        _ title: String, _ groups: [(name: String, statistics: ValidationStatistics)], _ style: TextStyle
    ) -> [String] {
        let widths = [6, 7, 9, 9, 9, 9, 9, 8, 8, 10, 9]
        let header = ["rows", "failed", "median", "mean", "p90", "worst", "bias", "tau", "tau >3%", "coverage", "measured"]
        return [style.heading(padded("  \(title)", 26) + zip(header, widths).map { rightAligned($0, $1) }.joined())]
            + groups.map { group in
                let s = group.statistics
                let cells =
                    [grouped(s.rows), s.failed == 0 ? "" : grouped(s.failed)]
                    + [s.median, s.mean, s.p90, s.worst].map(cell) + [
                        s.bias.map(signedPercent) ?? "", s.tau.map { fixed($0, decimals: 2) } ?? "",
                        s.tauOverNoise.map { fixed($0, decimals: 2) } ?? "",
                    ]
                    + [s.coverage, s.measuredShare].map { $0.map { percent($0, decimals: 0) } ?? "" }
                return padded("  \(printable(group.name))", 26) + zip(cells, widths).map { rightAligned($0, $1) }.joined()
            }
    }

    private func cell(_ value: Double?) -> String { value.map { $0 == .infinity ? "failed" : percent($0) } ?? "" }
}
