import Quantities

/// A table of comma-separated values with a header (RFC 4180: quoted fields, doubled quotes, line breaks in quotes; LF or CRLF).
struct CSVTable {
    typealias Row = CSVRecords.Record
    var file: String
    var header: [String]
    var rows: [Row]

    /// - Throws: every row that is no row: an open quote, too few or too many fields; and a header that is none.
    static func parse(_ source: SourceText) throws(ScenarioErrors) -> CSVTable {
        var errors: [ScenarioError] = []
        func report(_ line: Int, _ column: Int, _ name: String, _ reason: String, _ advice: String) {
            errors.append(ScenarioError(file: source.file, line: line, column: column, keyPath: name, reason: reason, suggestion: advice))
        }
        var rows = CSVRecords.split(source.text) { line, column, reason, advice in report(line, column, "", reason, advice) }
        rows.removeAll { $0.fields.count == 1 && ($0.fields.first ?? "").allSatisfy(\.isWhitespace) }
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        guard let first = rows.first else {
            report(1, 1, "", "the file is empty", "the first line names the columns: id,hardware,gpus,...")
            throw ScenarioErrors(errors)
        }
        let header = first.fields.map { $0.trimmingSpaces }
        var seen = Set<String>()
        for (name, column) in zip(header, first.columns) where !name.isEmpty && !seen.insert(name).inserted {
            report(first.line, column, name, "the column stands twice in the header", "keep one of the two")
        }
        rows.removeFirst()
        for row in rows where row.fields.count != header.count {
            report(
                row.line, 1, "", "the row has \(row.fields.count) fields, the header \(header.count)",
                "separate every field by a comma, and put texts with commas in quotes")
        }
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        return CSVTable(file: source.file, header: header, rows: rows)
    }
}

extension String {
    var trimmingSpaces: String {
        var view = self[...]
        while let first = view.first, first.isWhitespace { view.removeFirst() }
        while let last = view.last, last.isWhitespace { view.removeLast() }
        return String(view)
    }
}
