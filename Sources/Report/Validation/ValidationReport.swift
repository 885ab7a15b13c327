import Quantities

/// The score of the simulator against measured runs.
public struct ValidationReport: Sendable {
    /// In the order of the files.
    public var rows: [ValidationRow]
    public init(rows: [ValidationRow]) { self.rows = rows }

    public var overall: ValidationStatistics { ValidationStatistics(rows) }

    /// Ways to split the rows.
    public enum Split: String, Sendable, CaseIterable {
        case file, hardware, framework
        /// Dense, MoE, FSDP, pipeline: a row counts under each that applies.
        case kind
        /// Rows of one file and one tensor-parallel size, where at least ten pairs of them can be ranked: how layouts are ordered within a sweep.
        case sweep
        case completeness
        /// The complete rows (A) by hardware and by framework: where a profile leans to one side.
        case complete

        func names(_ row: ValidationRow) -> [String] {
            switch self {
            case .file: [row.origin.file]
            case .hardware: [row.origin.hardware]
            case .framework: [row.origin.framework]
            case .kind: row.origin.kinds
            case .sweep: row.origin.tensor > 0 ? ["\(stem(row.origin.file)), TP \(row.origin.tensor)"] : []
            case .completeness: [row.origin.completeness.isEmpty ? "not stated" : row.origin.completeness]
            case .complete: row.origin.completeness == "A" ? ["A, \(row.origin.hardware)", "A, \(row.origin.framework)"] : []
            }
        }

        /// Groups that rank too few pairs to say anything are left out.
        var leastPairs: Int { self == .sweep ? 10 : 0 }
    }

    /// Groups by name.
    public func statistics(by split: Split) -> [(name: String, statistics: ValidationStatistics)] {
        var groups: [String: [ValidationRow]] = [:]
        for row in rows { for name in split.names(row) { groups[name, default: []].append(row) } }
        return groups.keys.sorted().map { ($0, ValidationStatistics(groups[$0] ?? [])) }.filter { $0.1.pairs >= split.leastPairs }
    }

    /// `{rows, summary}` with a final newline; the rows' keys as `design/scenario.md` states them.
    public func json() -> String {
        let summary: [(key: String, value: JSONValue)] =
            [("all", JSONValue(overall))]
            + Split.allCases.map { split in
                ("by_\(split.rawValue)", .object(statistics(by: split).map { ($0.name, JSONValue($0.statistics)) }))
            }
        return JSONValue.object([("rows", .array(rows.map(JSONValue.init(validation:)))), ("summary", .object(summary))]).text() + "\n"
    }

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

/// A file's name without folder and ending.
private func stem(_ path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return name.hasSuffix(".csv") ? String(name.dropLast(4)) : name
}

extension JSONValue {
    init(validation row: ValidationRow) {
        let prediction = row.prediction
        self = .object([
            ("id", .string(row.origin.id)), ("file", .string(row.origin.file)), ("hardware", .string(row.origin.hardware)),
            ("framework", .string(row.origin.framework)),
            ("completeness", row.origin.completeness.isEmpty ? .null : .string(row.origin.completeness)),
            ("modelled", .bool(row.error != nil)), ("reason", .optional(row.reason)), ("measured_s", .number(row.measuredS)),
            ("predicted_s", .optional(prediction?.stepS)), ("error", .optional(row.error)), ("memory_gb", .optional(row.memoryGB)),
            ("predicted_memory_gb", .optional(prediction?.memoryGB)), ("fits", prediction.map { .bool($0.fits) } ?? .null),
            ("interval90", prediction?.interval90.map { .array([.number($0.lowerBound), .number($0.upperBound)]) } ?? .null),
            ("evidence", prediction.map { JSONValue($0.evidence) } ?? .null), ("weight", .number(row.weight)),
            ("assumptions", .array(row.assumptions.map(JSONValue.string))),
        ])
    }

    init(_ s: ValidationStatistics) {
        self = .object([
            ("rows", .integer(s.rows)), ("failed", .integer(s.failed)), ("weight", .number(s.weight)),
            ("median_absolute_error", .optional(s.median)), ("mean_absolute_error", .optional(s.mean)),
            ("p90_absolute_error", .optional(s.p90)),
            ("worst_absolute_error", .optional(s.worst)), ("bias", .optional(s.bias)), ("kendall_tau", .optional(s.tau)),
            ("ranked_pairs", .integer(s.pairs)), ("kendall_tau_over_noise", .optional(s.tauOverNoise)),
            ("ranked_pairs_over_noise", .integer(s.pairsOverNoise)), ("interval90_coverage", .optional(s.coverage)),
            ("measured_share", .optional(s.measuredShare)),
            ("median_absolute_memory_error", .optional(s.memoryMedian)), ("memory_rows", .integer(s.memoryRows)),
        ])
    }
}
