import ArgumentParser
import Glibc
import Report
import Scenario

/// What every command prints, and how.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Print CSV.") var csv = false
    @Flag(name: .shortAndLong, help: "No remarks and no progress; errors are still shown.") var quiet = false

    func validate() throws {
        if json, csv { throw ValidationError("--json and --csv exclude each other; give one of them") }
    }

    func note(_ text: String) { if !quiet { Console.error(text) } }
}

/// Where pages go.
struct ReportOption: ParsableArguments {
    @Option(
        name: .customLong("report"), help: ArgumentHelp("Write an HTML report into this folder.", valueName: "dir"), completion: .directory)
    var directory: String?

    /// Makes the folder, so that a wrong path is found before long work and not after it.
    /// - Throws: `FileError` where it cannot be made or written to.
    func prepare() throws(FileError) {
        if let directory { try makeFolder(directory) }
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

    /// Everything that is laid over the file. A path of the command line starts from the working folder, not from the scenario's.
    var overrides: [String] {
        guard let measurements else { return settings }
        let path = measurements.hasPrefix("/") ? measurements : "\(workingFolder())/\(measurements)"
        let escaped = path.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return settings + ["software.measurements=\"\(escaped)\""]
    }

    /// The scenario with what the command line says of seed, threads and timeline.
    func applied(to scenario: Scenario, jobs count: Int) -> Scenario {
        var scenario = scenario
        scenario.settings.seed = seed ?? scenario.settings.seed
        scenario.settings.jobs = count
        // A timeline is costly to keep and shown in files only.
        scenario.settings.timeline = trace != nil || report.directory != nil && scenario.settings.timeline
        return scenario
    }

    /// Writes the files that are asked for.
    /// - Throws: `ReportError` or `FileError` where one cannot be written.
    func writeFiles(_ reports: [RunReport]) throws {
        if let directory = report.directory {
            var path = ""
            try uninterrupted { () throws(ReportError) in path = try RunReport.write(reports, to: directory) }
            output.note("report: \(path)")
        }
        guard let trace else { return }
        for (index, report) in reports.enumerated() {
            let path = reports.count == 1 ? trace : numbered(trace, index + 1)
            try uninterrupted { () throws(FileError) in try writeFile(report.trace(), to: path) }
            output.note("trace: \(path)")
        }
    }

    /// "a/trace.json" as "a/trace-2.json".
    private func numbered(_ path: String, _ number: Int) -> String {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        guard let dot = path[slash...].lastIndex(of: "."), dot > slash else { return "\(path)-\(number)" }
        return "\(path[..<dot])-\(number)\(path[dot...])"
    }
}
