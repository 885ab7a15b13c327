import ArgumentParser
import Plan
import Report
import Scenario
import Simulation

struct Sweep: ParsableCommand {
    enum Scaling: String, ExpressibleByArgument { case strong, weak }

    static let configuration = CommandConfiguration(
        abstract: "Predict every combination of the values of keys.",
        discussion: """
            Goes through the products of --vary, times what the file itself varies (vary, zip). A combination that is not possible is listed with
            its reason. --scaling varies cluster.gpus (or takes the values that --vary gives it): strong keeps the global batch, weak keeps the batch
            a GPU. Exit status 1 where no combination fits.
            """)
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @Option(parsing: .upToNextOption, help: ArgumentHelp("Keys with their values.", valueName: "key=v1,v2")) var vary: [String] = []
    @Option(help: "Scaling study over cluster.gpus: strong or weak.") var scaling: Scaling?
    @OptionGroup var output: OutputOptions
    @OptionGroup var jobs: JobsOption
    @Option(help: "Seed of everything random, in place of simulate.seed.") var seed: UInt64?
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the file, for instance layout.tensor=8; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    func run() throws {
        let axes = try axes()
        let runs = try combinations(axes).flatMap(expanded)
        guard runs.contains(where: { $0.scenario != nil }) else {
            throw ScenarioErrors(runs.first?.faults ?? [])
        }
        guard runs.count > 1 else { throw InputError("\(file): nothing varies; give --vary layout.tensor=1,2,4 or --scaling strong") }
        let data = try CalibrationData.shipped()
        let progress = Progress("simulating", of: runs.count, quiet: output.quiet)
        let results = parallelMap(runs, jobs: jobs.count, progress: progress) { run in SweepRow(run, file: file, data) }
        let table = SweepTable(rows: results, scaling: scaling)
        try Console.output(output.json ? table.json.text() + "\n" : output.csv ? csvText(table.cells) : table.text)
        if !results.contains(where: { $0.report?.valid == true }) { throw ExitCode.doesNotHold }
    }

    // MARK: axes

    private func axes() throws -> [SweepAxis] {
        var axes = try vary.map { try SweepAxis($0) }
        for (index, axis) in axes.enumerated() where axes[..<index].contains(where: { $0.key == axis.key }) {
            throw InputError("--vary: \(axis.key) is given twice; give all its values at once")
        }
        let points = axes.reduce(1) { $0.multipliedReportingOverflow(by: $1.values.count).partialValue }
        guard points <= 10_000 else { throw InputError("--vary: there are more than 10000 combinations; vary fewer keys, or use search") }
        guard scaling != nil, !axes.contains(where: { $0.key == "cluster.gpus" }) else { return axes }
        // Where no numbers are given: the file's machines, doubled three times.
        let scenario = try base()
        axes.insert(SweepAxis(key: "cluster.gpus", values: [1, 2, 4, 8].map { "\(scenario.job.cluster.gpus * $0)" }), at: 0)
        return axes
    }

    private func base() throws(ScenarioErrors) -> Scenario { try Scenario.load(path: file, overrides: overrides) }

    /// All combinations, the last axis fastest, with the batch that goes with weak scaling.
    private func combinations(_ axes: [SweepAxis]) throws -> [[(key: String, value: String)]] {
        var points: [[(key: String, value: String)]] = [[]]
        for axis in axes { points = points.flatMap { point in axis.values.map { point + [(axis.key, $0)] } } }
        guard scaling == .weak else { return points }
        let job = try base().job
        return try points.map { point in
            guard let text = point.first(where: { $0.key == "cluster.gpus" })?.value, let gpus = Int(text), gpus > 0,
                gpus <= 1 << 30
            else { throw InputError("--scaling weak: cluster.gpus is not a number of GPUs") }
            return point + [("training.global_batch", "\(max(1, job.training.globalBatch * gpus / job.cluster.gpus))")]
        }
    }

    /// The scenarios of one combination: one, or as many as the file varies.
    private func expanded(_ point: [(key: String, value: String)]) -> [SweepRun] {
        // A scaling study keeps the model's cut and lets the replicas follow.
        let settings = overrides + (scaling == nil ? [] : ["layout.data=auto"]) + point.map { "\($0.key)=\($0.value)" }
        do throws(ScenarioErrors) {
            return try Scenario.expand(path: file, overrides: settings).map { own in
                var scenario = own.scenario
                scenario.settings.seed = seed ?? scenario.settings.seed
                scenario.settings.jobs = 1
                scenario.settings.timeline = false
                return SweepRun(point: point + own.point, scenario: scenario)
            }
        } catch { return [SweepRun(point: point, faults: error.errors)] }
    }
}

/// A key with the values it goes through.
private struct SweepAxis {
    var key: String
    var values: [String]

    init(key: String, values: [String]) { (self.key, self.values) = (key, values) }

    /// Reads `key=v1,v2`; commas within brackets, braces and quotes belong to a value.
    init(_ text: String) throws(InputError) {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw InputError("--vary: \"\(text)\" names no values; write for instance layout.tensor=1,2,4")
        }
        key = String(text[..<equals])
        values = [""]
        var depth = 0
        var quote: Character?
        for character in text[text.index(after: equals)...] {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                quote = character
            } else if character == "[" || character == "{" {
                depth += 1
            } else if character == "]" || character == "}" {
                depth -= 1
            } else if character == ",", depth == 0 {
                values.append("")
                continue
            }
            values[values.count - 1].append(character)
        }
        guard !values.contains("") else { throw InputError("--vary: \(key) has an empty value; write for instance \(key)=1,2,4") }
    }
}

