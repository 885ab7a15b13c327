import Quantities

/// Rows of text in columns, with the sources of the numbers as numbered notes below.
public struct TextTable: Sendable {
    public var title: String
    public var header: [String]
    /// [rows][columns of `header`]
    var rows: [[String]]
    /// Where the numbers of each row are from: [rows].
    var sources: [String]

    public func text() -> String {
        var notes: [String] = []
        var cells = [header + ["source"]]
        for (row, source) in zip(rows, sources) {
            if !source.isEmpty, !notes.contains(source) { notes.append(source) }
            let number = notes.firstIndex(of: source).map { "[\($0 + 1)]" } ?? "-"
            cells.append(row + [number])
        }
        let widths = cells[0].indices.map { column in cells.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        var lines = [title]
        for row in cells {
            var line = " "
            for (cell, width) in zip(row, widths) { line += " " + cell + String(repeating: " ", count: width - cell.count + 1) }
            while line.last == " " { line.removeLast() }
            lines.append(line)
        }
        lines += notes.enumerated().map { "  [\($0 + 1)] \($1)" }
        return lines.joined(separator: "\n") + "\n"
    }

    public var json: JSONValue {
        .array(
            zip(rows, sources).map { row, source in
                .object(zip(header, row).map { (key: $0, value: JSONValue.string($1)) } + [(key: "source", value: .string(source))])
            })
    }

    public var csvRows: [[String]] { zip(rows, sources).map { $0 + [$1] } }
}
