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

    /// `{rows, summary}` with a final newline; docs/validation.md explains the keys.
    public func json() -> String {
        let summary: [(key: String, value: JSONValue)] =
            [("all", JSONValue(overall))]
            + Split.allCases.map { split in
                ("by_\(split.rawValue)", .object(statistics(by: split).map { ($0.name, JSONValue($0.statistics)) }))
            }
        return JSONValue.object([("rows", .array(rows.map(JSONValue.init(validation:)))), ("summary", .object(summary))]).text() + "\n"
    }
}

/// A file's name without folder and ending.
private func stem(_ path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return name.hasSuffix(".csv") ? String(name.dropLast(4)) : name
}

extension JSONValue {
    public init(validation row: ValidationRow) {
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
