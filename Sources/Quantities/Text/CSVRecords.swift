/// Comma-separated values (RFC 4180: quoted fields, doubled quotes, line breaks in quotes; LF or CRLF).
public enum CSVRecords {
    public struct Record: Sendable {
        /// Line of the file on which the record starts, from 1.
        public var line: Int
        /// Column of the file at which each field starts, from 1.
        public var columns: [Int]
        public var fields: [String]
        public init(line: Int, columns: [Int], fields: [String]) {
            self.line = line
            self.columns = columns
            self.fields = fields
        }
    }

    /// Cuts a text into records.
    /// - Parameter report: is told line, column, reason and advice of every stray or open quote.
    /// - Complexity: O(text).
    public static func split(_ text: String, report: (Int, Int, String, String) -> Void) -> [Record] {
        var records: [Record] = []
        var record = Record(line: 1, columns: [1], fields: [])
        var field = String.UnicodeScalarView()
        var (line, column) = (1, 1)
        var opened: (line: Int, column: Int)?
        var wasQuoted = false
        let scalars = Array(text.unicodeScalars)
        var index = 0
        func finishField() {
            record.fields.append(String(field))
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
                record.columns.append(column)
            case "\n":
                finishField()
                records.append(record)
                (line, column) = (line + 1, 1)
                record = Record(line: line, columns: [1], fields: [])
            case "\r" where next == "\n" || next == nil: break
            default:
                field.append(scalar)
            }
        }
        if let opened { report(opened.line, opened.column, "this quote is never closed", "close it, or double it inside a quoted field") }
        if !field.isEmpty || !record.fields.isEmpty || wasQuoted {
            finishField()
            records.append(record)
        }
        return records
    }

    /// Rows as text; lines end in LF.
    public static func text(_ rows: [[String]]) -> String {
        rows.map { $0.map(quoted).joined(separator: ",") + "\n" }.joined()
    }

    /// A field as it is written: in quotes where it holds a comma, a quote or a line break, and behind an apostrophe where a spreadsheet would take
    /// a text for a formula.
    public static func quoted(_ field: String) -> String {
        let field = isFormula(field) ? "'" + field : field
        guard field.unicodeScalars.contains(where: { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" }) else { return field }
        return "\"\(field.replacing("\"", with: "\"\""))\""
    }

    /// Whether a text begins with = + - @, a tab or a carriage return and is neither a number, with or without a unit, nor the "-" of empty cells.
    private static func isFormula(_ field: String) -> Bool {
        guard let first = field.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first), field != "-" else { return false }
        let unit = field.reversed().prefix { $0.isLetter || $0 == "%" || $0 == "/" || $0 == " " }.count
        return decimalNumber(field) == nil && decimalNumber(field.dropLast(unit)) == nil
    }
}
