import ArgumentParser
import Quantities
import Report
import Scenario
import Studies

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
        let outputs = try options.outputs(runs: entries.count, inputs: entries.flatMap(\.files))
        let reports = try options.output.study("simulating", jobs: options.jobs.count, anchors: options.anchors) { try $0.compare(entries) }
        try Console.output(
            options.output.json
                ? RunAnswer.json(of: reports)
                : options.output.csv ? RunAnswer.csv(of: reports) : table(reports))
        options.write(reports, outputs)
        try outputs.finish()
        if reports.allSatisfy({ !$0.valid }) { throw ExitCode.doesNotHold }
    }

    /// Runs of one file are told apart by what varies, so its name is left out.
    private func table(_ reports: [RunAnswer]) -> String {
        var rows = reports
        if files.count == 1 {
            for index in rows.indices {
                rows[index].scenario = rows[index].scenario.split(separator: " ").drop { !$0.contains("=") }.joined(separator: " ")
            }
        }
        var style = Console.style
        if !Console.outputIsTerminal { style.width = 120 }
        return RunAnswer.comparison(of: rows, style: style)
    }

    /// The scenarios of all files; a point of a varied file is named by its values.
    private func scenarios() throws(ScenarioErrors) -> [Scenario] {
        var entries: [Scenario] = []
        var faults: [ScenarioError] = []
        for file in files {
            do throws(ScenarioErrors) {
                entries += try Scenario.points(of: ScenarioDocument(path: file), overrides: options.overrides).map(options.applied)
            } catch { faults += error.errors }
        }
        guard faults.isEmpty else { throw ScenarioErrors(faults) }
        return entries
    }

    /// Two scenarios under common random numbers.
    private func runPaired(_ entries: [Scenario], samples: Int) throws {
        guard entries.count == 2 else {
            throw InputError(
                "--samples compares two scenarios, and \(entries.count) are given; name two files, or vary one key with two values")
        }
        let answer = try options.output.study("simulating", jobs: options.jobs.count, anchors: options.anchors) {
            try $0.comparePaired(entries[0], entries[1], samples: samples, firstSeed: entries[0].settings.seed)
        }
        try Console.output(
            options.output.json ? answer.json.text() + "\n" : options.output.csv ? CSVRecords.text(answer.rows) : answer.text)
    }
}
