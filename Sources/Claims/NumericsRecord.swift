import Quantities

/// What `make claims` measured by running the algorithms themselves: the table of reports/claims/numerics.md, which ships with the program.
struct NumericsRecord {
    struct Row {
        var mean: Double
        /// Half of the 95 % interval over seeds; 0 where the figure is exact.
        var half: Double
    }
    private var rows: [String: Row] = [:]

    static func shipped() throws(Fault) -> NumericsRecord {
        try NumericsRecord(markdown: String(decoding: PackageResources.numerics_md, as: UTF8.self))
    }

    /// - Throws: `Fault` where a row of the second table holds no numbers.
    init(markdown: String) throws(Fault) {
        for line in markdown.split(separator: "\n") {
            let cells = line.split(separator: "|").map { cell in
                var cell = cell
                while cell.first == " " { cell.removeFirst() }
                while cell.last == " " { cell.removeLast() }
                return String(cell)
            }
            guard cells.count == 5, cells[0].first == "C", cells[0].count == 3 else { continue }
            let parts = cells[3].split(separator: " ").map(String.init)
            guard let mean = parts.first.flatMap({ Double($0.filter { $0 != "," }) }) else {
                throw Fault(keyPath: "claims", reason: "numerics.md: \"\(cells[3])\" is no figure")
            }
            rows["\(cells[0]) \(cells[1])"] = Row(mean: mean, half: parts.count > 2 && parts[1] == "±" ? Double(parts[2]) ?? 0 : 0)
        }
    }

    /// - Parameter name: claim and text of the row, or how both begin.
    func row(_ name: String) throws(Fault) -> Row {
        if let row = rows[name] { return row }
        let matches = rows.filter { $0.key.hasPrefix(name) }
        guard matches.count == 1, let row = matches.first?.value else {
            throw Fault(
                keyPath: "claims", reason: "\(matches.count) rows of reports/claims/numerics.md begin with \"\(name)\"",
                suggestion: "make claims")
        }
        return row
    }
}
