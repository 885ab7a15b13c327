import ArgumentParser
import Plan
import Glibc
import Report
import Scenario
import Studies

/// What every command prints, and how.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Print CSV.") var csv = false
    @Flag(name: .shortAndLong, help: "No remarks and no progress; errors are still shown.") var quiet = false

    func validate() throws {
        if json, csv { throw ValidationError("--json and --csv exclude each other; give one of them") }
    }

    func note(_ text: String) { if !quiet { Console.error(text) } }

    /// Asks a study that rests on the shipped calibration, and shows how far it is.
    /// - Parameter anchors: the user's own runs, which update it.
    func study<Answer>(
        _ title: String, jobs: Int, anchors: RunsOption? = nil, _ ask: (Study) throws -> Answer
    ) throws -> Answer {
        let calibration = try anchors.map { try $0.data(self) } ?? (data: CalibrationData.shipped(), anchored: nil)
        let progress = Progress(title, quiet: quiet)
        defer { progress.finish() }
        var study = Study(data: calibration.data, jobs: jobs) { progress.show($0, of: $1) }
        study.anchored = calibration.anchored
        return try ask(study)
    }
}

/// Where pages go.
struct ReportOption: ParsableArguments {
    @Option(
        name: .customLong("report"), help: ArgumentHelp("Write an HTML report into this folder.", valueName: "dir"), completion: .directory)
    var directory: String?

    static let name = "--report"

    /// The page among the call's outputs.
    func page(_ file: String) -> (option: String, path: String?) { (Self.name, directory.map { "\($0)/\(file)" }) }

    /// Writes the page where one is asked for.
    func write(_ outputs: Outputs, _ note: (String) -> Void, _ page: (String) throws(ReportError) -> String) {
        guard let directory else { return }
        outputs.attempt(Self.name) {
            var path = ""
            try uninterrupted { () throws(ReportError) in path = try page(directory) }
            note("report: \(path)")
        }
    }
}

/// How much of the machine is used.
struct JobsOption: ParsableArguments {
    @Option(
        name: [.customLong("jobs"), .customShort("j", allowingJoined: true)],
        parsing: .unconditional, help: "Threads; the answer does not depend on them (default: all cores).")
    var requested: Int?

    var count: Int { requested ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    func validate() throws {
        if let requested, !(1...1024).contains(requested) { throw ValidationError("--jobs is \(requested); give 1 to 1024") }
    }
}

/// Options of the commands that simulate scenarios.
struct SimulationOptions: ParsableArguments {
    @OptionGroup var output: OutputOptions
    @OptionGroup var report: ReportOption
    @OptionGroup var jobs: JobsOption
    @OptionGroup var anchors: RunsOption
    @Option(help: ArgumentHelp("Write the timeline as a trace that ui.perfetto.dev opens.", valueName: "file"), completion: .file())
    var trace: String?
    @Option(parsing: .unconditional, help: "Seed of everything random, in place of simulate.seed.") var seed: UInt64?
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the file, for instance layout.tensor=8; may be repeated.", valueName: "key=value"))
    var settings: [String] = []
    @Option(
        help: ArgumentHelp("Measured kernels of the cluster's GPU (docs/measurements.md), as software.measurements.", valueName: "file"),
        completion: .file(extensions: ["csv"]))
    var measurements: String?

    /// Everything that is laid over the file.
    var overrides: [String] {
        guard let measurements else { return settings }
        let escaped = measurements.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return settings + ["software.measurements=\"\(escaped)\""]
    }

    /// The scenario with what the command line says of seed and timeline.
    func applied(to scenario: Scenario) -> Scenario {
        var scenario = scenario
        scenario.settings.seed = seed ?? scenario.settings.seed
        // A timeline is costly to keep and shown in files only.
        scenario.settings.timeline = trace != nil || report.directory != nil && scenario.settings.timeline
        return scenario
    }

    /// The files that are asked for, of so many runs.
    /// - Throws: `InputError` where one of them is an input of the call.
    func outputs(runs: Int, inputs: [String]) throws(InputError) -> Outputs {
        let traces = trace.map { path in (0..<runs).map { (option: "--trace", path: Optional(runs == 1 ? path : numbered(path, $0 + 1))) } }
        return try Outputs([report.page("report.html")] + (traces ?? []), inputs: inputs)
    }

    /// Writes the files that are asked for.
    func write(_ reports: [RunAnswer], _ outputs: Outputs) {
        report.write(outputs, output.note) { directory throws(ReportError) in try RunAnswer.write(reports, to: directory) }
        guard let trace else { return }
        for (index, report) in reports.enumerated() {
            let path = reports.count == 1 ? trace : numbered(trace, index + 1)
            outputs.write(("--trace", path), report.trace()) { output.note("trace: \(path)") }
        }
    }

    /// "a/trace.json" as "a/trace-2.json".
    private func numbered(_ path: String, _ number: Int) -> String {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        guard let dot = path[slash...].lastIndex(of: "."), dot > slash else { return "\(path)-\(number)" }
        return "\(path[..<dot])-\(number)\(path[dot...])"
    }
}