private struct SweepRun: Sendable {
    var point: [(key: String, value: String)]
    var scenario: Scenario?
    var faults: [ScenarioError] = []
}

/// A combination with its result, or why there is none.
private struct SweepRow: Sendable {
    var point: [(key: String, value: String)]
    var report: RunReport?
    var reason: String?

    init(_ run: SweepRun, file: String, _ data: CalibrationData) {
        point = run.point
        guard let scenario = run.scenario else {
            reason = Self.text(run.faults)
            return
        }
        do { report = try project(scenario, from: file, data) } catch {
            reason = (error as? ScenarioErrors).map { Self.text($0.errors) } ?? "\(error)"
        }
    }

    private static func text(_ faults: [ScenarioError]) -> String { faults.map { "\($0.keyPath): \($0.reason)" }.joined(separator: "; ") }
}

private struct SweepTable {
    let rows: [SweepRow]
    let scaling: Sweep.Scaling?

    /// Keys in order of appearance.
    private var keys: [String] {
        var keys: [String] = []
        for row in rows { for entry in row.point where !keys.contains(entry.key) { keys.append(entry.key) } }
        return keys
    }

    private func value(_ row: SweepRow, _ key: String) -> String { row.point.last { $0.key == key }?.value ?? "" }

    /// Throughput over that of the first run with the same other values, and that over the GPUs added.
    private func scale(_ row: SweepRow) -> (speedup: Double, efficiency: Double)? {
        guard scaling != nil, let report = row.report, let first = rows.first(where: { isSibling($0, row) })?.report else { return nil }
        let (mine, base) = (report.result.step, first.result.step)
        let gpus = Double(report.job.cluster.gpus) / Double(first.job.cluster.gpus)
        let speedup = mine.samplesPerS / base.samplesPerS
        return (speedup, speedup / gpus)
    }

    private func isSibling(_ a: SweepRow, _ b: SweepRow) -> Bool {
        guard a.report != nil else { return false }
        return keys.filter { $0 != "cluster.gpus" && $0 != "training.global_batch" }.allSatisfy { value(a, $0) == value(b, $0) }
    }

    /// Header and rows; empty cells where a combination is not possible.
    var cells: [[String]] {
        let names = keys
        var header = names + ["step_time_s", "tokens_per_s", "samples_per_s", "mfu", "memory_bytes", "fits", "total_usd"]
        if scaling != nil { header += ["speedup", "efficiency"] }
        return [header + ["reason"]]
            + rows.map { row in
                var cells = names.map { value(row, $0) }
                if let result = row.report?.result, let bill = row.report?.bill {
                    let step = result.step
                    cells += [step.timeS.mean, step.tokensPerS, step.samplesPerS, step.mfu, result.memory.peak].map { "\($0)" }
                    cells += ["\(result.memory.fits)", bill.totalUSD > 0 ? "\(bill.totalUSD)" : ""]
                } else {
                    cells += Array(repeating: "", count: 7)
                }
                if scaling != nil { cells += scale(row).map { ["\($0.speedup)", "\($0.efficiency)"] } ?? ["", ""] }
                return cells + [row.reason ?? ""]
            }
    }

    var text: String {
        let names = keys
        let short = names.map { key in key.split(separator: ".").last.map(String.init) ?? key }
        var table = [short + ["step s", "samples/s", "MFU %", "memory GB", "USD"] + (scaling == nil ? [] : ["speedup", "efficiency %"])]
        for row in rows {
            var cells = names.map { value(row, $0) }
            if let result = row.report?.result, let bill = row.report?.bill {
                cells += [
                    rounded(result.step.timeS.mean, 4), rounded(result.step.samplesPerS, 2), rounded(result.step.mfu * 100, 1),
                    rounded(result.memory.peak / 1e9, 1) + (result.memory.fits ? "" : " ✗"),
                    bill.totalUSD > 0 ? rounded(bill.totalUSD, 2) : "-",
                ]
                if scaling != nil { cells += scale(row).map { [rounded($0.speedup, 2), rounded($0.efficiency * 100, 1)] } ?? ["-", "-"] }
            }
            table.append(cells)
        }
        let widths = table[0].indices.map { column in table.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
        var lines: [String] = []
        for (index, cells) in table.enumerated() {
            var line = " "
            for (cell, width) in zip(cells, widths) { line += " " + String(repeating: " ", count: width - cell.count) + cell + " " }
            while line.last == " " { line.removeLast() }
            if index > 0, let reason = rows[index - 1].reason { line += "  not possible: \(reason)" }
            lines.append(line)
        }
        if rows.contains(where: { $0.report?.valid == false }) { lines.append("  ✗ needs more memory than a GPU has") }
        return lines.joined(separator: "\n") + "\n"
    }

    var json: JSONValue {
        let axes = keys.map { key in
            var values: [String] = []
            for row in rows {
                if let value = row.point.last(where: { $0.key == key })?.value, !values.contains(value) { values.append(value) }
            }
            return (key: key, value: JSONValue.array(values.map { .string($0) }))
        }
        let runs = rows.map { row in
            var members: [(key: String, value: JSONValue)] = [
                ("point", .object(row.point.map { (key: $0.key, value: .string($0.value)) })),
                ("result", row.report.map { $0.jsonValue() } ?? .null),
            ]
            if let scale = scale(row) {
                members += [("speedup", .number(scale.speedup)), ("efficiency", .number(scale.efficiency))]
            }
            if let reason = row.reason { members.append(("reason", .string(reason))) }
            return JSONValue.object(members)
        }
        return .object([("axes", .object(axes)), ("runs", .array(runs))])
    }
}
