import ArgumentParser
import Calibration
import Fidelity
import Glibc
import Plan
import Report
import Scenario
import Simulation

/// Calibration: from measurements to the profiles that predictions rest on.
struct Calibrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure machines, and fit calibration profiles to measurements.",
        subcommands: [CalibrateFit.self, CalibrateCPU.self, CalibrateCUDA.self, CalibrateLinkPeer.self])
}

struct CalibrateFit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit",
        abstract: "Fit all profiles to measured runs at once, and judge the fit by model sizes left out.",
        discussion: """
            Prints the score of predictions made with constants fitted without the rows of the same stack, width and number of experts.
            The fit starts from the priors (constants.yaml) and does not depend on the profiles that are installed.
            """)
    @Argument(help: "Tables of measured runs (CSV).", completion: .file(extensions: ["csv"])) var files: [String] = []
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Fit kernels in place of profiles: tables of measured kernels (docs/measurements.md, or one that `orrery import table` reads).",
            valueName: "files"), completion: .file(extensions: ["csv", "json"]))
    var kernels: [String] = []
    @Option(name: .shortAndLong, help: ArgumentHelp("Write the fitted profiles here (YAML).", valueName: "file"), completion: .file())
    var output: String?
    @Option(parsing: .unconditional, help: "Gauss-Newton steps of the fit to all rows.") var iterations = 7
    @Option(parsing: .unconditional, help: "Gauss-Newton steps of each fit with a group left out.") var refine = 2
    @OptionGroup var printed: OutputOptions
    @OptionGroup var report: ReportOption

    func validate() throws {
        guard (1...100).contains(iterations), (1...20).contains(refine) else {
            throw ValidationError("--iterations is 1 to 100 and --refine 1 to 20")
        }
        if files.isEmpty == kernels.isEmpty {
            throw ValidationError("give tables of measured runs, or tables of measured kernels behind --kernels")
        }
    }

    func run() throws {
        try report.prepare()
        if let output { try checkWritable(output) }
        if !kernels.isEmpty { return try fitKernels() }
        var data = try CalibrationData.shipped()
        data.profiles = ProfileTable(adjustments: [], residual: [:], provenance: "")
        var runs: [PreparedRun] = []
        var rows: [ValidationRow] = []
        for run in try measuredRuns(files) where !run.isExcluded {
            do throws(PreparationError) { runs.append(try PreparedRun(run, data: data)) } catch {
                rows.append(ValidationRow(run).failed("\(error)"))
            }
        }
        guard !runs.isEmpty else {
            throw InputError("\(files.joined(separator: ", ")): no row can be fitted to; give tables of measured runs")
        }
        let judged = try CrossValidation(fit: ProfileFit(runs: runs, data: data), iterations: iterations, refine: refine) {
            printed.note($0)
        }
        let spread = judged.residualSpread
        for (index, run) in runs.enumerated() {
            let row = ValidationRow(run.run)
            let seconds = judged.leftOut[index]
            let width = exp(1.645 * (spread[run.plan.behaviour.stack] ?? 0.2))
            rows.append(
                row.predicted(
                    .init(
                        stepS: seconds, memoryGB: nil, fits: run.plan.memory.fits, interval90: (seconds / width)...(seconds * width),
                        evidence: Evidence(measured: 0, interpolated: 0, formula: 1, stepTimeError: spread[run.plan.behaviour.stack] ?? 0.2)
                    )))
        }
        let score = ValidationReport(rows: rows)
        if let output {
            let provenance =
                "fitted by `orrery calibrate fit` to \(runs.count) published runs, all stacks at once; left-out errors: reports/calibration"
            let profile = judged.fit.profile(judged.solution, residual: spread, provenance: provenance)
            try uninterrupted { () throws(FileError) in try writeFile(Array(profile.yaml.utf8), to: output) }
            printed.note("profiles: \(output)")
        }
        if let directory = report.directory {
            var path = ""
            try uninterrupted { () throws(ReportError) in path = try score.write(to: directory, version: Orrery.version) }
            printed.note("report: \(path)")
        }
        try Console.output(printed.json ? score.json() : printed.csv ? score.csv() : score.table(style: Console.style))
    }
}
