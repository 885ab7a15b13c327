import Quantities

/// Flows as rows of `start_s,source,destination,bytes` with a header line: seconds, host numbers from 0, bytes (a number, or with a unit: 20 MB).
/// Optional columns: `weight`; `cap` (a bandwidth: 10 Gb/s); `key`, which tells flows between the same hosts apart where routing hashes
/// (default: their number among those). Blank lines and lines that begin with # count for nothing.
public enum FlowsCSV {
    private static let required = ["start_s", "source", "destination", "bytes"]
    private static let optional = ["weight", "cap", "key"]
    private static let errorLimit = 20

    /// - Throws: `FabricFileError` with the line and column name of what is wrong, at most twenty of them.
    public static func flows(csv: String, file: String) throws(FabricFileError) -> [Flow] {
        var columns: [String: Int] = [:]
        var flows: [Flow] = []
        var errors: [FabricError] = []
        var seen: [Int: UInt64] = [:]
        var number = 0
        var width = 0
        for line in csv.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            let cells = cells(line)
            if cells.allSatisfy(\.isEmpty) || cells.first?.hasPrefix("#") == true { continue }
            if columns.isEmpty {
                columns = try header(cells, file, number)
                width = cells.count
                continue
            }
            // An amount such as "1,000" would otherwise lose what stands behind its comma.
            guard cells.count == width else {
                errors.append(
                    FabricError(
                        key: "", "the row has \(cells.count) fields, the header \(width); write numbers without commas in them",
                        line: number))
                if errors.count >= errorLimit { break }
                continue
            }
            var row = Row(cells: cells, columns: columns, line: number)
            var flow = Flow(
                start: row.number("start_s"), source: row.host("source"), destination: row.host("destination"), bytes: row.bytes("bytes"))
            if columns["weight"] != nil { flow.weight = row.number("weight", above: 0) }
            if columns["cap"] != nil { flow.cap = row.cap("cap") }
            let (pair, overflow) = flow.source.multipliedReportingOverflow(by: 1 << 31)
            if columns["key"] != nil {
                flow.key = UInt64(row.host("key"))
            } else if !overflow {
                flow.key = seen[pair &+ flow.destination, default: 0]
                seen[pair &+ flow.destination] = flow.key + 1
            }
            errors += row.errors
            if errors.count >= errorLimit { break }
            flows.append(flow)
        }
        if columns.isEmpty { errors.append(FabricError(key: "", "the header line \(required.joined(separator: ",")) is missing", line: 1)) }
        if errors.isEmpty, flows.isEmpty { errors.append(FabricError(key: "", "no flow stands below the header", line: number)) }
        guard errors.isEmpty else { throw FabricFileError(file: file, errors: errors) }
        return flows
    }

    /// The line, from 1, that holds the flow of this number.
    static func line(ofFlow index: Int, in csv: String) -> Int? {
        var (number, seen) = (0, -1)
        for line in csv.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            let cells = cells(line)
            if cells.allSatisfy(\.isEmpty) || cells.first?.hasPrefix("#") == true { continue }
            // The header is -1.
            if seen == index { return number }
            seen += 1
        }
        return nil
    }

    private static func cells(_ line: Substring.UTF8View) -> [String] {
        line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { cell in
            var text = Substring(cell)
            while let first = text.unicodeScalars.first, first.properties.isWhitespace || first == "\"" || first == "\u{FEFF}" {
                text.unicodeScalars.removeFirst()
            }
            while let last = text.unicodeScalars.last, last.properties.isWhitespace || last == "\"" { text.unicodeScalars.removeLast() }
            return String(text)
        }
    }

    private static func header(_ cells: [String], _ file: String, _ line: Int) throws(FabricFileError) -> [String: Int] {
        var columns: [String: Int] = [:]
        var errors: [FabricError] = []
        for (index, name) in cells.enumerated() where !name.isEmpty {
            if !(required + optional).contains(name) {
                let hint = nearest(name, in: required + optional).map { "; did you mean \($0)?" } ?? ""
                errors.append(FabricError(key: name, "unknown column\(hint)", line: line))
            } else if columns.updateValue(index, forKey: name) != nil {
                errors.append(FabricError(key: name, "the column appears twice", line: line))
            }
        }
        for name in required where columns[name] == nil { errors.append(FabricError(key: name, "the column is missing", line: line)) }
        guard errors.isEmpty else { throw FabricFileError(file: file, errors: errors) }
        return columns
    }

    /// One line; a cell that cannot be read is noted and gives a harmless value.
    private struct Row {
        let cells: [String]
        let columns: [String: Int]
        let line: Int
        var errors: [FabricError] = []

        init(cells: [String], columns: [String: Int], line: Int) {
            self.cells = cells
            self.columns = columns
            self.line = line
        }

        private func cell(_ name: String) -> String {
            guard let index = columns[name], cells.indices.contains(index) else { return "" }
            return cells[index]
        }
        private mutating func fail(_ name: String, _ message: String) { errors.append(FabricError(key: name, message, line: line)) }

        mutating func number(_ name: String, above limit: Double = -.leastNonzeroMagnitude) -> Double {
            guard let value = decimalNumber(cell(name)), value > limit else {
                fail(name, "\"\(cell(name))\" is not a number \(limit == 0 ? "above zero" : "of zero or more")")
                return 1
            }
            return value
        }
        mutating func host(_ name: String) -> Int {
            guard let value = Int(cell(name)), value >= 0 else {
                fail(name, "\"\(cell(name))\" is not a whole number from 0")
                return 0
            }
            return value
        }
        mutating func bytes(_ name: String) -> Double {
            if let value = decimalNumber(cell(name)) {
                if value.isFinite, value >= 0 { return value }
                fail(name, "\"\(cell(name))\" is not a number of zero or more")
                return 0
            }
            if cell(name).isEmpty {
                fail(name, "the cell is empty; write bytes, for instance 1000000 or 80 GB")
                return 0
            }
            do { return try Bytes(parsing: cell(name)).baseValue } catch {
                fail(name, error.message)
                return 0
            }
        }
        mutating func cap(_ name: String) -> Double {
            if cell(name).isEmpty { return .infinity }
            do { return try Bandwidth(parsing: cell(name)).bytesPerSecond } catch {
                fail(name, error.message)
                return .infinity
            }
        }
    }
}
