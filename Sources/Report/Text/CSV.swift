import Quantities
import Studies

extension RunAnswer {
    /// A header and one row a run (RFC 4180, lines end in LF). Columns are the result file's keys joined by points; a distribution has five columns,
    /// `memory.by_stage` holds the stages' totals in bytes, joined by blanks. The header is the same for every run with the documented keys.
    public static func csv(of reports: [RunAnswer]) -> String {
        csvTable(of: reports.map { $0.jsonValue(spreadDistributions: true) })
    }
}

extension ValidationReport {
    /// A header and one row a measured run; columns are the keys of a row in `json()`, `interval90` holds both ends joined by a blank.
    public func csv() -> String { csvTable(of: rows.map(JSONValue.init(validation:))) }
}

/// Columns are the keys joined by points, in order of appearance; a row lacks nothing but what it does not know.
private func csvTable(of values: [JSONValue]) -> String {
    let rows = values.map { CSVCells.flattened($0) }
    var header: [String] = []
    var known: Set<String> = []
    for row in rows {
        for (key, _) in row where known.insert(key).inserted { header.append(key) }
    }
    return CSVRecords.text(
        [header]
            + rows.map { row in
                let cells = Dictionary(row, uniquingKeysWith: { first, _ in first })
                return header.map { cells[$0] ?? "" }
            })
}

private enum CSVCells {
    static func flattened(_ value: JSONValue, prefix: String = "") -> [(String, String)] {
        switch value {
        case .object(let members):
            members.flatMap { key, value in
                key == "assumptions" ? [] : flattened(value, prefix: prefix.isEmpty ? key : "\(prefix).\(key)")
            }
        case .array(let items): [(prefix, items.map(cell).joined(separator: prefix == "warnings" ? "; " : " "))]
        default: [(prefix, cell(value))]
        }
    }

    private static func cell(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .null: ""
        case .object(let members): members.last.map { cell($0.value) } ?? ""
        default: value.text(.compact) == "null" ? "" : value.text(.compact)
        }
    }
}
