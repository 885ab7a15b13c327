/// A table of comma-separated values with a header (RFC 4180: quoted fields, doubled quotes, line breaks in quotes; LF or CRLF).
struct CSVTable {
    struct Row {
        /// Line of the file on which the row starts, from 1.
        var line: Int
        /// Column of the file at which each field starts, from 1.
        var columns: [Int]
        var fields: [String]
    }
    var file: String
    var header: [String]
    var rows: [Row]

    /// - Throws: every row that is no row: an open quote, too few or too many fields; and a header that is none.
    static func parse(_ source: SourceText) throws(ScenarioErrors) -> CSVTable {
        var errors: [ScenarioError] = []
        func report(_ line: Int, _ column: Int, _ name: String, _ reason: String, _ advice: String) {
            errors.append(ScenarioError(file: source.file, line: line, column: column, keyPath: name, reason: reason, suggestion: advice))
        }
        var rows = split(source.text) { line, column, reason, advice in report(line, column, "", reason, advice) }
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

    private static func split(_ text: String, report: (Int, Int, String, String) -> Void) -> [Row] {
        var rows: [Row] = []
        var row = Row(line: 1, columns: [1], fields: [])
        var field = String.UnicodeScalarView()
        var (line, column) = (1, 1)
        var opened: (line: Int, column: Int)?
        var wasQuoted = false
        let scalars = Array(text.unicodeScalars)
        var index = 0
        func finishField() {
            row.fields.append(String(field))
            field = String.UnicodeScalarView()
            wasQuoted = false
        }
        while index < scalars.count {
            let scalar = scalars[index]
            let next = index + 1 < scalars.count ? scalars[index + 1] : nil
            index += 1
            column += 1
            if opened != nil {
                if scalar == "\"", next == "\"" {
                    field.append("\"")
                    index += 1
                    column += 1
                } else if scalar == "\"" {
                    opened = nil
                } else {
                    if scalar == "\n" { (line, column) = (line + 1, 1) }
                    field.append(scalar)
                }
                continue
            }
            switch scalar {
            case "\"" where field.isEmpty && !wasQuoted:
                opened = (line, column - 1)
                wasQuoted = true
            case "\"":
                report(line, column - 1, "a quote stands inside a field", "put the whole field in quotes and double the inner ones")
                field.append(scalar)
            case ",":
                finishField()
                row.columns.append(column)
            case "\n":
                finishField()
                rows.append(row)
                (line, column) = (line + 1, 1)
                row = Row(line: line, columns: [1], fields: [])
            case "\r" where next == "\n" || next == nil: break
            default:
                field.append(scalar)
            }
        }
        if let opened { report(opened.line, opened.column, "this quote is never closed", "close it, or double it inside a quoted field") }
        if !field.isEmpty || !row.fields.isEmpty || wasQuoted {
            finishField()
            rows.append(row)
        }
        return rows
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
