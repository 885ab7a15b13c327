import Quantities
import Studies

/// The sections of the page about measured runs.
struct ValidationSections {
    let report: ValidationReport

    var markup: Markup {
        let all = report.overall
        let tiles: [(String, String, String)] = [
            ("Median error", share(all.median), "of the step time, weighted"),
            ("90th percentile", share(all.p90), "worst \(share(all.worst))"),
            ("Bias", all.bias.map(signedPercent) ?? "–", "mean absolute \(share(all.mean))"),
            ("Rank correlation", all.tau.map { fixed($0, decimals: 2) } ?? "–", "Kendall tau, \(grouped(all.pairs)) pairs"),
            ("Cannot be modelled", grouped(all.failed), "of \(grouped(all.rows)) rows; counted as infinitely wrong"),
        ]
        let splits = ValidationReport.Split.allCases.map { split -> Markup in
            "<h3>By \(split.rawValue)</h3><div class=\"stats\">\(statistics(split))</div>"
        }
        return """
            \(Tile.row(tiles.map { Tile(label: $0.0, value: $0.1, remark: $0.2) }))
            <section><h2>Predicted against measured step time</h2>
            <p class="remark">Both axes are logarithmic; on the line a prediction is exact, between the dashed lines it is within 10 %. \
            Colour is the hardware, shape the software stack.</p>
            <div class="chart square" data-chart="scatter"><canvas aria-label="Predicted against measured step time"></canvas></div>
            <h3>Error of the step time</h3>
            <div class="chart taller" data-chart="errors"><canvas aria-label="Error of the step time over the measured step time"></canvas></div></section>
            <section><h2>Statistics</h2>\(splits)</section>
            <section><h2>Rows</h2>\(rows)</section>

            """
    }

    private func share(_ value: Double?) -> String { value.map { $0 == .infinity ? "failed" : percent($0) } ?? "–" }

    private func statistics(_ split: ValidationReport.Split) -> Markup {
        let rows = report.statistics(by: split).map { group -> [Markup] in
            let s = group.statistics
            return [
                .text(group.name), .text(grouped(s.rows)), .text(grouped(s.failed)), .text(share(s.median)), .text(share(s.mean)),
                .text(share(s.p90)),
                .text(share(s.worst)), .text(s.bias.map(signedPercent) ?? "–"),
                .text(s.tau.map { "\(fixed($0, decimals: 2)) (\(grouped(s.pairs)))" } ?? "–"),
                .text(share(s.coverage)), .text(share(s.measuredShare)), .text(share(s.memoryMedian)),
            ]
        }
        return Table(
            [
                split.rawValue.prefix(1).uppercased() + split.rawValue.dropFirst(), "Rows", "Failed", "Median", "Mean", "p90", "Worst",
                "Bias", "Tau (pairs)",
                "In 90 % interval", "Measured share", "Memory median",
            ], numeric: Set(1...11), rows: rows
        ).markup
    }

    private var rows: Markup {
        var table = Table(
            ["Run", "File", "Hardware", "Framework", "GPUs", "Measured", "Predicted", "Error", "Memory error"], numeric: [4, 5, 6, 7, 8],
            rows: [])
        for (index, row) in report.rows.enumerated() {
            let start: [Markup] = [
                .text(row.origin.id), .text(row.origin.file), .text(row.origin.hardware), .text(row.origin.framework),
                .text(grouped(row.shape.gpus)),
                .text(time(row.measuredS)),
            ]
            if let prediction = row.prediction, let error = row.error {
                let level = abs(error) <= 0.1 ? "good" : abs(error) <= 0.25 ? "fair" : "poor"
                table.rows.append(
                    start + [
                        .text(time(prediction.stepS)), "<span class=\"\(level)\">\(signedPercent(error))</span>",
                        .text(row.memoryError.map(signedPercent) ?? ""),
                    ])
            } else {
                table.rows.append(
                    start + [
                        "<span class=\"poor reason\">\(row.reason ?? "no usable prediction")</span>", "<span class=\"poor\">failed</span>",
                        "",
                    ])
                table.rowClasses[index] = "over"
            }
        }
        return table.markup
    }
}

extension ValidationReport {
    /// What the scatter draws: rows with a prediction.
    var pageData: JSONValue {
        .object([
            (
                "points",
                .array(
                    rows.compactMap { row in
                        guard let error = row.error, let prediction = row.prediction else { return nil }
                        return .object([
                            ("id", .string(row.origin.id)), ("hardware", .string(row.origin.hardware)),
                            ("framework", .string(row.origin.framework)),
                            ("measured", .number(row.measuredS)), ("predicted", .number(prediction.stepS)), ("error", .number(error)),
                        ])
                    })
            )
        ])
    }
}
