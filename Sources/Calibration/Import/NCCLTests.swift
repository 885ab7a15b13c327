import Cluster
import Quantities

/// What a program of nccl-tests (github.com/NVIDIA/nccl-tests) prints: a header with the ranks, then a row for each size.
public enum NCCLTests {
    private struct Run {
        var ranks = 0
        var hosts: [String] = []
        var device: String?
        var library = ""
        var operation: Kernel?
    }

    /// - Throws: `MeasurementFault` where there are no rows, a row is damaged, or ranks, device or operation remain unknown.
    public static func read(path: String, _ settings: ImportSettings = ImportSettings()) throws(MeasurementFault)
        -> PublishedTables.Imported
    {
        try parse(try readText(path), file: path, settings)
    }

    static func parse(_ text: String, file: String, _ settings: ImportSettings) throws(MeasurementFault) -> PublishedTables.Imported {
        var run = Run()
        var rows: [(line: Int, fields: [String])] = []
        var faults: [MeasurementFault.Fault] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
            guard let first = words.first else { continue }
            if first == "#" || first.hasPrefix("#") {
                note(words, line, &run)
            } else if let version = line.firstRange(of: "NCCL version ") {
                run.library = "NCCL " + (line[version.upperBound...].split { $0 == " " || $0 == "+" }.first ?? "")
            } else if Int(first) != nil {
                // size count type redop root, then time algbw busbw wrong, out of place and in place.
                if words.count == 13 || words.count == 12 || words.count == 11 {
                    rows.append((index + 1, words))
                } else {
                    faults.append(
                        .init(
                            line: index + 1, reason: "the row has \(words.count) fields, a row of nccl-tests 13",
                            suggestion: "give the output of one program unchanged"))
                }
            }
        }
        guard faults.isEmpty else { throw MeasurementFault(file: file, faults) }
        guard !rows.isEmpty else {
            throw MeasurementFault(
                file: file, reason: "the file holds no rows of nccl-tests", suggestion: "give what all_reduce_perf and the like print")
        }
        return try measurements(rows, run, file, settings)
    }

    /// Lines behind #: the programs print their ranks, and newer ones their name.
    private static func note(_ words: [String], _ line: Substring, _ run: inout Run) {
        if words.count > 9, words[1] == "Rank" {
            run.ranks += 1
            if let on = words.firstIndex(of: "on"), on + 1 < words.count, !run.hosts.contains(words[on + 1]) {
                run.hosts.append(words[on + 1])
            }
            if let bracket = line.lastIndex(of: "]") {
                run.device = String(line[line.index(after: bracket)...].drop { $0 == " " }).filter { $0 != "\r" }
            }
        }
        for (name, kernel) in programs where line.contains(name) { run.operation = kernel }
        if let version = line.firstRange(of: "NCCL version ") {
            run.library = "NCCL " + (line[version.upperBound...].split { $0 == " " || $0 == "+" }.first ?? "")
        }
    }

    private static let programs: [(String, Kernel)] = [
        ("all_reduce_perf", .allReduce), ("all_gather_perf", .allGather), ("reduce_scatter_perf", .reduceScatter),
        ("alltoall_perf", .allToAll), ("broadcast_perf", .broadcast), ("sendrecv_perf", .sendReceive),
    ]

    private static func measurements(
        _ rows: [(line: Int, fields: [String])], _ run: Run, _ file: String, _ settings: ImportSettings
    ) throws(MeasurementFault) -> PublishedTables.Imported {
        func unknown(_ what: String, _ option: String) -> MeasurementFault {
            MeasurementFault(file: file, reason: "the file does not say \(what)", suggestion: "give \(option)")
        }
        let ranks = settings.ranks ?? run.ranks
        guard ranks > 1 else { throw unknown("how many ranks took part", "--ranks") }
        guard let device = settings.device ?? run.device.map(DeviceNames.canonical) else {
            throw unknown("on which device it ran", "--device")
        }
        let perNode = min(ranks, settings.perNode ?? (run.hosts.isEmpty ? ranks : max(1, ranks / run.hosts.count)))
        guard let kernel = settings.operation ?? run.operation ?? guess(rows.map(\.fields), ranks: ranks) else {
            throw unknown("which collective it is", "--operation all_reduce, all_gather, ...")
        }
        var imported = PublishedTables.Imported()
        for (line, fields) in rows {
            guard let bytes = Double(fields[0]), bytes > 0, let dtype = Precision.parsing(fields[2]) else {
                imported.skipped += 1
                continue
            }
            // Some versions leave the column of wrong elements out.
            let block = (fields.count - 5) / 2
            let times = [fields[5], fields[5 + block]].compactMap { Double($0) }
            guard times.count == 2, times.allSatisfy({ $0 > 0 && $0 < 1e12 }) else {
                throw MeasurementFault(
                    file: file,
                    [
                        .init(
                            line: line, name: "time", reason: "\"\(fields[5])\" or \"\(fields[5 + block])\" is no time in us",
                            suggestion: "give the output unchanged")
                    ])
            }
            let key = Measurement.Key(
                kernel, device: device, dtype: dtype, shape: .collective(bytes: bytes, ranks: ranks, perNode: perNode))
            for time in times {
                var measurement = Measurement(key, seconds: time * 1e-6, source: "nccl-tests", date: settings.date)
                measurement.conditions.library = settings.library ?? run.library
                imported.measurements.append(measurement)
            }
        }
        return imported
    }

    /// From the ratio of bus to algorithm bandwidth of the largest size: 2(n-1)/n is an all-reduce, (n-1)/n with a reduction a reduce-scatter.
    /// Without a reduction a gather cannot be told from an all-to-all.
    private static func guess(_ rows: [[String]], ranks: Int) -> Kernel? {
        guard let last = rows.last, let algorithm = Double(last[6]), let bus = Double(last[7]), algorithm > 0 else { return nil }
        let n = Double(ranks)
        let ratio = bus / algorithm
        if ranks > 2, abs(ratio - 2 * (n - 1) / n) < 0.02 { return .allReduce }
        if last[3] != "none", abs(ratio - (n - 1) / n) < 0.02 { return .reduceScatter }
        return nil
    }
}
