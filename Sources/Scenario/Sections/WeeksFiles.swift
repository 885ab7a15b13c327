import Foundation
import Lifetime
import Quantities

/// Tables of numbers that a scenario names: traces of nodes, paces, prices, times of failures. Paths are relative to the scenario.
enum WeeksFiles {
    struct Table {
        let path: String
        let header: [String]
        let rows: [[Double]]

        func column(_ name: String, or place: Int) -> [Double] {
            let index = header.firstIndex(of: name) ?? place
            return rows.map { index < $0.count ? $0[index] : .nan }
        }
    }

    static func path(_ text: String, _ item: Item) -> String { sibling(text, of: item.tree.place) }

    /// Numbers, with or without a line of names above them; nil where a fault was reported.
    static func table(_ name: String, columns: [String], _ item: Item, _ reader: inout Reader) -> Table? {
        guard let text = text(name, item, &reader) else { return nil }
        let path = path(name, item)
        let records = CSVRecords.split(text) { _, _, _, _ in }.filter { $0.fields.contains { !$0.isEmpty } }
        guard let first = records.first else {
            reader.report(item, "\(path) holds no rows", "give the columns \(columns.joined(separator: ","))")
            return nil
        }
        let names = first.fields.map { $0.filter { !$0.isWhitespace } }
        let hasHeader = names.contains { Double($0) == nil }
        if hasHeader, let missing = columns.first(where: { !names.contains($0) }) {
            reader.report(item, "\(path):1: the column \(missing) is missing", "give the columns \(columns.joined(separator: ","))")
            return nil
        }
        var rows: [[Double]] = []
        for record in records.dropFirst(hasHeader ? 1 : 0) {
            let numbers = record.fields.map { Double($0.filter { !$0.isWhitespace }) ?? .nan }
            let used = hasHeader ? columns.compactMap { names.firstIndex(of: $0) } : Array(columns.indices)
            if let bad = used.first(where: { $0 >= numbers.count || !numbers[$0].isFinite }) {
                let found = bad < record.fields.count ? "\"\(record.fields[bad])\"" : "nothing"
                reader.report(item, "\(path):\(record.line): \(found) is not a number", "write a number in column \(bad + 1)")
                return nil
            }
            rows.append(numbers)
        }
        return Table(path: path, header: hasHeader ? names : [], rows: rows)
    }

    private static func text(_ name: String, _ item: Item, _ reader: inout Reader) -> String? {
        guard reader.allowsFile(item) else { return nil }
        do throws(ScenarioErrors) { return try SourceText.read(path(name, item), limit: SourceText.tableLimit).text } catch {
            for fault in error.errors { reader.report(item, "\(fault.file): \(fault.reason)", fault.suggestion) }
            return nil
        }
    }

    /// Nodes over time. Formats: `time_s,nodes` with that header; milliseconds and nodes without one (Parcae's); milliseconds, add or remove and a name
    /// (Bamboo's); date, time and nodes (Bamboo's for GCP); JSON with `metadata.gap_seconds` and `data` (SkyPilot's).
    static func capacity(_ name: String, _ item: Item, _ reader: inout Reader) -> CapacityTrace? {
        guard let text = text(name, item, &reader) else { return nil }
        let rows: [(time: Double, nodes: Int)]?
        var end: Double?
        if text.first(where: { !$0.isWhitespace }) == "{" {
            (rows, end) = skyPilot(text)
        } else {
            rows = lines(text)
        }
        guard let rows else {
            reader.report(item, "\(path(name, item)) is not a trace of nodes that is known", "give the columns time_s,nodes")
            return nil
        }
        do throws(Fault) { return try CapacityTrace(rows: rows, end: end) } catch {
            reader.report(item, "\(path(name, item)): \(error.reason)", error.suggestion.isEmpty ? "mend the file" : error.suggestion)
            return nil
        }
    }

    private static func skyPilot(_ text: String) -> ([(time: Double, nodes: Int)]?, Double?) {
        struct File: Decodable {
            struct Metadata: Decodable { var gap_seconds: Double }
            var metadata: Metadata
            var data: [Int]
        }
        guard let file = try? JSONDecoder().decode(File.self, from: Data(text.utf8)) else { return (nil, nil) }
        let gap = file.metadata.gap_seconds
        return (file.data.enumerated().map { (Double($0.offset) * gap, $0.element) }, Double(file.data.count) * gap)
    }

    private static func lines(_ text: String) -> [(time: Double, nodes: Int)]? {
        let records = CSVRecords.split(text) { _, _, _, _ in }.map { $0.fields.map { $0.trimmingCharacters(in: .whitespaces) } }
            .filter { $0.count > 1 }
        guard let first = records.first else { return nil }
        if let time = first.firstIndex(of: "time_s"), let nodes = first.firstIndex(of: "nodes") {
            let numbers = records.dropFirst().map { row -> (time: Double, nodes: Int)? in
                guard time < row.count, nodes < row.count, let t = Double(row[time]), let n = Int(row[nodes]) else { return nil }
                return (t, n)
            }
            return numbers.contains { $0 == nil } ? nil : numbers.compactMap(\.self)
        }
        var count = 0
        var start: Double?
        var found: [(time: Double, nodes: Int)] = []
        for row in records {
            if let milliseconds = Double(row[0]), let nodes = Int(row[1]) {
                found.append((milliseconds / 1000, nodes))
            } else if let milliseconds = Double(row[0]), row[1] == "add" || row[1] == "remove" {
                count += row[1] == "add" ? 1 : -1
                found.append((milliseconds / 1000, count))
            } else if row.count > 2, let nodes = Int(row[2]), let moment = seconds(date: row[0], time: row[1]) {
                start = start ?? moment
                found.append((moment - (start ?? 0), nodes))
            } else {
                return nil
            }
        }
        return found
    }

    private static func seconds(date: String, time: String) -> Double? {
        let day = date.split(separator: "-").compactMap { Int($0) }
        let clock = time.split(separator: ":").compactMap { Double($0) }
        guard day.count == 3, clock.count == 3 else { return nil }
        var parts = DateComponents()
        (parts.year, parts.month, parts.day) = (day[0], day[1], day[2])
        parts.timeZone = TimeZone(secondsFromGMT: 0)
        guard let midnight = Calendar(identifier: .gregorian).date(from: parts) else { return nil }
        return midnight.timeIntervalSince1970 + clock[0] * 3600 + clock[1] * 60 + clock[2]
    }
}
