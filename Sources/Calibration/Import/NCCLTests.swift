import Cluster
import Quantities

/// What a program of nccl-tests (github.com/NVIDIA/nccl-tests) prints, of any release: a header with the ranks, a line that names the columns, then a
/// row for each size. A file may hold several runs, and its lines may carry the labels of `srun -l` or `mpirun --tag-output`.
public enum NCCLTests {
    private struct Run {
        var ranks = 0
        var hosts: [String] = []
        var device: String?
        var library = ""
        var operation: Kernel?
        /// Names of the columns, as the header of the table spells them; empty before it.
        var columns: [String] = []
        var rows: [Row] = []
    }
    private struct Row {
        var line: Int
        var fields: [String]
        /// Places of the times, out of place and in place.
        var times: [Int]
    }

    /// - Throws: `MeasurementFault` where there are no rows, a row is damaged, or ranks, device or operation remain unknown.
    public static func read(path: String, _ settings: ImportSettings = ImportSettings()) throws(MeasurementFault)
        -> PublishedTables.Imported
    {
        try parse(try readText(path), file: path, settings)
    }

    static func parse(_ text: String, file: String, _ settings: ImportSettings) throws(MeasurementFault) -> PublishedTables.Imported {
        var runs = [Run()]
        var faults: [MeasurementFault.Fault] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = unlabelled(line)
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
            guard let first = words.first else { continue }
            var run = runs[runs.count - 1]
            if startsRun(line), !run.rows.isEmpty {
                // A run that does not list its ranks has those of the one before.
                var next = Run()
                next.library = run.library
                runs.append(next)
                run = next
            }
            if first.hasPrefix("#") {
                note(words, line, &run)
            } else if let version = libraryVersion(line) {
                run.library = version
            } else if Int(first) != nil {
                if let times = places(of: words, run.columns) {
                    run.rows.append(Row(line: index + 1, fields: words, times: times))
                } else {
                    faults.append(
                        .init(
                            line: index + 1,
                            reason: "the row has \(words.count) fields"
                                + (run.columns.isEmpty ? ", a row of nccl-tests 13" : ", the header above it \(run.columns.count)"),
                            suggestion: "give the output of one program unchanged"))
                }
            }
            runs[runs.count - 1] = run
        }
        guard faults.isEmpty else { throw MeasurementFault(file: file, faults) }
        guard runs.contains(where: { !$0.rows.isEmpty }) else {
            throw MeasurementFault(
                file: file, reason: "the file holds no rows of nccl-tests", suggestion: "give what all_reduce_perf and the like print")
        }
        var imported = PublishedTables.Imported()
        for index in runs.indices where !runs[index].rows.isEmpty {
            if runs[index].ranks == 0, index > 0 {
                (runs[index].ranks, runs[index].hosts, runs[index].device) = (
                    runs[index - 1].ranks, runs[index - 1].hosts, runs[index - 1].device
                )
            }
            try add(runs[index], to: &imported, file, settings)
        }
        return imported
    }

    /// A line without what launchers put before it: "12: " of `srun -l`, "node7: " of pdsh, "[1,12]<stdout>: " of `mpirun --tag-output`, the time of a log.
    private static func unlabelled(_ line: Substring) -> Substring {
        var rest = line
        if let stamp = rest.prefixMatch(of: /\s*\d{4}-\d\d-\d\d[T ][\d:.,]+(Z|[+-]\d\d:?\d\d)?\s/) {
            rest = rest[stamp.range.upperBound...]
        }
        if let stamp = rest.prefixMatch(of: /\s*\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}(?=[\[\s])/) { rest = rest[stamp.range.upperBound...] }
        if let tag = rest.prefixMatch(of: /\s*\[[^\]]*\d+,\d+\]\s*<std\w+>\s*:?/) { rest = rest[tag.range.upperBound...] }
        if let label = rest.prefixMatch(of: /\s*[\w.\-]+:(?=\s*(#|\d+\s+\d+\s)|\s*$)/) { rest = rest[label.range.upperBound...] }
        return rest
    }

    private static func startsRun(_ line: Substring) -> Bool {
        ["Collective test starting", "nThread ", "Using devices", "nccl-tests version"].contains { line.contains($0) }
    }

    private static func libraryVersion(_ line: Substring) -> String? {
        line.firstRange(of: "NCCL version ").map { "NCCL " + (line[$0.upperBound...].split { $0 == " " || $0 == "+" }.first ?? "") }
    }

    /// Lines behind #: the programs print their ranks and columns, and newer ones their name.
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
        let columns = words.first == "#" ? Array(words.dropFirst()) : [String(words[0].dropFirst())] + words.dropFirst()
        if columns.first == "size", columns.contains("time") { run.columns = columns }
        for (name, kernel) in programs where line.contains(name) { run.operation = kernel }
        if let version = libraryVersion(line) { run.library = version }
    }

    private static let programs: [(String, Kernel)] = [
        ("all_reduce_perf", .allReduce), ("all_gather_perf", .allGather), ("reduce_scatter_perf", .reduceScatter),
        ("alltoall_perf", .allToAll), ("broadcast_perf", .broadcast), ("sendrecv_perf", .sendReceive),
    ]

    /// Where a row holds its times: as the header says, else by its number of fields.
    private static func places(of fields: [String], _ columns: [String]) -> [Int]? {
        guard columns.isEmpty else {
            let times = columns.indices.filter { columns[$0] == "time" }
            return fields.count == columns.count && (1...2).contains(times.count) ? times : nil
        }
        // size count type redop root, then time algbw busbw wrong twice; releases before 2.11 print no root for most operations, some no wrong.
        let forms: [Int: [[Int]]] = [13: [[5, 9]], 12: [[4, 8]], 11: [[5, 8]], 10: [[4, 7]]]
        return forms[fields.count]?.first
    }

    private static func add(
        _ run: Run, to imported: inout PublishedTables.Imported, _ file: String, _ settings: ImportSettings
    ) throws(MeasurementFault) {
        func unknown(_ what: String, _ option: String) -> MeasurementFault {
            MeasurementFault(file: file, reason: "the file does not say \(what)", suggestion: "give \(option)")
        }
        let ranks = settings.ranks ?? run.ranks
        guard ranks > 1 else { throw unknown("how many ranks took part", "--ranks") }
        guard let device = settings.device ?? run.device.map(DeviceNames.canonical) else {
            throw unknown("on which device it ran", "--device")
        }
        let perNode = min(ranks, settings.perNode ?? (run.hosts.isEmpty ? ranks : max(1, ranks / run.hosts.count)))
        guard let kernel = run.operation ?? settings.operation ?? guess(run.rows, ranks: ranks) else {
            throw unknown("which collective it is", "--operation all_reduce, all_gather, ...")
        }
        if let remark = DeviceNames.remark(on: device), settings.device == nil, !imported.remarks.contains(remark) {
            imported.remarks.append(remark)
        }
        for row in run.rows {
            guard let bytes = decimalNumber(row.fields[0]), bytes > 0, let dtype = Precision.parsing(row.fields[2]) else {
                imported.skipped += 1
                continue
            }
            let key = Measurement.Key(
                kernel, device: device, dtype: dtype, shape: .collective(bytes: bytes, ranks: ranks, perNode: perNode))
            // Operations that cannot run in place say N/A there.
            for place in row.times where row.fields[place] != "N/A" {
                guard let time = decimalNumber(row.fields[place]), time > 0, time < 1e12 else {
                    throw MeasurementFault(
                        file: file,
                        [
                            .init(
                                line: row.line, name: "time", reason: "\"\(row.fields[place])\" is no time in us",
                                suggestion: "give the output unchanged")
                        ])
                }
                var measurement = Measurement(key, seconds: time * 1e-6, source: "nccl-tests", date: settings.date)
                measurement.conditions.library = settings.library ?? run.library
                imported.measurements.append(measurement)
            }
        }
    }

    /// From the ratio of bus to algorithm bandwidth of the largest size: 2(n-1)/n is an all-reduce, (n-1)/n with a reduction a reduce-scatter.
    /// Without a reduction a gather cannot be told from an all-to-all.
    private static func guess(_ rows: [Row], ranks: Int) -> Kernel? {
        guard let last = rows.last, let time = last.times.first, last.fields.count > time + 2,
            let algorithm = decimalNumber(last.fields[time + 1]), let bus = decimalNumber(last.fields[time + 2]), algorithm > 0
        else { return nil }
        let n = Double(ranks)
        let ratio = bus / algorithm
        if ranks > 2, abs(ratio - 2 * (n - 1) / n) < 0.02 { return .allReduce }
        if last.fields[3] != "none", abs(ratio - (n - 1) / n) < 0.02 { return .reduceScatter }
        return nil
    }
}
