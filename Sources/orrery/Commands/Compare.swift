import ArgumentParser
import Plan
import Planner
import Report
import Scenario

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict several scenarios and set them side by side.",
        discussion: """
            Give several files, or one that varies keys (vary, zip). Exit status 1 where none of the runs fits.
            --samples runs two scenarios under the same random numbers, seed by seed, and gives the difference with its 95 % confidence interval.
            With --trace, each run's trace gets a number: trace-1.json, trace-2.json, ...
            """)
    @Argument(help: "Scenario files (YAML).", completion: .file(extensions: ["yaml", "yml"])) var files: [String]
    @OptionGroup var options: SimulationOptions
    @Option(parsing: .unconditional, help: ArgumentHelp("Compare two scenarios over this many seeds.", valueName: "seeds")) var samples:
        Int?

    func validate() throws {
        if let samples, !(2...100_000).contains(samples) { throw ValidationError("--samples is \(samples); give 2 to 100000 seeds") }
        if samples != nil, options.trace != nil || options.report.directory != nil {
            throw ValidationError("--samples gives no trace and no report; leave out --trace and --report")
        }
    }

    func run() throws {
        let entries = try scenarios()
        if let samples { return try runPaired(entries, samples: samples) }
        guard entries.count > 1 else {
            throw InputError(
                "\(files.joined(separator: " ")): there is one run and nothing to compare it with; name another file, or add vary: {layout.tensor: [1, 2]}"
            )
        }
        try options.report.prepare()
        let (data, anchored) = try options.anchors.data(options.output)
        let results = parallelMap(
            entries, jobs: options.jobs.count, progress: Progress("simulating", of: entries.count, quiet: options.output.quiet)
        ) { entry in Result { try project(entry.scenario, from: entry.file, data) } }
        var reports = try reports(results)
        for index in reports.indices { reports[index].anchored = anchored }
        try options.writeFiles(reports)
        try Console.output(
            options.output.json
                ? RunReport.json(of: reports)
                : options.output.csv ? RunReport.csv(of: reports) : table(reports))
        if reports.allSatisfy({ !$0.valid }) { throw ExitCode.doesNotHold }
    }

    /// Runs of one file are told apart by what varies, so its name is left out.
    private func table(_ reports: [RunReport]) -> String {
        var rows = reports
        if files.count == 1 {
            for index in rows.indices {
                rows[index].scenario = rows[index].scenario.split(separator: " ").drop { !$0.contains("=") }.joined(separator: " ")
            }
        }
        var style = Console.style
        if !Console.outputIsTerminal { style.width = 120 }
        return RunReport.comparison(of: rows, style: style)
    }

    /// All reports, or the faults of all files at once.
    private func reports(_ results: [Result<RunReport, any Error>]) throws -> [RunReport] {
        var reports: [RunReport] = []
        var faults: [ScenarioError] = []
        for result in results {
            do { reports.append(try result.get()) } catch let error as ScenarioErrors { faults += error.errors }
        }
        guard faults.isEmpty else { throw ScenarioErrors(faults) }
        return reports
    }

    private struct Entry: Sendable {
        var file: String
        var scenario: Scenario
    }

    /// The scenarios of all files; a point of a varied file is named by its values.
    private func scenarios() throws -> [Entry] {
        var entries: [Entry] = []
        var faults: [ScenarioError] = []
        for file in files {
            do throws(ScenarioErrors) {
                for point in try Scenario.expand(path: file, overrides: options.overrides) {
                    var scenario = options.applied(to: point.scenario, jobs: 1)
                    let values = point.point.map { "\($0.key.split(separator: ".").last ?? "")=\($0.value)" }
                    if !values.isEmpty { scenario.name += " " + values.joined(separator: " ") }
                    entries.append(Entry(file: file, scenario: scenario))
                }
            } catch { faults += error.errors }
        }
        guard faults.isEmpty else { throw ScenarioErrors(faults) }
        return entries
    }

    // MARK: two scenarios under common random numbers

    private func runPaired(_ entries: [Entry], samples: Int) throws {
        guard entries.count == 2 else {
            throw InputError(
                "--samples compares two scenarios, and \(entries.count) are given; name two files, or vary one key with two values")
        }
        guard entries.contains(where: { !$0.scenario.conditions.isUniform }) else {
            throw InputError(
                "\(files.joined(separator: " ")): nothing is random, so one run of each says all; add conditions: {jitter: {kernel: 2%}}, or leave out --samples"
            )
        }
        let (data, _) = try options.anchors.data(options.output)
        let first = options.seed ?? entries[0].scenario.settings.seed
        let progress = Progress("simulating", of: 2 * samples, quiet: options.output.quiet)
        let results = parallelMap(Array(0..<2 * samples), jobs: options.jobs.count, progress: progress) { index in
            var entry = entries[index % 2]
            entry.scenario.settings.seed = first &+ UInt64(index / 2)
            (entry.scenario.settings.samples, entry.scenario.settings.timeline) = (1, false)
            let own = entry
            return Result { try project(own.scenario, from: own.file, data) }
        }
        let times = try reports(results).map(\.result.step.timeS.mean)
        func column(_ side: Int) -> [Double] { stride(from: side, to: times.count, by: 2).map { times[$0] } }
        guard let paired = PairedDifference(column(0), column(1)) else { throw InputError("the step times are no numbers to compare") }
        let answer = PairedAnswer(names: entries.map(\.scenario.name), paired: paired, firstSeed: first)
        try Console.output(options.output.json ? answer.json.text() + "\n" : options.output.csv ? csvText(answer.rows) : answer.text)
    }
}
